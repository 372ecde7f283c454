"""The parts of a finished study, from what its attributes and trials hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from sweep.search.point import Point
from sweep.spec.attributes import DIVERGED, OUTCOME, REASON
from sweep.spec.study import StudySpec
from sweep.stats import standard_error


def confirmed(stored: Mapping[str, Any], spec: StudySpec) -> tuple[Point, ...]:
    """Return what was trained once more on fresh folds, where it has a value."""
    contents = stored.values()
    return tuple(Point.stored(content, spec) for content in contents if "value" in content)


def constants(about: Mapping[str, Any], spec: StudySpec) -> tuple[Point, ...]:
    """Return what predicting a constant comes to, as a strength without bound would."""
    return tuple(
        Point(
            None, math.inf, {}, float(np.mean(values)),
            {
                "value_se": standard_error(values, *spec.replicates.folds),
                "replicate_values": values,
            },
            sign=spec.objective.sign,
        )
        for values in about.get("constant", ())
    )  # fmt: skip


def without_result(study_name: str, trials: Sequence[FrozenTrial]) -> str:
    """Say in one line that no trial has a value."""
    stopped = [trial for trial in trials if trial.state.is_finished()]
    if not stopped:
        return (
            f"study: must have a finished trial, got none in {study_name}."
            " Run it first, or see `sweep status`"
        )
    diverged = [trial for trial in stopped if trial.user_attrs.get(OUTCOME) == DIVERGED]
    reasons = [str(trial.user_attrs.get(REASON) or "") for trial in diverged]
    why = f", the last with {reasons[-1].partition(' (')[0]}" if any(reasons[-1:]) else ""
    # All else is finite where a metric is not: the network has learned.
    of_metric = bool(reasons) and all(reason.startswith("metric ") for reason in reasons)
    hint = "Mend objective.metric" if of_metric else "Lower training.lr, say"
    return (
        f"study: must have a trial with a value, got none of {len(stopped)} in {study_name}"
        f" ({len(diverged)} diverged{why}). {hint}, and run it with --fresh"
    )


def is_stopped(trial: FrozenTrial) -> bool:
    """Tell whether the pruner ended a trial, or it diverged."""
    diverged = trial.user_attrs.get(OUTCOME) == DIVERGED and bool(trial.params)
    return trial.state == TrialState.PRUNED or diverged


def line_of(stored: Mapping[str, Any], best: Point, spec: StudySpec) -> tuple[Point, ...]:
    """Return the points of the line that were trained to the end, if it is the best trial's."""
    if stored.get("of") != best.number:
        return ()
    contents = stored["points"].values()
    return tuple(Point.stored(content, spec) for content in contents if "value" in content)
