"""Which α to take, and how sure that is.

Everything is read from the study alone: trials, the α = 0 control, attributes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import SweepError, UsageError
from sweep.search.ask_tell import rank
from sweep.spec.stored import stored_spec
from sweep.spec.study import StudySpec
from sweep.stats import EDGE, MIN_FOLDS, paired_gain, paired_gains, t_quantile

Selection = Literal["best", "1se"]


@dataclass(frozen=True)
class Choice:
    """One strength, and what is known about it; `number` is None on the line beside trials."""

    selection: Selection
    number: int | None
    params: dict[str, float]
    value: float
    value_se: float | None
    attrs: dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """A study's trials that were trained to the end, with its control."""

    spec: StudySpec
    study_name: str
    trials: tuple[FrozenTrial, ...]
    baseline: dict[str, Any] | None
    alpha_range: tuple[float, float]
    alpha_max: float | None
    alpha_cap: float | None
    n_widenings: int
    line: tuple[dict[str, Any], ...]  # strengths at the best trial's other params, as stored
    has_control: bool  # whether one was trained, even if it diverged
    stopped: tuple[FrozenTrial, ...] = ()  # PRUNED by the pruner, or diverged: without a value

    @classmethod
    def read(cls, study: optuna.Study) -> Finished:
        """Read a study of this program.

        Raises:
            UsageError: another program made the study.
            SweepError: no trial has ended yet.
        """
        attrs = study.user_attrs
        if "spec" not in attrs:
            raise UsageError(
                f"study: must be one of sweep's, got {study.study_name}, which has no spec."
                " Name another study"
            )
        every = study.get_trials(deepcopy=False)
        trials = [trial for trial in every if trial.state == TrialState.COMPLETE]
        if not trials:
            raise SweepError(_without_result(study.study_name, every))
        baseline, spec = attrs.get("baseline"), stored_spec(attrs["spec"])
        return cls(
            spec,
            study.study_name,
            tuple(trials),
            baseline if baseline and "value" in baseline else None,
            tuple(attrs["alpha_range"]),
            attrs["alpha_max"],
            attrs.get("alpha_cap"),
            len(attrs.get("widenings", [])),
            _line(attrs.get("line", {}), trials, spec.strength),
            baseline is not None,
            tuple(trial for trial in every if _is_stopped(trial)),
        )

    @property
    def n_folds(self) -> int:
        """Folds, the unit of every standard error."""
        return self.spec.replicates.n_folds

    def strength(self, trial: FrozenTrial) -> float:
        """Return a trial's alpha, or weight_decay."""
        return float(trial.params[self.spec.strength])

    @cached_property
    def curve(self) -> list[Choice]:
        """What is known against the strength alone, weakest first.

        The trials, where they differ in nothing else; with more params the line through the
        best trial, and that trial itself.
        """
        if self.n_params == 1:
            points = [_choice("best", trial) for trial in self.trials]
        elif self.line:
            at_best = self.choose("best")
            points = [at_best] + [_on_line(point) for point in self.line]
        else:
            points = []
        return sorted(points, key=lambda point: point.params[self.spec.strength])

    @property
    def reach(self) -> float:
        """How many standard errors a paired difference takes to be told from 0 (95 %)."""
        n = self.n_folds if self.n_folds > 1 else self.spec.n_replicates
        return t_quantile(0.975, n - 1)

    @property
    def n_params(self) -> int:
        """How many parameters are searched."""
        return len(self.trials[0].params)

    def choose(self, selection: Selection) -> Choice:
        """Choose a strength.

        * best: the trial with the smallest value; of equal ones the largest strength.
        * 1se: the LARGEST strength whose value is at most the smallest value plus its standard
          error, as in glmnet (R/getOptcv.glmnet.R); with more params than the strength, on the
          line through the best trial.

        Raises:
            UsageError: 1se with fewer than 3 folds, or before the line is trained.
        """
        best = min(self.trials, key=rank(self.spec.strength))
        if selection == "best":
            return _choice(selection, best)
        self._check_folds("selection: 1se")
        limit = _value(best) + best.user_attrs["value_se"]
        within = [point for point in self.curve if point.value <= limit]
        chosen = max(within, key=lambda point: point.params[self.spec.strength])
        return replace(chosen, selection="1se")

    def interval(self, choice: Choice) -> tuple[float, float]:
        """Return the range of strengths that the folds do not tell from a choice.

        It holds all whose value, paired fold by fold, lies at most t(K − 1, 0.975) standard
        errors of the difference above that of the choice (two-sided 95 %), and reaches half
        way, on the log scale, to the next ones tried: how far beyond it goes nobody measured.

        Raises:
            UsageError: fewer than 3 folds, or before the line is trained.
        """
        self._check_folds("interval")
        tried = [point.params[self.spec.strength] for point in self.curve]
        values = [point.attrs["replicate_values"] for point in self.curve]
        leads, errors = paired_gains(values, choice.attrs["replicate_values"], self.n_folds)
        alike = np.flatnonzero(leads <= self.reach * errors)
        first, last = int(alike[0]), int(alike[-1])  # the choice itself is among them
        low = math.sqrt(tried[first] * tried[max(first - 1, 0)])
        high = math.sqrt(tried[last] * tried[min(last + 1, len(tried) - 1)])
        return low, high

    def _check_folds(self, what: str) -> None:
        if self.n_folds < MIN_FOLDS:
            raise UsageError(
                f"{what} must have {MIN_FOLDS} folds or more, got {self.n_folds}."
                " Use best, or set replicates.n_folds"
            )
        if not self.curve:
            raise UsageError(
                f"{what} must have {self.spec.strength} alone to vary, got "
                f"{', '.join(self.trials[0].params)} and no line through the best trial yet."
                " Run the study to its end, or use best"
            )

    def gain(self, choice: Choice) -> tuple[float, float | None] | None:
        """Return how much a choice improves on no penalty, with the paired standard error."""
        if self.baseline is None:
            return None
        base, own = self.baseline["replicate_values"], choice.attrs["replicate_values"]
        return paired_gain(base, own, self.n_folds)

    def at_edge(self, choice: Choice) -> Literal["low", "high"] | None:
        """Tell which end of the range the choice lies at, if any."""
        low, high = self.alpha_range
        strength = choice.params[self.spec.strength]
        return "low" if strength < low * EDGE else "high" if strength > high / EDGE else None


