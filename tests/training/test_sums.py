"""Sums along the last axis."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from sweep.training.sums import VECTORISED, slow, sums


@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 129), (1, 200)])
def test_the_last_axis_is_added_up(shape: tuple[int, ...]) -> None:
    values = torch.rand(shape, dtype=torch.float64)
    torch.testing.assert_close(sums(values), values.sum(-1))
    out = torch.empty(shape[:-1], dtype=torch.float64)
    assert sums(values, out=out) is out
    torch.testing.assert_close(out, values.sum(-1))


def test_made_slow_the_axis_adds_up_to_the_same() -> None:
    values = torch.rand(4, 3, 129, dtype=torch.float64).mT.contiguous().mT  # any strides
    assert slow(values).shape == (129, 4, 3) and slow(values).is_contiguous()
    torch.testing.assert_close(slow(values).sum(0), values.sum(-1))


class OnGpu:
    """Pass for a tensor of a GPU."""

    def __init__(self, values: torch.Tensor):
        self.values, self.device, self.shape = values, torch.device("cuda"), values.shape


@contextmanager
def noticed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """List how the rows of an `OnGpu` are added up."""
    how: list[str] = []

    def slowed(values: Any) -> torch.Tensor:
        how.append("by a slow axis")
        return slow(values.values)

    def added(values: Any, axis: int, out: torch.Tensor | None = None) -> torch.Tensor:
        values = getattr(values, "values", values) if isinstance(values, OnGpu) else values
        return values.sum(axis)  # type: ignore[no-any-return]

    with monkeypatch.context() as patch:
        patch.setattr("sweep.training.sums.slow", slowed)
        patch.setattr(torch, "sum", added)
        yield how


@pytest.mark.parametrize("n", [VECTORISED - 1, VECTORISED, 129])
def test_on_a_gpu_long_rows_are_added_up_along_a_slow_axis(
    monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    values = torch.rand(3, n, dtype=torch.float64)
    with noticed(monkeypatch) as how:
        found = sums(OnGpu(values))  # type: ignore[arg-type]
    torch.testing.assert_close(found, values.sum(1))
    assert how == ["by a slow axis"] * (n >= VECTORISED)
