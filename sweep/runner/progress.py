"""How far a run is, and what its results come to so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from sweep.search.samplers import Params


@dataclass(frozen=True)
class Completed:
    """A COMPLETE trial."""

    number: int
    params: Params
    value: float
    value_se: float | None


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    n_results: int
    n_trials: int
    fraction: float  # of all epochs of all trials
    best: Completed | None
    strength: str
    span: tuple[float, float]  # the range searched at present
    curve: Sequence[tuple[float, float]]  # strength and value of every COMPLETE trial


class Standing:
    """The best trial so far, and the strength and value of every COMPLETE one."""

    def __init__(self, study: optuna.Study, strength: str):
        self._strength = strength
        self.best: Completed | None = None
        self.curve: list[tuple[float, float]] = []
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            value_se = trial.user_attrs.get("value_se")
            self.add(Completed(trial.number, trial.params, trial.values[0], value_se))

    def add(self, trial: Completed) -> None:
        """Take a COMPLETE trial in."""
        self.curve.append((trial.params[self._strength], trial.value))
        if self.best is None or self._rank(trial) < self._rank(self.best):
            self.best = trial

    def _rank(self, trial: Completed) -> tuple[float, float]:
        return trial.value, -trial.params[self._strength]
