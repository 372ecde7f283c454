"""What the page of a study draws: its trials against the strength, and those in training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from pydantic import BaseModel

from sweep.analysis.selection import Finished
from sweep.errors import SweepError
from sweep.search.point import Point
from sweep.service.outcomes import study_of, summary
from sweep.spec.attributes import ALPHA_RANGE, BASELINE, SPEC, VALUE_SE
from sweep.spec.stored import stored_spec
from sweep.spec.study import StudySpec
from sweep.storage.foreign import own_trials

MOST = 5_000  # trials


class Spot(BaseModel):
    """A strength, and what training with it came to; `number` is null beside trials."""

    number: int | None
    at: float
    value: float
    se: float | None


class Line(BaseModel):
    """A trial in training: its mean validation loss by epoch."""

    number: int
    at: float
    epochs: list[int]
    values: list[float]


class Curve(BaseModel):
    """A study's trials against the strength.

    `metric`: what the value is, `words` in words; `maximizes`: whether more of it is better;
    `none`: without penalty; `best`, `simple`: the choices `best` and `1se`; null where there is
    none yet. `span`: the ends of the range searched.
    """

    strength: str
    metric: str
    words: str
    maximizes: bool
    norm: str
    optimizer: str
    lr: float
    n_epochs: int
    span: tuple[float, float] | None
    points: list[Spot]
    training: list[Line]
    none: Spot | None
    best: Spot | None
    simple: Spot | None


class Outcome(BaseModel):
    """What a study has found, as a list shows it."""

    best: float | None
    best_params: dict[str, float] | None
    verdict: str | None


def curve_of(url: str, name: str, spec: StudySpec) -> Curve:
    """Return the curve of a study; an empty one where it has not begun.

    Args:
        url: of the project's storage.
        name: of the study.
        spec: as it was handed in.
    """
    if summary(url, name) is None:
        return _drawn(spec, {}, [])
    study = study_of(url, name)
    attrs = study.user_attrs
    spec = stored_spec(attrs[SPEC]) if SPEC in attrs else spec
    trials = own_trials(study)[:MOST] if SPEC in attrs else []
    return _drawn(spec, attrs, trials, _choices(study))


def _drawn(
    spec: StudySpec, attrs: Mapping[str, Any], trials: list[FrozenTrial],
    choices: Mapping[str, Point] = {},
) -> Curve:  # fmt: skip
    name, baseline = spec.strength, attrs.get(BASELINE) or {}
    none = baseline.get("value")
    span = attrs.get(ALPHA_RANGE)
    ended = [t for t in trials if t.state == TrialState.COMPLETE and name in t.params]
    running = [t for t in trials if t.state == TrialState.RUNNING and name in t.params]
    return Curve(
        strength=name, metric=spec.objective.value, words=spec.objective.words,
        maximizes=spec.objective.maximizes, norm=spec.penalty.norm,
        optimizer=spec.training.optimizer, lr=spec.training.lr, n_epochs=spec.training.epochs,
        span=tuple(span) if span else None,
        points=[spot for trial in ended for spot in _spots(trial, name)],
        training=[_line(trial, name) for trial in running],
        none=_spot(None, 0.0, none, baseline.get(VALUE_SE)),
        best=_of(choices.get("best")), simple=_of(choices.get("1se")),
    )  # fmt: skip


def _choices(study: optuna.Study) -> dict[str, Point]:
    """Return the choices that can be made by now."""
    found: dict[str, Point] = {}
    with suppress(SweepError):
        finished = Finished.read(study)
        found["best"] = finished.choose("best")
        found["1se"] = finished.choose("1se")  # which takes three folds
    return found


def _spots(trial: FrozenTrial, name: str) -> list[Spot]:
    value = trial.values[0] if trial.values else None
    spot = _spot(trial.number, trial.params[name], value, trial.user_attrs.get(VALUE_SE))
    return [spot] if spot else []


def _spot(number: int | None, at: float, value: Any, se: Any) -> Spot | None:
    if not isinstance(value, float | int) or not math.isfinite(value):
        return None
    known = isinstance(se, float | int) and math.isfinite(se)
    return Spot(number=number, at=at, value=value, se=se if known else None)


def _of(point: Point | None) -> Spot | None:
    if point is None:
        return None
    return _spot(point.number, point.at, point.value, point.attrs.get(VALUE_SE))


def _line(trial: FrozenTrial, name: str) -> Line:
    steps = [(k, v) for k, v in sorted(trial.intermediate_values.items()) if math.isfinite(v)]
    epochs, values = [k for k, _ in steps], [v for _, v in steps]
    return Line(number=trial.number, at=trial.params[name], epochs=epochs, values=values)
