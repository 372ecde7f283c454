"""Batch normalisation of all lanes is torch's, whatever order images lie in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import vmap
from torch.nn import functional as F

from sweep.training.normalisation import NORMALISATION
from tests.support.problems import generator

LANES, CHANNELS = 3, 4
SHAPES = [(5,), (5, 3), (3, 2, 2)]
norm = NORMALISATION[F.batch_norm]


def drawn(shape: tuple[int, ...], order: str, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Draw images of lanes, running statistics, weights and biases."""
    draw = partial(torch.randn, generator=generator(3), dtype=dtype)
    x = draw(LANES, 6, CHANNELS, *shape) * 3 + 2
    x = x if order == "rows first" else x.movedim(1, -1).contiguous().movedim(-1, 1)
    of_channels = [draw(LANES, CHANNELS) for _ in range(4)]
    of_channels[1] = of_channels[1].square() + 0.5
    return [x, *of_channels]


def outcome(function: Callable[..., Any], tensors: list[Tensor], **options: Any) -> list[Tensor]:
    """Return outputs, running statistics and the gradients of the rest."""
    x, mean, var, weight, bias = (tensor.clone() for tensor in tensors)
    leaves = [tensor.requires_grad_() for tensor in (x, weight, bias)]
    out = function(partial(norm if function is vmap else F.batch_norm, **options))(
        x, mean, var, weight, bias
    )
    slope = torch.sin(torch.arange(out.numel(), dtype=out.dtype)).view(out.shape)
    return [out.detach(), mean, var, *torch.autograd.grad((out * slope).sum(), leaves)]


def one_by_one(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *lanes: torch.stack([function(*lane) for lane in zip(*lanes, strict=True)])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("order", ["rows first", "rows last"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_batch_is_normalised_as_by_torch(
    shape: tuple[int, ...], order: str, training: bool
) -> None:
    tensors, options = drawn(shape, order), {"training": training, "momentum": 0.3, "eps": 1e-3}
    ours, theirs = (outcome(how, tensors, **options) for how in (vmap, one_by_one))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_weights_and_running_statistics_may_be_missing() -> None:
    x = drawn((5, 3), "rows last")[0]
    ours = vmap(lambda x: norm(x, None, None, training=True))(x)
    theirs = one_by_one(lambda x: F.batch_norm(x, None, None, training=True))(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_one_entry_a_channel_is_refused_as_by_torch() -> None:
    with pytest.raises(ValueError, match="more than 1 value"):
        norm(torch.ones(1, 2, 1), torch.zeros(2), torch.ones(2), training=True)


@pytest.mark.parametrize("order", ["rows first", "rows last"])
def test_a_lane_has_the_same_bits_in_any_company(order: str) -> None:
    tensors = drawn((5, 3), order, torch.float32)
    here = outcome(vmap, tensors, training=True)
    for company in ([2], [1, 2], [2, 0, 1], [1, 0, 2, 2, 1]):
        some = [tensor[company] for tensor in tensors]
        if order == "rows last":
            some[0] = some[0].movedim(1, -1).contiguous().movedim(-1, 1)
        x, mean, var, weight, bias = (tensor.clone() for tensor in some)
        out = vmap(partial(norm, training=True))(x, mean, var, weight, bias)
        for one, other in zip(here, (out, mean, var), strict=False):
            assert torch.equal(one[company], other)
