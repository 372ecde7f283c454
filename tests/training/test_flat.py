"""The memory of all lanes: where each lane's entries lie."""

from __future__ import annotations

import torch

from sweep.training.flat import Flat


def numbered() -> Flat:
    """Three lanes of tensors of 2, 1 and 3 entries, the first two penalised."""
    return Flat(torch.arange(18.0), [2, 1, 3], 2)


def test_parts_lie_one_after_another_each_with_a_row_a_lane() -> None:
    flat = numbered()
    assert [part.tolist() for part in flat.parts] == [
        [[0, 1], [2, 3], [4, 5]],
        [[6], [7], [8]],
        [[9, 10, 11], [12, 13, 14], [15, 16, 17]],
    ]
    assert [part.shape[1] for part in flat.weights] == [2, 1]
    assert all(part.is_contiguous() for part in flat.parts)


def test_zeros_and_columns_have_as_many_lanes() -> None:
    flat = numbered()
    zeros, column = flat.zeros_like(), flat.columns()
    assert [part.shape for part in zeros.parts] == [part.shape for part in flat.parts]
    assert len(zeros.weights) == 2
    assert not zeros.whole.any()
    assert [part.tolist() for part in column.parts] == [[[0], [0], [0]]]
