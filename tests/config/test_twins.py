"""The torch optimisers that a config builds step as the study's do, with their proximal steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sweep.config.twins import TWINS
from sweep.errors import UsageError
from tests.support import reference
from tests.support.own_loop import (
    ALPHA,
    WEIGHTS,
    assert_alike,
    batches,
    config,
    data_loss,
    network,
)
from tests.support.reference import Loop, Penalty

BETAS: dict[str, Any] = {"betas": (0.8, 0.95), "eps": 1e-6}
# The section of the study file, and the same for the plain loop.
LATER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "rmsprop": ({"smoothing": 0.9}, {"options": {"alpha": 0.9}}),
    "rmsprop momentum": ({"momentum": 0.8}, {"momentum": 0.8}),
    "adagrad": ({"lr_decay": 0.1, "initial_accumulator": 0.2},
                {"options": {"lr_decay": 0.1, "initial_accumulator_value": 0.2}}),
    "nadam": (BETAS, BETAS),
    "radam": (BETAS, BETAS),
    "lion": ({"betas": (0.8, 0.95)}, {"options": {"betas": (0.8, 0.95)}}),
    "muon": ({"momentum": 0.9, **BETAS},
             {"momentum": 0.9, **BETAS, "options": {"adjust_lr_fn": "match_rms_adamw"}}),
    "muon original": ({"momentum": 0.0, "adjust_lr": "original", "nesterov": False},
                      {"options": {"nesterov": False}}),
}  # fmt: skip
L2_ALONE = ("lion", "muon")


def by_config(name: str, norm: str) -> dict[str, Tensor]:
    kind, model = name.split()[0], network()
    training = {"optimizer": kind, "lr": 0.02, **LATER[name][0]}
    optimizer = config(training, norm, **_ratio(norm)).optimizer(model)
    for x, y in batches():
        optimizer.zero_grad()
        data_loss(model, x, y).backward()
        with reference.default_dtype(torch.float64):
            optimizer.step()
    return {name: p.detach() for name, p in model.named_parameters()}


def by_reference(name: str, norm: str) -> dict[str, Tensor]:
    kind, model = name.split()[0], network()
    penalty = Penalty(ALPHA, {"l2": 0.0, "l1": 1.0, "elastic": 0.3}[norm])
    loop: Any = Loop(kind, 0.02, penalty, 1, **LATER[name][1])  # type: ignore[arg-type]
    named = dict(model.named_parameters())
    weights = [named[name] for name in WEIGHTS]
    others = [p for name, p in named.items() if name not in WEIGHTS]
    optimizer = reference._optimizer(loop, weights, others, weights[:1])
    proximal = reference._Proximal(loop, optimizer)
    for x, y in batches():
        optimizer.zero_grad()
        data_loss(model, x, y).backward()
        with reference.default_dtype(torch.float64):
            optimizer.step()
        proximal.step(weights)
    return {name: p.detach() for name, p in named.items()}


def _ratio(norm: str) -> dict[str, float]:
    return {"l1_ratio": 0.3} if norm == "elastic" else {}


@pytest.mark.parametrize("norm", ["l2", "l1", "elastic"])
@pytest.mark.parametrize("name", LATER)
def test_the_optimizer_of_a_config_steps_as_a_plain_loop_does(name: str, norm: str) -> None:
    if norm != "l2" and name.split()[0] in L2_ALONE:
        with pytest.raises(UsageError, match=r"^penalty\.norm: must be l2 with optimizer"):
            by_config(name, norm)
        return
    assert_alike(by_config(name, norm), by_reference(name, norm), 1e-10)


def test_centered_rmsprop_takes_no_l1() -> None:
    model = network()
    made = torch.optim.RMSprop(model.parameters(), centered=True)
    with pytest.raises(UsageError, match="got RMSprop with centered"):
        config({"optimizer": "sgd"}, "l1").attach(made, model)


def test_groups_of_muon_tell_hidden_matrices_from_the_rest() -> None:
    model, training = network(), {"optimizer": "muon", "lr": 0.1}
    groups = config(training).param_groups(model)
    names = {id(p): name for name, p in model.named_parameters()}
    found = {(g["hidden"], g["weight_decay"]): {names[id(p)] for p in g["params"]} for g in groups}
    biases = {"0.bias", "1.weight", "1.bias", "3.bias"}
    assert found == {(True, ALPHA): {"0.weight"}, (False, ALPHA): {"3.weight"},
                     (False, 0.0): biases}  # fmt: skip


@pytest.mark.parametrize("name", ["lion", "muon"])
def test_a_step_with_a_closure_is_the_same(name: str) -> None:
    twin, ends = TWINS[name], []
    for by_closure in (True, False):
        weight = nn.Parameter(torch.ones(2, 3))
        optimizer = twin.kind([weight], lr=0.1)

        def closure(weight: nn.Parameter = weight) -> float:
            weight.grad = None
            loss = weight.square().sum()
            loss.backward()
            return loss.item()

        for _ in range(3):
            if by_closure:
                assert optimizer.step(closure) > 0
            else:
                closure()
                optimizer.step()
        ends.append(weight.detach())
    assert torch.equal(*ends)
