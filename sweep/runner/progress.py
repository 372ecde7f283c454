"""The progress of a run, and the best result so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import TrialState

from sweep.search.point import Point
from sweep.spec.study import StudySpec


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    n_results: int
    n_trials: int
    fraction: float  # of all epochs of all trials
    best: Point | None
    strength: str
    span: tuple[float, float]  # the range searched at present
    curve: Sequence[tuple[float, float]]  # strength and value of every COMPLETE trial
    engine: Mapping[str, Any] = field(default_factory=dict)  # who trains: see `Engine.facts`
    sign: float = 1.0  # of the objective: times it, less of a value is better


class Standing:
    """The best trial so far, and the strength and value of every COMPLETE one."""

    def __init__(self, study: optuna.Study, spec: StudySpec):
        self.best: Point | None = None
        self.curve: list[tuple[float, float]] = []
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            self.add(Point.of(trial, spec))

    def add(self, point: Point) -> None:
        """Add the result of a COMPLETE trial."""
        self.curve.append((point.at, point.value))
        if self.best is None or point.rank < self.best.rank:
            self.best = point
