"""One network: its layers and their bits, its first weights, its dropout."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from sweep.training.modules import (
    ACTIVATIONS,
    MLP,
    CounterDropout,
    build,
    dropout_key,
    with_counter_dropout,
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


# --- dropout


def keyed(p: float, key: int) -> CounterDropout:
    dropout = CounterDropout(p)
    dropout.key = torch.tensor(key)
    return dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_zeroes_the_share_p_and_scales_the_rest(p: float) -> None:
    out = keyed(p, 3)(torch.ones(400, 250))
    kept = out[out != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)))
    # 100,000 entries: five standard deviations
    assert abs(len(kept) / out.numel() - (1 - p)) < 5 * (p * (1 - p) / out.numel()) ** 0.5


def test_dropout_is_the_identity_in_evaluation_and_at_p_0() -> None:
    assert torch.equal(keyed(0.5, 3).eval()(ROWS), ROWS)
    assert torch.equal(keyed(0.0, 3)(ROWS), ROWS)


def test_a_dropout_mask_follows_from_its_key_alone() -> None:
    x = torch.ones(50, 40)
    assert torch.equal(keyed(0.5, 3)(x), keyed(0.5, 3)(x))
    agreement = (keyed(0.5, 3)(x) == keyed(0.5, 4)(x)).double().mean()
    assert 0.4 < float(agreement) < 0.6


def test_dropout_keys_differ_by_replicate_step_and_layer() -> None:
    keys = {
        int(dropout_key(torch.tensor(replicate), torch.tensor(step), layer))
        for replicate, step, layer in itertools.product((7, 2**62), range(50), range(3))
    }
    assert len(keys) == 300


def test_neighbouring_entries_of_a_mask_are_not_correlated() -> None:
    mask = (keyed(0.5, 11)(torch.ones(300, 300)) > 0).double() - 0.5
    assert abs(float((mask[:, 1:] * mask[:, :-1]).mean())) < 0.005
    assert abs(float((mask[1:] * mask[:-1]).mean())) < 0.005


def test_dropped_entries_pass_no_nan_on() -> None:
    x = torch.full((20, 20), torch.nan, requires_grad=True)
    out = keyed(0.5, 3)(x)
    dropped = out == 0
    assert 0 < int(dropped.sum()) < 400
    (grad,) = torch.autograd.grad(out.nansum(), x)
    assert not grad[dropped].isnan().any()


def test_every_dropout_inside_a_network_is_swapped() -> None:
    inner = nn.Sequential(nn.Dropout(0.3), nn.ReLU())
    module = with_counter_dropout(nn.Sequential(inner, nn.Linear(2, 2), nn.Dropout(0.1)))
    found = [m.p for m in module.modules() if isinstance(m, CounterDropout)]
    assert found == [0.3, 0.1]
    assert not any(isinstance(m, nn.Dropout) for m in module.modules())
    assert isinstance(with_counter_dropout(nn.Dropout(0.2)), CounterDropout)
