"""The null model: a network that has learned nothing predicts a constant.

| symbol | meaning |
|---|---|
| R | replicates |
| n, m | training rows, validation rows of one |
| C | classes |
"""

from __future__ import annotations

import torch
from torch import Tensor

from sweep.data.problem import Problem


def constant_values(problem: Problem, metric: str) -> list[float]:
    """Return what predicting a constant comes to in each replicate, (R,).

    The constant is what training rows say without their features: the mean of the target, or the
    shares of the classes, each class counted once more so that none has a share of 0. It is
    measured as trials are, on the validation rows.

    Args:
        problem: the replicates.
        metric: `val_loss` (mean squared error, or cross-entropy in nats), or `val_error` (the
            share of rows that are not of the most frequent class).
    """
    found = []
    for train, val, size in zip(problem.train, problem.val, problem.val_size, strict=True):
        y, target = problem.y[train], problem.y_clean[val[: int(size)]]
        if problem.task == "regression":
            losses = (target - y.mean(dtype=torch.float64)) ** 2
        else:
            losses = _class_losses(y, target, problem.n_outputs, metric)
        found.append(float(losses.mean(dtype=torch.float64)))
    return found


def _class_losses(y: Tensor, target: Tensor, n_classes: int, metric: str) -> Tensor:
    """Return the losses of rows (m,) of classes, when training has rows of classes `y` (n,)."""
    counts = torch.bincount(y, minlength=n_classes).double() + 1
    if metric == "val_error":
        return (target != counts.argmax()).double()
    return -(counts / counts.sum()).log()[target]
