"""An entry has the same bits in any lane, among any number of lanes."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional as F

from sweep.training.counters import Draws
from sweep.training.entries import VECTOR, by_vectors, sigmoid_
from sweep.training.forward import _InLane
from tests.support.cases import few_fast

WIDTH = 7  # entries of a lane: no whole vector but in 32 lanes

Function = Callable[[Tensor], Tensor]


def in_lanes(function: Function, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a function makes of lanes (L, WIDTH), and its gradient."""

    def one(x: Tensor) -> Tensor:
        with _InLane(Draws(torch.zeros((), dtype=torch.int64))):
            return function(x)

    x = x.clone().requires_grad_()
    out = vmap(one)(x)
    (grad,) = torch.autograd.grad(out, x, torch.linspace(0.5, 2, WIDTH).to(x).expand_as(out))
    return out.detach(), grad


def activations() -> list[Function]:
    """Make one of each activation of torch that maps entries."""
    # Not those of rows, that draw, or that have weights or thresholds.
    others = "GLU", "MultiheadAttention", "RReLU", "PReLU", "Threshold"
    kinds = [getattr(nn.modules.activation, name) for name in nn.modules.activation.__all__]
    made = [kind() for kind in kinds if kind.__name__ not in others
            and not re.search("[mM]ax|Softmin", kind.__name__)]  # fmt: skip
    return [*made, nn.GELU(approximate="tanh")]


FUNCTIONS: dict[str, Function] = {
    **{str(module): module for module in activations()},
    **{name: getattr(torch, name) for name in ("sigmoid", "exp2", "sinh", "cosh", "exp", "erf",
                                               "sin", "asinh", "atan", "expm1")},
    "method": lambda x: x.sigmoid(), "expit": torch.special.expit,
    "atanh": lambda x: torch.atanh(x / 100),
    "power": lambda x: x.abs() ** 1.5, "negative power": lambda x: x.abs().pow(-0.5),
    "log1p": lambda x: x.abs().log1p(), "square": lambda x: x**2, "of a number": lambda x: 2**x,
    "of a number, by name": lambda x: torch.pow(3.0, x),
    "power in place": lambda x: x.abs().pow_(1.5), "root": lambda x: x.abs().sqrt(),
    "in place": lambda x: F.silu(x * 1, inplace=True), "ELU in place": lambda x: F.elu_(x * 1),
    "overwritten": lambda x: (x * 1).sigmoid_(),
    "CELU in place": lambda x: nn.CELU(0.5, inplace=True)(x * 1),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "dtype"), few_fast(product(FUNCTIONS, [torch.float32, torch.float64]), 3)
)
def test_an_entry_has_the_same_bits_in_any_lane_among_any_number(
    name: str, dtype: torch.dtype
) -> None:
    function = FUNCTIONS[name]
    x = 2 * torch.randn(2048, WIDTH, generator=torch.Generator().manual_seed(0), dtype=dtype)
    want = in_lanes(function, x)
    for lanes in (1, 3):
        parts = [in_lanes(function, part) for part in x[: 30 * lanes].split(lanes)]
        got = [torch.cat(tensors) for tensors in zip(*parts, strict=True)]
        for whole, few in zip(want, got, strict=True):
            assert torch.equal(whole[: len(few)], few)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_stands_in_for_a_function_does_what_it_does(name: str) -> None:
    function, x = FUNCTIONS[name], torch.linspace(-3, 3, 3 * WIDTH, dtype=torch.float64)
    out, grad = in_lanes(lambda x: function(x * 1), x.view(3, WIDTH))
    plain = x.clone().requires_grad_()
    want = function(plain * 1)
    (slope,) = torch.autograd.grad(want, plain, torch.linspace(0.5, 2, WIDTH).double().repeat(3))
    torch.testing.assert_close(out.view(-1), want.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grad.view(-1), slope, rtol=1e-11, atol=1e-11)


def test_a_function_that_overwrites_leaves_its_input_changed() -> None:
    def changed(x: Tensor) -> Tensor:
        x = x * 1
        F.silu(x, inplace=True)
        x.sigmoid_()
        return x

    x = torch.randn(3, WIDTH)
    torch.testing.assert_close(in_lanes(changed, x)[0], F.silu(x).sigmoid())


def test_numbers_and_other_tensors_go_to_torch_as_they_are() -> None:
    def several(x: Tensor) -> Tensor:
        return torch.pow(x.abs(), torch.full_like(x, 1.5)) + torch.pow(2, x) + 2**x

    x = torch.randn(3, WIDTH)
    torch.testing.assert_close(in_lanes(several, x)[0], x.abs() ** 1.5 + 2 * 2**x)


@pytest.mark.parametrize("size", [1, VECTOR - 1, VECTOR, VECTOR + 1, 5 * VECTOR + 3])
def test_the_rest_of_a_vector_is_taken_as_a_vector(size: int) -> None:
    x = torch.randn(8 * VECTOR, generator=torch.Generator().manual_seed(1))
    want = torch.sigmoid(x)[:size]
    assert torch.equal(by_vectors(torch.sigmoid, x[:size]), want)
    assert torch.equal(sigmoid_(x[:size].clone()), want)
    turned = x[: size // 3 * 3].view(-1, 3).mT  # lies in another order
    assert torch.equal(by_vectors(torch.sigmoid, turned).mT.flatten(), want[: size // 3 * 3])
