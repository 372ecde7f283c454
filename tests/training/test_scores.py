"""Scores are scikit-learn's, of every task, and rows of any weight count the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import Tensor

from sweep.data.problem import Problem
from sweep.spec.tasks import TASKS
from sweep.training.lanes import Lanes
from sweep.training.modules import MLP
from sweep.training.optimizers import Adam
from sweep.training.recipe import Recipe
from sweep.training.scores import Explained, Hits, levels, score_of
from tests.support.plain_losses import CASES
from tests.support.settings import setting_of

ALPHAS = {1: 0.8, 2: 0.5}  # of the cases with so many targets

Truth = Callable[[Any, Any], float]


def _labels(y: Any, out: Any) -> float:
    return float(
        np.mean([metrics.accuracy_score(a, b > 0) for a, b in zip(y.T, out.T, strict=True)])
    )


def _deviance(y: Any, out: Any) -> float:
    pairs = zip(y.T, np.exp(out).T, strict=True)
    return float(np.mean([metrics.d2_tweedie_score(a, b, power=1) for a, b in pairs]))


TRUTHS: dict[str, Truth] = {
    "classification": lambda y, out: metrics.accuracy_score(y[:, 0], out.argmax(1)),
    "binary": lambda y, out: metrics.accuracy_score(y[:, 0], out[:, 0] > 0),
    "multilabel": _labels,
    "regression": lambda y, out: metrics.r2_score(y, out),
    "count": _deviance,
    "quantile": lambda y, out: float(np.mean([
        1 - metrics.mean_pinball_loss(a, b, alpha=ALPHAS[len(y.T)])
        / min(metrics.mean_pinball_loss(a, np.full(len(a), c), alpha=ALPHAS[len(y.T)]) for c in a)
        for a, b in zip(y.T, out.T, strict=True)
    ])),
}  # fmt: skip


def measured(problem: Problem) -> tuple[Tensor, Tensor]:
    """Train a little; return outputs (R, m, C) on the validation rows and the scores (R,)."""
    factory = lambda: MLP(problem.X.shape[1], (6,), problem.n_outputs, "tanh")  # noqa: E731
    replicates = range(len(problem.replicates))
    lanes = Lanes(problem, factory, Recipe(Adam(), 4, 10), 1, len(replicates))
    lanes.reset(range(1), replicates, [setting_of(1e-3, 0.05)])
    for _ in range(4):
        lanes.train_epoch()
    score = lanes.measure(replicates, [0])[0].val_score
    return lanes.predict(replicates), torch.as_tensor(score)


@pytest.mark.parametrize("is_weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("name", CASES)
def test_a_score_is_scikit_learn_s(name: str, is_weighted: bool) -> None:
    problem = CASES[name].problem(n=60, val_sizes=(41, 30), weighted=is_weighted)
    out, scores = measured(problem)
    for r, (rows, size) in enumerate(zip(problem.val, problem.val_size, strict=True)):
        y = problem.y_clean[rows[:size]]
        target = (y if y.ndim == 2 else y[:, None]).numpy()
        expected = TRUTHS[problem.task](target, out[r, :size].numpy())
        assert float(scores[r]) == pytest.approx(expected, abs=1e-9)


def test_every_task_but_own_has_a_score() -> None:
    assert {*TRUTHS} == {*TASKS} - {"own"}


@pytest.mark.parametrize("target", [0.1, 5.0, -1e6])
def test_targets_that_are_all_the_same_have_no_level_to_explain(target: float) -> None:
    score = score_of(CASES["regression"].problem())
    assert isinstance(score, Explained)
    assert score.level(torch.full((7,), target)).isnan()
    assert score.level(torch.tensor([target, target + 1])) == pytest.approx(0.25)


@pytest.mark.parametrize("name", ["two targets", "two counts", "median of two targets"])
def test_a_target_that_is_the_same_in_all_rows_is_left_out_of_the_mean(name: str) -> None:
    problem = CASES[name].problem(n=60, val_sizes=(41, 30))
    problem.y_clean[:, 1] = 2.0
    out, scores = measured(problem)
    alone = levels(problem)
    assert alone is not None
    assert alone[:, 1].isnan().all()
    score = score_of(problem)
    assert isinstance(score, Explained)
    y = problem.y_clean[problem.val[0]]
    part = score.parts(out[:1], y[None])[0, :, 0].mean()
    assert float(scores[0]) == pytest.approx(float(1 - part / alone[0, 0]))


def test_hits_are_of_tasks_with_classes_or_labels() -> None:
    for name, case in CASES.items():
        task = TASKS[case.task]
        hits = isinstance(score_of(CASES[name].problem()), Hits)
        assert hits == (task.has_classes or task.has_labels)
