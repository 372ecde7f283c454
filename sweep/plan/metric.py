"""The objective on a study's rows: whether it is defined, what a constant comes to, its units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sweep.data.dataset import Dataset
from sweep.data.problem import Problem, make_problem
from sweep.errors import UsageError
from sweep.spec.attributes import TARGET_SCALES
from sweep.spec.objective import LOSS
from sweep.spec.splits import is_given
from sweep.spec.study import StudySpec
from sweep.training.constant import constant_values
from sweep.training.metrics import Metric, Scorer


def check_metric(spec: StudySpec, problem: Problem, metric: Metric) -> None:
    """Refuse a metric that is not defined on the validation rows of a fold.

    Raises:
        UsageError: in one line.
    """
    if not isinstance(metric, Scorer):
        return
    pairs = zip(problem.replicates, problem.val, problem.val_size, strict=True)
    for (fold, _), val, size in pairs:
        lacks = metric.lacks(problem.y_clean[val[: int(size)]].numpy(), problem.n_outputs)
        if lacks:
            raise UsageError(
                f"objective.metric: {spec.objective.metric} must have {lacks} to validate on in"
                f" every fold, got none in fold {fold} ({spec.data.where}). {_remedy(spec)}, or"
                " use another metric"
            )


def _remedy(spec: StudySpec) -> str:
    """Say what brings such rows into each fold: who chose the folds can."""
    if key := spec.data.given_by:
        return f"Mend data.{key}"
    return "Use fewer folds" if spec.replicates.n_folds > 1 else "Hold out more rows"


def target_scales(problems: Sequence[Problem]) -> dict[str, Any]:
    """Return what brings the root of a squared loss into the target's units, by replicate."""
    first = problems[0]
    squared = first.task == "regression" and first.loss.name in ("auto", "squared")
    if not squared or first.y.ndim > 1 or first.weight is not None:
        return {}
    return {TARGET_SCALES: [problem.y_scale.double().tolist() for problem in problems]}


def null_model(
    spec: StudySpec, dataset: Dataset, problem: Problem, metric: Metric
) -> dict[str, Any]:
    """Return what predicting a constant comes to, on the search's folds and on fresh ones, if any.

    Raises:
        UsageError: the metric is not defined on a fold.
    """
    bare = replace(dataset, X=np.zeros((len(dataset.y), 1), dtype=np.float32))
    problems = [problem] if is_given(spec) else [problem, make_problem(spec, bare, 1)]
    for each in problems:
        check_metric(spec, each, metric)
    n_folds, value = spec.replicates.n_folds, LOSS if spec.objective.beside else metric
    constant = [constant_values(each, value) for each in problems]
    return {
        # A metric or a loss of the user's own may not be defined there.
        **({"constant": constant} if all(constant) and np.isfinite(constant).all() else {}),
        **target_scales(problems),
        # The folds of one repeat validate on each row once; those of the others do so again.
        "n_val_rows": int(problem.val_size[:: spec.replicates.n_seeds][:n_folds].sum()),
    }