def choices(finished: Finished) -> Sequence[Choice]:
    """Return what can be chosen: best, and 1se where it is defined."""
    found = [finished.choose("best")]
    try:
        return [*found, finished.choose("1se")]
    except UsageError:
        return found


def _without_result(study_name: str, trials: Sequence[FrozenTrial]) -> str:
    stopped = [trial for trial in trials if trial.state.is_finished()]
    if not stopped:
        return (
            f"study: must have a finished trial, got none in {study_name}."
            " Run it first, or see `sweep status`"
        )
    diverged = sum(trial.user_attrs.get("outcome") == "diverged" for trial in stopped)
    return (
        f"study: must have a trial with a value, got none of {len(stopped)} in {study_name}"
        f" ({diverged} diverged). Lower training.lr, say, and run it with --fresh"
    )


def _is_stopped(trial: FrozenTrial) -> bool:
    diverged = trial.user_attrs.get("outcome") == "diverged" and bool(trial.params)
    return trial.state == TrialState.PRUNED or diverged


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value


def _choice(selection: Selection, trial: FrozenTrial) -> Choice:
    attrs = trial.user_attrs
    return Choice(selection, trial.number, trial.params, _value(trial), attrs["value_se"], attrs)


def _line(
    stored: dict[str, Any], trials: Sequence[FrozenTrial], strength: str
) -> tuple[dict[str, Any], ...]:
    """Return the points of the line that were trained to the end, if it is the best trial's."""
    best = min(trials, key=rank(strength))
    if stored.get("of") != best.number:
        return ()
    return tuple(point for point in stored["points"].values() if "value" in point)


def _on_line(point: dict[str, Any]) -> Choice:
    return Choice("best", None, point["params"], point["value"], point["value_se"], point)
