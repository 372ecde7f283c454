"""Each task's loss: what is written out of it is what autograd finds of its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import Tensor

from sweep.spec.tasks import TASKS
from sweep.training.losses import LOSSES, Hits

LANES, ROWS, CLASSES = 3, 40, 4
each_task = pytest.mark.parametrize("task", LOSSES)


def drawn(task: str, rows: int = ROWS) -> tuple[Tensor, Tensor]:
    """Draw outputs (L, B, C), and targets (L, B)."""
    draw = torch.Generator().manual_seed(3)
    classes = torch.randint(CLASSES, (LANES, rows), generator=draw)
    n_outputs = CLASSES if TASKS[task].has_classes else 1
    out = torch.randn(LANES, rows, n_outputs, generator=draw, dtype=torch.float64)
    return out, classes if TASKS[task].has_classes else classes + out[..., 0].sin()


def level_of(bias: Tensor, task: str, y: Tensor) -> Tensor:
    """Return the mean loss of one lane that predicts the bias (C,) for all rows."""
    return LOSSES[task].rows(bias.expand(1, len(y), -1), y[None]).mean()


def best_bias(task: str, y: Tensor) -> Tensor:
    bias = torch.zeros(CLASSES if TASKS[task].has_classes else 1).double().requires_grad_()
    solver = torch.optim.LBFGS([bias], max_iter=200, tolerance_grad=1e-12, tolerance_change=0,
                               line_search_fn="strong_wolfe")  # fmt: skip

    def closure() -> Tensor:
        solver.zero_grad()
        loss = level_of(bias, task, y)
        loss.backward()
        return loss

    solver.step(closure)
    return bias.detach()


@each_task
def test_the_slope_is_that_of_the_mean_loss_of_each_lane(task: str) -> None:
    out, y = drawn(task)
    out.requires_grad_()
    (expected,) = torch.autograd.grad(LOSSES[task].rows(out, y).mean(1).sum(), out)
    slope = LOSSES[task].slope(out.detach().mT.contiguous(), y)
    torch.testing.assert_close(slope.mT, expected, rtol=1e-12, atol=1e-15)


@each_task
def test_a_lane_s_rows_follow_from_its_own_outputs(task: str) -> None:
    out, y = drawn(task)
    alone = torch.cat([LOSSES[task].rows(out[n : n + 1], y[n : n + 1]) for n in range(LANES)])
    torch.testing.assert_close(alone, LOSSES[task].rows(out, y))


@each_task
def test_the_null_model_is_the_best_bias(task: str) -> None:
    y = drawn(task)[1][0]
    bias = best_bias(task, y)
    null = LOSSES[task].null(y, len(bias))
    assert float(null.loss) == pytest.approx(float(level_of(bias, task, y)), abs=1e-12)
    out = bias.expand(1, len(y), -1).clone().requires_grad_()
    (slope,) = torch.autograd.grad(LOSSES[task].rows(out, y[None]).sum(), out)
    torch.testing.assert_close(null.pull, -slope[0], rtol=0, atol=1e-7)


@each_task
def test_a_constant_is_all_but_the_best_on_many_rows(task: str) -> None:
    y = drawn(task, 4000)[1][0]
    constant = LOSSES[task].constant(y, len(best_bias(task, y)))
    assert constant.dtype == torch.float64
    assert float(level_of(constant, task, y) - level_of(best_bias(task, y), task, y)) < 1e-6


SKLEARN: dict[str, Any] = {
    "classification": metrics.accuracy_score,
    "regression": metrics.r2_score,
}


@each_task
def test_the_score_is_scikit_learn_s(task: str) -> None:
    (out, y), loss = drawn(task), LOSSES[task]
    out = out / 3 + (y[..., None] if out.shape[2] == 1 else 0)
    for lane in range(LANES):
        guess = out[lane].argmax(1) if TASKS[task].has_classes else out[lane, :, 0]
        expected = SKLEARN[task](np.asarray(y[lane]), np.asarray(guess))
        if isinstance(loss.score, Hits):
            score = loss.score.rows(out.mT, y)[lane].mean()
        else:
            score = 1 - loss.rows(out, y)[lane].mean() / loss.score.level(y[lane])
        assert float(score) == pytest.approx(expected)


@pytest.mark.parametrize("target", [0.1, 5.0, -1e6])
def test_targets_that_are_all_the_same_have_no_level_to_explain(target: float) -> None:
    score = LOSSES["regression"].score
    assert not isinstance(score, Hits)
    assert score.level(torch.full((7,), target)).isnan()
    assert score.level(torch.tensor([target, target + 1])) == pytest.approx(0.25)
