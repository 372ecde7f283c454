"""Data losses: the rows of each, its slope, its null model and the constant beside it.

| symbol | meaning | shape |
|---|---|---|
| L | lanes | |
| B, n | rows of a batch; rows of one replicate | |
| C | outputs | |
| y | targets, int64 classes or numbers; with several targets (…, T), T = C | (L, B), or (n,) |
| w | weights of rows, None where all count the same | (L, B), or (n,) |
| z | outputs, the few of a row as the slow axis | (L, C, B) |

Rows that weigh more count more in a mean over the rows, which is divided by their number, never
by the sum of their weights: what alpha is a penalty beside must not depend on the batch. Several
targets of a row are averaged. Names and words are in `sweep.spec.losses`, under the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sweep.data.problem import Problem
from sweep.spec.losses import LossSetting
from sweep.spec.tasks import TASKS
from sweep.training.class_losses import cross_entropy, focal, logistic
from sweep.training.loss import Loss
from sweep.training.number_losses import huber, mae, pinball, poisson, squared
from sweep.training.own_loss import own

LOSSES: Mapping[str, Callable[[LossSetting], Loss]] = {
    "cross_entropy": cross_entropy,
    "logistic": logistic,
    "focal": focal,
    "squared": squared,
    "huber": huber,
    "mae": mae,
    "poisson": poisson,
    "pinball": pinball,
}


def loss_of(problem: Problem, *, training: bool = False) -> Loss:
    """Return the loss of a problem; label smoothing is of training alone."""
    setting, task = problem.loss, TASKS[problem.task]
    if setting.name == "own":
        assert problem.own_loss is not None
        return own(problem.own_loss.function, setting.fused)
    if not training:
        setting = setting._replace(smoothing=0.0)
    name = task.losses[0] if setting.name == "auto" else setting.name
    if name == "focal" and problem.task != "classification":
        return focal(setting, binary=True)
    return LOSSES[name](setting)
