"""A network that has learned nothing predicts a constant: what that comes to on each replicate.

| symbol | meaning |
|---|---|
| R | replicates |
| n, m | training rows, validation rows of one |
| C | outputs |
"""

from __future__ import annotations

from sweep.data.problem import Problem
from sweep.training.loss import weighted
from sweep.training.losses import loss_of
from sweep.training.metrics import Metric, Scorer
from sweep.training.scores import Hits, score_of


def constant_values(problem: Problem, metric: Metric) -> list[float]:
    """Return what predicting a constant comes to in each replicate, (R,); [] of an own loss.

    The constant is what training rows say without their features: `Loss.constant`. It is measured
    as trials are, on the validation rows.

    Args:
        problem: the replicates.
        metric: `val_loss` (the task's), `val_error` (the share of rows that are not right), or
            what measures the objective.
    """
    loss, score, found = loss_of(problem), score_of(problem), list[float]()
    if loss.constant is None:
        return []
    for r, (train, val, size) in enumerate(
        zip(problem.train, problem.val, problem.val_size, strict=True)
    ):
        rows, w = val[: int(size)], problem.weight
        target = problem.y_clean[rows][None]
        out = loss.constant(problem.y[train], problem.n_outputs, None if w is None else w[train])
        out = out.expand(1, target.shape[1], -1)
        if isinstance(metric, Scorer):
            units = problem.y_scale[r : r + 1], problem.y_mean[r : r + 1]
            found += metric.of_lanes(
                out.mT, target, problem.val_size[r : r + 1], units, [0]
            ).tolist()
            continue
        if metric == "val_error" and isinstance(score, Hits):
            losses = 1 - score.rows(out.mT, target)
        else:
            clean = problem.weight_clean
            losses = weighted(loss.rows(out, target), None if clean is None else clean[rows])
        found.append(float(losses.double().mean()))
    return found
