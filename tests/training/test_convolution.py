"""Convolutions of all lanes are torch's, and a lane's bits are its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import vmap

import sweep.training.lanes  # noqa: F401 - sets how MKL multiplies, before its first product
from sweep.training import convolution
from sweep.training.convolution import CONVOLUTIONS, Axis
from sweep.training.forward import FUNCTIONS
from sweep.training.modules import build
from tests.support.problems import generator
from tests.support.side_by_side import gap

LANES = 3
OPTIONS: list[dict[str, Any]] = [
    {}, {"padding": 1}, {"padding": "valid"}, {"padding": "same"}, {"padding": 4},
    {"stride": 2}, {"stride": 3, "padding": 1}, {"dilation": 2},
    {"dilation": 2, "padding": "same"}, {"stride": 2, "dilation": 2, "padding": 2},
]  # fmt: skip
KINDS: dict[str, tuple[Callable[..., Tensor], tuple[int, ...]]] = {
    "lines": (torch.conv1d, (9,)), "images": (torch.conv2d, (9, 7)),
}  # fmt: skip
# What a group of channels meets, and how a kernel may differ by axis.
OTHERS: dict[str, tuple[Callable[..., nn.Module], int]] = {
    "groups": (partial(nn.Conv2d, 2, 4, 3, groups=2), 4 * 3 * 3),
    "each axis its own": (
        partial(nn.Conv2d, 2, 4, (3, 1), stride=(2, 1), padding=(1, 2)), 4 * 3 * 9),
    "by its rows' gap": (partial(nn.Conv2d, 2, 4, 2, dilation=(1, 2)), 4 * 4 * 3),
    "zeros are none": (partial(nn.Conv2d, 2, 4, 3, padding=1, padding_mode="circular"), 4 * 25),
    "transposed": (partial(nn.ConvTranspose2d, 2, 4, 2), 4 * 36),
}  # fmt: skip


def drawn(
    name: str, channels: int, kernel: int, dtype: torch.dtype = torch.float64, rows: int = 4
) -> list[Tensor]:
    """Draw images, weights and biases of lanes."""
    draw, shape = partial(torch.randn, generator=generator(3), dtype=dtype), KINDS[name][1]
    weight = draw(LANES, 5, channels, *[kernel] * len(shape))
    return [draw(LANES, rows, channels, *shape), weight, draw(LANES, 5)]


def outcome(function: Callable[..., Tensor], tensors: list[Tensor]) -> list[Tensor]:
    """Return outputs and all gradients."""
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    out = function(*leaves)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(
        out.shape[1:] + out.shape[:1]
    )
    grads = torch.autograd.grad((out.square() * weights.movedim(-1, 0)).sum(), leaves)
    return [out.detach(), *grads]


def one_by_one(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *lanes: torch.stack([function(*lane) for lane in zip(*lanes, strict=True)])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("channels", [2, 8])
@pytest.mark.parametrize("name", KINDS)
def test_a_convolution_is_that_of_torch(name: str, channels: int, options: dict[str, Any]) -> None:
    own, _ = KINDS[name]
    for kernel in (1, 2, 3):
        if options.get("padding") == "same" and kernel == 2:
            continue  # torch warns of what it copies
        tensors = drawn(name, channels, kernel)
        ours = outcome(vmap(partial(CONVOLUTIONS[own], **options)), tensors)
        theirs = outcome(one_by_one(partial(own, **options)), tensors)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_an_even_kernel_has_one_zero_more_behind(name: str) -> None:
    own, _ = KINDS[name]
    tensors, same = drawn(name, 2, 2), {"padding": "same"}
    ours = outcome(vmap(partial(CONVOLUTIONS[own], **same)), tensors)
    for one, other in zip(ours, outcome(one_by_one(partial(own, **same)), tensors), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", KINDS)
def test_images_that_lanes_share_are_convolved_by_each(name: str) -> None:
    own, _ = KINDS[name]
    x, weight, bias = drawn(name, 2, 3)
    ours = outcome(vmap(CONVOLUTIONS[own], (None, 0, 0)), [x[0], weight, bias])
    theirs = outcome(
        lambda x, *of: one_by_one(own)(x.expand(LANES, *x.shape), *of), [x[0], weight, bias]
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", KINDS)
def test_lanes_may_lie_in_lanes_and_stand_alone(name: str) -> None:
    own, _ = KINDS[name]
    tensors = drawn(name, 2, 3)[:2]
    alone = torch.stack([CONVOLUTIONS[own](*lane) for lane in zip(*tensors, strict=True)])
    twice = vmap(vmap(CONVOLUTIONS[own]))(*(torch.stack([t, 2 * t], 1) for t in tensors))
    torch.testing.assert_close(alone, one_by_one(own)(*tensors))
    torch.testing.assert_close(twice, torch.stack([alone, 4 * alone], 1))


@pytest.mark.parametrize("channels", [2, 8])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", KINDS)
def test_a_lane_has_the_same_bits_in_any_company(name: str, stride: int, channels: int) -> None:
    tensors = drawn(name, channels, 3, torch.float32, 5)
    function = vmap(partial(CONVOLUTIONS[KINDS[name][0]], stride=stride, padding=1))

    def lanes(some: list[Tensor]) -> list[Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in some]
        out = function(*leaves)
        return [out.detach(), *torch.autograd.grad(out.square().sum(), leaves)]

    here = lanes(tensors)
    for company in ([2], [1, 2], [2, 0, 1], [1, 0, 2, 2, 1]):
        for one, other in zip(here, lanes([t[company] for t in tensors]), strict=True):
            assert torch.equal(one[company], other)


@pytest.mark.parametrize("name", OTHERS)
def test_other_convolutions_train_in_lanes_too(name: str) -> None:
    make, width = OTHERS[name]
    rows = torch.randn(LANES, 6, 50, generator=generator(1), dtype=torch.float64)
    layers = lambda: nn.Sequential(  # noqa: E731
        nn.Unflatten(1, (2, 5, 5)), make(), nn.Flatten(), nn.Linear(width, 3)
    )
    assert gap(layers, rows) < 1e-9


def test_networks_convolve_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(*args: Any) -> list[Tensor]:
        asked.append(args)
        return columns(*args)

    columns = convolution._columns
    monkeypatch.setattr(convolution, "_columns", counted)
    assert FUNCTIONS[torch.conv2d] is CONVOLUTIONS[torch.conv2d]
    build(lambda: nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten()), 0)(torch.ones(4, 2, 3, 3))
    assert asked


def test_a_planted_fault_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = lambda: nn.Sequential(  # noqa: E731
        nn.Unflatten(1, (2, 5, 5)), nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(),
        nn.Conv2d(3, 3, 3, padding=1), nn.Flatten(), nn.Linear(75, 3),
    )  # fmt: skip
    rows = torch.randn(LANES, 6, 50, generator=generator(1), dtype=torch.float64)
    assert gap(layers, rows) < 1e-9
    monkeypatch.setattr(Axis, "back", property(lambda axis: axis))
    monkeypatch.setattr(Tensor, "flip", lambda tensor, *_: tensor)
    assert gap(layers, rows) > 1e-6
