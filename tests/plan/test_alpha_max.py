"""alpha_max: the weights collapse when trained just above it, and not just below."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from sweep.data.problem import Problem
from sweep.data.user_code import OwnFunction
from sweep.plan import alpha_max as module
from sweep.plan.alpha_max import alpha_max
from sweep.spec.losses import LossSetting
from sweep.training.lanes import Lanes
from sweep.training.messages import Measures
from sweep.training.modules import MLP
from sweep.training.optimizers import SGD, Adam, Optimizer
from sweep.training.recipe import Recipe
from tests.support.cases import few_fast
from tests.support.plain_losses import CASES
from tests.support.problems import made_up, real, repeated
from tests.support.settings import setting_of

ABOVE, BELOW = 1.03, 0.97


def train(
    problem: Problem,
    hidden: Sequence[int],
    strengths: Sequence[float],
    ratio: float,
    optimizer: Optimizer,
    epochs: int,
    lr: float,
) -> Measures:
    """Train full batch, one lane for each strength."""
    recipe = Recipe(optimizer, epochs, schedule="cosine", seed=3)
    n_features = problem.X.shape[1]
    lanes = Lanes(
        problem,
        lambda: MLP(n_features, hidden, problem.n_outputs, "relu"),
        recipe,
        slots=len(strengths),
        places=len(problem.replicates),
    )
    settings = [setting_of(strength, lr, ratio, 0.9) for strength in strengths]
    places = range(len(problem.replicates))
    lanes.reset(range(len(settings)), places, settings)
    for _ in range(epochs):
        lanes.train_epoch()
    return Measures.joined([*lanes.measure(places, range(len(strengths))).values()])


def reduced(problem: Problem) -> Problem:
    """Take every fourth row."""
    rows = problem.train[:, ::4]
    sizes = torch.tensor([rows.shape[1]])
    return Problem(**{**vars(problem), "train": rows, "val": rows, "val_size": sizes})


def folded(problem: Problem, folds: int) -> Problem:
    """Train a replicate on every row of a few, in turns."""
    few = problem.train[0, ::2]
    n = len(few) // folds * folds
    train = torch.stack([few[:n][torch.arange(n) % folds != k] for k in range(folds)])
    sizes = torch.full((folds,), train.shape[1])
    keys = tuple((k, 0) for k in range(folds))
    ones = torch.ones(folds)
    return replace(
        problem, replicates=keys, train=train, val=train, val_size=sizes, y_scale=ones,
        y_mean=0 * ones,
    )  # fmt: skip


def alone(problem: Problem, replicate: int) -> Problem:
    one = slice(replicate, replicate + 1)
    return replace(
        problem, replicates=problem.replicates[one], train=problem.train[one],
        val=problem.val[one], val_size=problem.val_size[one], y_scale=problem.y_scale[one],
        y_mean=problem.y_mean[one],
    )  # fmt: skip


# --- known values


def test_the_edges_of_linear_l1_problems_are_the_known_ones() -> None:
    assert alpha_max(real("breast_cancer"), [], "relu", 1.0) == pytest.approx(0.38368, rel=1e-4)
    assert alpha_max(real("diabetes"), [], "relu", 1.0) == pytest.approx(1.1729, rel=1e-4)


def test_the_edge_is_the_largest_over_all_replicates() -> None:
    problem = made_up("regression", replicates=((0, 0), (1, 0), (2, 0)))
    edges = []
    for r in range(3):
        x, y = problem.X[problem.train[r]].numpy(), problem.y[problem.train[r]].numpy()
        edges.append(np.abs(x.T @ (2 * (y - y.mean()))).max() / len(y))
    assert len(set(edges)) == 3
    assert alpha_max(problem, [], "relu", 1.0) == pytest.approx(max(edges))
    assert alpha_max(problem, [], "relu", 0.25) == pytest.approx(4 * max(edges))


def test_the_same_seed_gives_the_same_edge_and_another_one_nearly_so() -> None:
    problem = reduced(real("iris"))
    edges = [alpha_max(problem, [4], "relu", 0.0, seed) for seed in (0, 0, 1)]
    assert edges[0] is not None
    assert edges[0] == edges[1]
    assert edges[2] == pytest.approx(edges[0], rel=0.01)


def test_float32_rows_give_the_same_edge() -> None:
    problem = reduced(real("iris"))
    for hidden, ratio in (([], 1.0), ([4], 0.0), ([4], 1.0)):
        want = alpha_max(problem, hidden, "relu", ratio)
        single = alpha_max(problem.to("cpu", torch.float32), hidden, "relu", ratio)
        assert want is not None
        assert single == pytest.approx(want, rel=1e-4)


@pytest.mark.parametrize(
    "is_weighted", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["", "weighted"]
)
@pytest.mark.parametrize("name", few_fast(CASES, 3))
def test_a_linear_model_of_every_loss_collapses_just_above_and_not_just_below(
    name: str, is_weighted: bool
) -> None:
    problem = CASES[name].problem(replicates=((0, 0),), n=60, weighted=is_weighted)
    edge = alpha_max(problem, [], "relu", 1.0)
    assert edge is not None
    measures = train(problem, [], [ABOVE * edge, BELOW * edge], 1.0, Adam(l1=True), 1500, 0.02)
    assert measures.sparsity[0] == 1
    assert measures.sparsity[1] < 1
    assert measures.train_loss[1] < measures.train_loss[0]


def test_a_loss_of_one_s_own_has_no_edge() -> None:
    own = OwnFunction("training.loss", "python:own:loss", torch.add, "own.py")
    problem = replace(made_up("regression"), loss=LossSetting("own"), own_loss=own)
    assert alpha_max(problem, [], "relu", 1.0) is None


# --- straddled by training


@pytest.mark.parametrize("order", [1, 2])
def test_the_gradient_of_the_pull_is_that_of_autograd(order: int) -> None:
    generator = torch.Generator().manual_seed(order)
    x, r, units = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((20, 5), (20, 3), (7, 6))
    )
    units[0, -1] = -1e3  # no row switches this one on
    leaf = units.clone().requires_grad_()
    u, bias = leaf[:, :-1].mT, leaf[:, -1]
    pulls = r.mT @ torch.relu(x @ (u / u.norm(dim=0, p=order)) + 2.0 * bias) / 20
    want = pulls.norm(dim=0) if order == 2 else pulls.abs().amax(0)
    (slope,) = torch.autograd.grad(want.sum(), leaf)
    value, gradient = module._pull(x, r, units, 2.0, order)
    torch.testing.assert_close(value, want.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, slope, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("ratio", [0.0, 1.0])
@pytest.mark.parametrize("name", ["breast_cancer", "digits"])
def test_of_many_rows_some_lead_to_nearly_the_same_edge(
    monkeypatch: pytest.MonkeyPatch, name: str, ratio: float
) -> None:
    problem = real(name)
    want = alpha_max(problem, [4], "relu", ratio)
    assert want is not None
    monkeypatch.setattr(module, "ROWS", len(problem.train[0]) // 3)
    assert alpha_max(problem, [4], "relu", ratio) == pytest.approx(want, rel=0.03)


@pytest.mark.parametrize(
    ("name", "ratio"),
    few_fast(itertools.product(["diabetes", "breast_cancer", "iris"], [1.0, 0.5]), 3),
)
def test_a_linear_model_collapses_just_above_and_not_just_below(name: str, ratio: float) -> None:
    problem = real(name, 5)
    edge = alpha_max(problem, [], "relu", ratio)
    assert edge is not None
    strengths = [ABOVE * edge, BELOW * edge]
    measures = train(problem, [], strengths, ratio, SGD(l1=True), 800, 0.1)
    assert measures.sparsity[0] == 1
    assert measures.norm[0] == 0
    assert measures.sparsity[1] < 1
    assert measures.train_loss[1] < measures.train_loss[0]


@pytest.mark.parametrize("name", [pytest.param("diabetes", marks=pytest.mark.slow), "iris"])
def test_a_hidden_relu_layer_collapses_just_above_and_not_just_below_under_l2(name: str) -> None:
    problem = reduced(real(name, 4))
    edge = alpha_max(problem, [32], "relu", 0.0)
    assert edge is not None
    strengths = [ABOVE * edge, BELOW * edge]
    measures = train(problem, [32], strengths, 0.0, Adam(), 3000, 0.01)
    assert measures.norm[0] < 1e-10
    assert measures.norm[1] > 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diabetes", "iris"])
def test_every_replicate_collapses_just_above_and_not_all_just_below(name: str) -> None:
    problem = folded(real(name, 4), 5)
    edge = alpha_max(problem, [32], "relu", 0.0)
    assert edge is not None
    edges = [alpha_max(alone(problem, r), [32], "relu", 0.0) or math.nan for r in range(5)]
    assert min(edges) < 0.97 * max(edges)  # that of one replicate is too low for others
    measures = train(problem, [32], [1.05 * edge, 0.95 * edge], 0.0, Adam(), 3000, 0.01)
    assert (measures.kept[:5] < 1e-3).all()
    assert (measures.kept[5:] > 1e-2).any()


@pytest.mark.parametrize("name", ["diabetes", "iris"])
def test_a_hidden_relu_layer_collapses_above_the_bound_under_l1(name: str) -> None:
    problem = reduced(real(name, 4))
    bound = alpha_max(problem, [16], "relu", 1.0)
    assert bound is not None
    measures = train(problem, [16], [1.03 * bound, bound / 100], 1.0, Adam(l1=True), 1000, 0.02)
    assert measures.sparsity[0] == 1
    assert measures.sparsity[1] < 1


# --- where no formula holds


@pytest.mark.parametrize(
    ("hidden", "activation", "ratio"),
    [
        ([], "relu", 0.0),
        ([4, 4], "relu", 0.0),
        ([4, 4], "relu", 1.0),
        ([4], "tanh", 0.0),
        ([4], "gelu", 1.0),
        ([4], "relu", 0.5),
    ],
)
def test_other_networks_have_no_edge(hidden: list[int], activation: str, ratio: float) -> None:
    assert alpha_max(made_up(), hidden, activation, ratio) is None


def test_replicates_on_the_same_rows_have_the_same_edge() -> None:
    problem = reduced(real("iris"))
    assert alpha_max(repeated(problem, 3), [], "relu", 1.0) == alpha_max(problem, [], "relu", 1.0)
