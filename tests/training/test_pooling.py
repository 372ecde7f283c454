"""Max pooling gives what torch's gives, to the bit, and so does its gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.func import vmap
from torch.nn import functional as F

from sweep.training.modules import build
from sweep.training.pooling import POOLING
from tests.support.problems import generator

WINDOWS: list[dict[str, Any]] = [
    {"kernel_size": 2}, {"kernel_size": 3, "stride": 2}, {"kernel_size": 2, "stride": 3},
    {"kernel_size": 2, "stride": 1, "dilation": 3}, {"kernel_size": 3, "padding": 1},
    {"kernel_size": 2, "ceil_mode": True}, {"kernel_size": 5}, {"kernel_size": [3], "stride": []},
]  # fmt: skip


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("pool", [F.max_pool1d, F.max_pool2d])
@torch.no_grad()
def test_a_pool_is_that_of_torch(pool: Any, window: dict[str, Any]) -> None:
    shape = (9, 8) if pool is F.max_pool2d else (9,)
    x = torch.randn(3, 5, 2, *shape, generator=generator(1))
    x[0, 0, 0, 1] = torch.nan
    x[1] = -torch.inf
    ours = vmap(lambda x: POOLING[pool](x, **window))(x)
    theirs = torch.stack([pool(lane, **window) for lane in x])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


@torch.no_grad()
def test_windows_that_differ_by_axis_are_those_of_torch() -> None:
    x = torch.randn(5, 2, 9, 8, generator=generator(1))
    window = (3, 2), (1, 2), 0, (2, 1)
    assert torch.equal(POOLING[F.max_pool2d](x, *window), F.max_pool2d(x, *window))


def test_a_window_that_is_too_large_is_refused_as_by_torch() -> None:
    with torch.no_grad(), pytest.raises((RuntimeError, IndexError)):
        POOLING[F.max_pool2d](torch.ones(1, 1, 2, 8), 3)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("order", ["rows first", "rows last"])
@pytest.mark.parametrize("pool", [F.max_pool1d, F.max_pool2d])
def test_the_first_of_equal_entries_has_the_gradient(
    pool: Any, order: str, window: dict[str, Any]
) -> None:
    shape = (9, 8) if pool is F.max_pool2d else (8,)
    x = torch.randint(3, (3, 5, 2, *shape), generator=generator(1)).double()
    x = x if order == "rows first" else x.movedim(1, -1).contiguous().movedim(-1, 1)
    x.requires_grad_()
    ours = vmap(lambda x: POOLING[pool](x, **window))(x)
    theirs = torch.stack([pool(lane, **window) for lane in x])
    slope = torch.rand(theirs.shape, generator=generator(2), dtype=torch.float64)
    grads = [torch.autograd.grad((out * slope).sum(), x)[0] for out in (ours, theirs)]
    torch.testing.assert_close(*grads, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layer", [nn.MaxPool1d(2), nn.MaxPool2d(2)])
def test_a_network_pools_so(layer: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build(lambda: nn.Sequential(layer, nn.Flatten()), 0)
    x = torch.randn(4, 2, 6) if isinstance(layer, nn.MaxPool1d) else torch.randn(4, 2, 6, 6)
    compared, maximum = [], torch.maximum

    def counted(*args: Any) -> Any:
        compared.append(args)
        return maximum(*args)

    monkeypatch.setattr(torch, "maximum", counted)
    assert torch.equal(network(x), layer(x).flatten(1))
    assert compared
