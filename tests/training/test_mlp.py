"""The written-out gradient is autograd's, for every activation, depth and task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

import sweep.training.mlp
from sweep.training.layout import Layout, Tensors
from sweep.training.losses import loss_of
from sweep.training.mlp import ACTIVATIONS, TRANSPOSED, outputs, write_gradient
from sweep.training.modules import ACTIVATIONS as MODULES
from sweep.training.modules import MLP, build
from sweep.training.vmapped import Stacked
from tests.support.plain_losses import CASES

LANES, ROWS, FEATURES = 3, 7, 5


class Lanes:
    """Networks of one shape and rows for each."""

    def __init__(
        self,
        hidden: list[int],
        activation: str,
        name: str,
        transposed: Sequence[str] = TRANSPOSED,
        *,
        weighted: bool = False,
    ):
        problem = CASES[name].problem(n=LANES * ROWS, weighted=weighted)
        self.loss, outputs = loss_of(problem, training=True), problem.n_outputs
        generator = torch.Generator().manual_seed(0)
        modules = [
            build(lambda: MLP(FEATURES, hidden, outputs, activation), seed).double()
            for seed in range(LANES)
        ]
        self.model = modules[0]
        self.layout = Layout.of(self.model, transposed=transposed)
        self.params = self.layout.flat(torch.stack([self.layout.row(m) for m in modules]))
        x = torch.randn(LANES, ROWS, FEATURES, generator=generator, dtype=torch.float64)
        rows = problem.train[0].view(LANES, ROWS)
        self.x, self.y = x, problem.y[rows]
        self.w = None if problem.weight is None else problem.weight[rows]

    @property
    def tensors(self) -> Tensors:
        return self.layout.views(self.params)

    def written(self) -> Tensor:
        gradient = self.params.zeros_like()
        gradient.whole.fill_(torch.nan)  # nothing is added to what was there
        assert isinstance(self.model, MLP)
        views = self.layout.views(gradient)
        write_gradient(self.model, self.tensors, views, self.x, self.y, self.w, self.loss)
        return torch.cat(gradient.parts, 1)

    def of_autograd(self) -> Tensor:
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in self.tensors.items()}
        out = Stacked(self.model).train(leaves, self.x)
        loss = self.loss.means(out, self.y, self.w).sum()
        grads = torch.autograd.grad(loss, [leaves[place.name] for place in self.layout.places])
        laid = [
            grad.mT if place.transposed else grad
            for place, grad in zip(self.layout.places, grads, strict=True)
        ]
        return torch.cat([grad.flatten(1) for grad in laid], 1)


@pytest.mark.parametrize("transposed", [(), TRANSPOSED, ("layers.0.weight", "layers.1.weight")])
def test_it_is_the_same_however_the_weights_lie(transposed: Sequence[str]) -> None:
    lanes = Lanes([6, 4], "tanh", "classification", transposed)
    assert not transposed or not lanes.tensors[transposed[0]].is_contiguous()
    torch.testing.assert_close(lanes.written(), lanes.of_autograd(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("hidden", [[], [6], [6, 4]], ids=str)
def test_the_rows_of_a_place_are_shared_by_all_slots(hidden: list[int]) -> None:
    lanes = Lanes(hidden, "relu", "classification")
    assert isinstance(lanes.model, MLP)
    by_lane = outputs(lanes.model, lanes.tensors, lanes.x)
    one_slot = {name: tensor[None] for name, tensor in lanes.tensors.items()}
    two_slots = {name: tensor.expand(2, *tensor.shape[1:]) for name, tensor in one_slot.items()}
    for tensors in (one_slot, two_slots):
        out = outputs(lanes.model, tensors, lanes.x[None])
        torch.testing.assert_close(out, by_lane.expand_as(out), rtol=0, atol=1e-14)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("hidden", [[], [6], [6, 4], [3, 8, 5]], ids=str)
@pytest.mark.parametrize("activation", MODULES)
def test_it_is_what_autograd_finds(activation: str, hidden: list[int], task: str) -> None:
    lanes = Lanes(hidden, activation, task)
    torch.testing.assert_close(lanes.written(), lanes.of_autograd(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("hidden", [[], [6]], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_it_is_what_autograd_finds_of_every_loss(
    name: str, hidden: list[int], weighted: bool
) -> None:
    lanes = Lanes(hidden, "tanh", name, weighted=weighted)
    torch.testing.assert_close(lanes.written(), lanes.of_autograd(), rtol=0, atol=1e-14)


def test_every_activation_of_a_study_file_is_covered() -> None:
    assert {*MODULES.values()} == {*ACTIVATIONS}


@pytest.mark.parametrize("activation", MODULES)
def test_a_slope_of_the_wrong_activation_is_caught(
    monkeypatch: pytest.MonkeyPatch, activation: str
) -> None:
    lanes, module = Lanes([6], activation, "classification"), MODULES[activation]
    for other in MODULES.values():
        if other is not module:
            faulty: Any = ACTIVATIONS[module]._replace(backward=ACTIVATIONS[other].backward)
            monkeypatch.setattr(sweep.training.mlp, "ACTIVATIONS", {**ACTIVATIONS, module: faulty})
            assert (lanes.written() - lanes.of_autograd()).abs().max() > 1e-4


@pytest.mark.parametrize("task", CASES)
def test_a_lane_that_is_not_finite_leaves_the_others_bitwise_as_they_are(task: str) -> None:
    lanes = Lanes([6], "relu", task)
    healthy = lanes.written()
    for part in lanes.params.parts:
        part[1] = torch.nan
    poisoned = lanes.written()
    assert poisoned[1].isnan().any()
    assert torch.equal(poisoned[::2], healthy[::2])
