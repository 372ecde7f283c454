"""The gradient of each lane is clipped as torch clips that of one network."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from sweep.training.clipping import clip_norm
from sweep.training.layout import Flat

SIZES = [3, 2, 700]


def gradient(dtype: torch.dtype, lanes: int = 4) -> Flat:
    """Draw lanes of very different norms."""
    draw = torch.Generator().manual_seed(0)
    scale = torch.tensor([1e-6, 0.1, 5.0, 1e9])[:, None]
    rows = (torch.randn(4, sum(SIZES), generator=draw) * scale)[:lanes]
    parts = [part.flatten() for part in rows.to(dtype).split(SIZES, 1)]
    return Flat(torch.cat(parts), SIZES, 1)


@pytest.mark.parametrize("largest", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
def test_each_lane_is_clipped_as_torch_clips_one_network(
    dtype: torch.dtype, within: float, largest: float
) -> None:
    ours, given = gradient(dtype), gradient(dtype)
    clip_norm(ours, largest)
    for lane in range(4):
        tensors = [nn.Parameter(torch.zeros(size, dtype=dtype)) for size in SIZES]
        for tensor, part in zip(tensors, given.parts, strict=True):
            tensor.grad = part[lane].clone()
        nn.utils.clip_grad_norm_(tensors, largest)
        for tensor, part in zip(tensors, ours.parts, strict=True):
            torch.testing.assert_close(part[lane], tensor.grad, rtol=within, atol=0)


def test_a_lane_that_is_not_finite_leaves_the_others_bitwise_as_they_are() -> None:
    healthy, sick = gradient(torch.float32), gradient(torch.float32)
    sick.parts[1][2] = math.nan
    with np.errstate(all="ignore"):
        clip_norm(healthy, 1.0)
        clip_norm(sick, 1.0)
    for one, other in zip(healthy.parts, sick.parts, strict=True):
        assert torch.equal(one[[0, 1, 3]], other[[0, 1, 3]])
        assert other[2].isnan().all()


def test_a_lane_has_the_same_bits_beside_any_others() -> None:
    alone, beside = gradient(torch.float32, 1), gradient(torch.float32)
    clip_norm(alone, 1e-8)
    clip_norm(beside, 1e-8)
    for one, other in zip(alone.parts, beside.parts, strict=True):
        assert torch.equal(one[0], other[0])
