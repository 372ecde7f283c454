"""Products in bfloat16: near a loop under torch.autocast, in float32 between the steps."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sweep.data.problem import Problem
from sweep.training.lanes import Lanes
from sweep.training.modules import MLP, Factory, build
from sweep.training.optimizers import Adam
from sweep.training.precision import Precision, rounded
from sweep.training.recipe import Recipe
from tests.support.cases import few_fast
from tests.support.problems import made_up
from tests.support.settings import setting_of

EPOCHS = 5


def mlp() -> nn.Module:
    return MLP(6, [16], 3, "tanh")


def own() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 3))


NETWORKS: dict[str, Factory] = {"mlp": mlp, "own": own}
RECIPE = Recipe(Adam(), EPOCHS, 8, seed=3)


def problem() -> Problem:
    return made_up(shape=(6,), n=40, val_sizes=(30, 20), dtype=torch.float32)


def trained(net: str, precision: Precision, slots: int = 1, slot: int = 0) -> list[Tensor]:
    """Train the two replicates of a trial in a slot, beside others; return losses and weights."""
    recipe = replace(RECIPE, precision=precision)
    lanes = Lanes(problem(), NETWORKS[net], recipe, slots, 2)
    settings = [setting_of(0.3 * k, 0.01 * (k + 1)) for k in range(slots)]
    settings[slot] = setting_of(0.01, 0.02)
    lanes.reset(range(slots), range(2), settings)
    for _ in range(EPOCHS):
        lanes.train_epoch()
    own = slice(2 * slot, 2 * slot + 2)
    losses = lanes.validate(range(2))[own]
    return [losses, *(lanes.tensors(at)[name] for at in range(own.start, own.stop)
                      for name in dict(NETWORKS[net]().named_parameters()))]  # fmt: skip


@pytest.mark.parametrize("net", NETWORKS)
def test_lanes_in_bfloat16_come_near_a_loop_under_autocast(net: str) -> None:
    """And nearer than to one in float32, whose first steps differ by bfloat16's 8 bits."""
    got, exact = (trained(net, p)[0] for p in ("bfloat16", "float32"))
    torch.testing.assert_close(got, exact, rtol=0.02, atol=0)
    assert not torch.equal(got, exact)


@pytest.mark.parametrize("net", NETWORKS)
def test_a_first_gradient_is_that_of_autocast(net: str) -> None:
    data, recipe = problem(), replace(RECIPE, precision="bfloat16")
    lanes = Lanes(data, NETWORKS[net], recipe, 1, 2)
    lanes.reset(range(1), range(2), [setting_of(0.0, 0.01)])
    x, y = data.X[data.train[:, :8]], data.y[data.train[:, :8]]
    lanes._update(lanes, x, y, None)
    found = lanes.layout.views(lanes._state[0])  # 0.1 of the gradient
    for r in range(2):
        module = build(NETWORKS[net], lanes_seed(data, r))
        with torch.autocast("cpu", torch.bfloat16):
            out = module(x[r])
        assert out.dtype == torch.bfloat16
        nn.functional.cross_entropy(out.float(), y[r]).backward()
        grads = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
        assert grads.keys() == found.keys()
        # That of a bias before BatchNorm is 0 but for rounding: compare with the largest.
        size = max(float(grad.abs().max()) for grad in grads.values())
        for name, grad in grads.items():
            torch.testing.assert_close(found[name][r] / 0.1, grad, rtol=0, atol=0.02 * size)


def lanes_seed(data: Problem, r: int) -> int:
    from sweep.training.draws import seed_of

    return seed_of(data, RECIPE.seed, "weights", r)


@pytest.mark.parametrize("net", NETWORKS)
def test_weights_and_state_are_in_float32(net: str) -> None:
    lanes = Lanes(problem(), NETWORKS[net], replace(RECIPE, precision="bfloat16"), 1, 2)
    lanes.reset(range(1), range(2), [setting_of(0.0, 0.01)])
    lanes.train_epoch()
    held: Any = [lanes._params, lanes._grad, *lanes._state]
    assert {flat.whole.dtype for flat in held} == {torch.float32}
    assert lanes.validate(range(2)).dtype == torch.float32


@pytest.mark.parametrize(("net", "slot"), few_fast(product(NETWORKS, [0, 1, 3]), 2))
def test_a_trial_has_the_same_bits_in_any_slot(net: str, slot: int) -> None:
    first, other = (trained(net, "bfloat16", 4, at) for at in (0, slot))
    for one, two in zip(first, other, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(("net", "slots"), few_fast(product(NETWORKS, [2, 3, 8]), 2))
def test_a_trial_has_the_same_bits_at_any_width(net: str, slots: int) -> None:
    for one, two in zip(
        trained(net, "bfloat16"), trained(net, "bfloat16", slots, slots - 1), strict=True
    ):
        assert torch.equal(one, two)


def test_tf32_is_on_for_the_steps_alone() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with rounded("tf32"):
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
    with rounded("float32"):
        assert torch.get_float32_matmul_precision() == before[0]
