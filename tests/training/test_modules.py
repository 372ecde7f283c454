"""One network: its layers and their bits, its first weights, its dropout."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sweep.training.modules import (
    ACTIVATIONS,
    MLP,
    build,
)
from tests.support.problems import generator

ROWS = torch.randn(4, 5, generator=generator(1))
TORCH = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU, "elu": nn.ELU}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [[], [7], [6, 4]])
def test_an_mlp_is_linear_layers_with_activations_between(
    hidden: list[int], activation: str
) -> None:
    module = MLP(5, hidden, 3, activation)
    weights = list(module.layers)
    plain: list[nn.Module] = [weights[0]]
    for layer in weights[1:]:
        plain += [TORCH[activation](), layer]
    torch.testing.assert_close(module(ROWS), nn.Sequential(*plain)(ROWS))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_and_their_gradients_are_those_of_torch(activation: str) -> None:
    x = torch.tensor([-math.inf, -200.0, -3.0, -1e-9, 0.0, 1e-9, 0.7, 200.0, math.nan])
    x = x.double()[1:] if activation in ("gelu", "silu") else x.double()  # -inf·0 is NaN
    values, slopes = [], []
    for kind in (ACTIVATIONS, TORCH):
        leaf = x.clone().requires_grad_()
        out = kind[activation]()(leaf)
        values.append(out.detach())
        slopes.append(torch.autograd.grad(out.sum(), leaf)[0])
    torch.testing.assert_close(*values, rtol=1e-12, atol=1e-14, equal_nan=True)
    torch.testing.assert_close(slopes[0][:-1], slopes[1][:-1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_round_alike_at_every_place_of_a_tensor(activation: str) -> None:
    x = 2 * torch.randn(1001, generator=generator(3))
    module = ACTIVATIONS[activation]()
    pieces = torch.cat([module(piece) for piece in x.split(7)])
    assert torch.equal(pieces, module(x))


def test_initial_weights_follow_from_the_seed_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (build(lambda: nn.Linear(3, 2), seed) for seed in (5, 5, 6))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.get_parameter("weight"), same.get_parameter("weight"))
    assert not torch.equal(one.get_parameter("weight"), other.get_parameter("weight"))
