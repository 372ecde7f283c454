"""Which strength to take: that of the best trial, or where a model of the curve is best.

The model decides in studies of the sampler `design`, whose few trials are placed for it. With many
trials it chooses hardly better than they do by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.search.model import Model
from sweep.search.point import Point, one_se
from sweep.spec.study import StudySpec


def deciding(spec: StudySpec, model: Model | None) -> Model | None:
    """Return the model where it chooses; None where the trials decide by themselves."""
    is_design = spec.search.sampler.type == "design"
    return model if is_design and model and model.doubt is None else None


def best_of(points: Sequence[Point], model: Model | None) -> Point:
    """Choose the trial at the deciding model's minimum, or else the one with the best value."""
    there = model.trial if model else None
    return there or min(points, key=lambda point: point.rank)


def simplest_of(points: Sequence[Point], model: Model | None) -> Point:
    """Choose the strongest penalty within one standard error, on the deciding model if any."""
    return model.simplest() if model and model.trial else one_se(points)


def failed_at(trials: Sequence[FrozenTrial], strength: str) -> list[float]:
    """Return the strengths of trials that ended without a value."""
    without = (TrialState.PRUNED, TrialState.FAIL)
    return [t.params[strength] for t in trials if t.state in without and strength in t.params]


def of_study(study: optuna.Study, spec: StudySpec) -> tuple[list[Point], Model | None]:
    """Return the trials of a study with a value, and the model that decides among them, if any."""
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    points = [Point.of(trial, spec) for trial in complete]
    if spec.search.sampler.type != "design":
        return points, None
    failed = failed_at(trials, spec.strength)
    return points, deciding(spec, Model.of(points, failed, spec.replicates.folds))
