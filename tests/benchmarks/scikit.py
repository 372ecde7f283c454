"""scikit-learn, where the problem is its own: a linear model with an L2 penalty.

Ridge (squared error; RidgeCV itself does not tell the value of each strength on given folds)
or LogisticRegressionCV (cross-entropy) over a log grid of strengths on the study's own folds.
It minimises Σ loss + strength·‖w‖², the study the mean over n rows: the strength is n·alpha, and
C = 1 / (2·n·alpha). It solves each problem to its optimum.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegressionCV, Ridge
from sklearn.metrics import mean_squared_error

from tests.benchmarks.job import Job, Trial, read_job, write_trials

Array = np.ndarray[Any, np.dtype[Any]]


def stacked(job: Job) -> tuple[Array, Array, list[tuple[Array, Array]]]:
    """Return rows, labels and splits: training reads noisy labels, validation true ones."""
    x, y, splits, size = [], [], [], 0
    for r in job.replicates:
        x_train, y_train, x_val, y_val = (part.numpy() for part in job.rows(r))
        x += [x_train, x_val]
        y += [y_train, y_val]
        middle, end = size + len(x_train), size + len(x_train) + len(x_val)
        splits.append((np.arange(size, middle), np.arange(middle, end)))
        size = end
    return np.concatenate(x).astype(np.float64), np.concatenate(y), splits


def classify(job: Job, alphas: Array) -> list[float]:
    """Return the mean validation loss of each strength."""
    x, y, splits = stacked(job)
    n = job.problem.train.shape[1]
    search = LogisticRegressionCV(
        Cs=1 / (2 * n * alphas), cv=splits, scoring="neg_log_loss", refit=False, max_iter=1000,
        l1_ratios=(0.0,), use_legacy_attributes=False,
    )  # fmt: skip
    scores = np.asarray(search.fit(x, y).scores_)
    return [-float(score) for score in scores.reshape(len(splits), len(alphas)).mean(0)]


def regress(job: Job, alphas: Array) -> list[float]:
    """Return the mean validation loss of each strength."""
    x, y, splits = stacked(job)
    losses = [
        [
            mean_squared_error(
                y[val], Ridge(len(train) * alpha).fit(x[train], y[train]).predict(x[val])
            )
            for alpha in alphas
        ]
        for train, val in splits
    ]
    return [float(loss) for loss in np.asarray(losses).mean(0)]


def main() -> None:
    began, job = time.time(), read_job()
    alphas = np.geomspace(job.low, job.high, job.trials)
    values = (regress if job.problem.task == "regression" else classify)(job, alphas)
    ended = time.time()
    write_trials([Trial(a, v, began, ended) for a, v in zip(alphas.tolist(), values, strict=True)])


if __name__ == "__main__":
    main()
