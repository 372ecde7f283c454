"""Which α to take, and how sure that is.

Everything is read from the study alone: trials, the α = 0 control, attributes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import SweepError, UsageError
from sweep.search.point import Point
from sweep.spec.attributes import (
    ALPHA_CAP,
    ALPHA_MAX,
    ALPHA_RANGE,
    BASELINE,
    DIVERGED,
    LINE,
    OUTCOME,
    SPEC,
    WIDENINGS,
)
from sweep.spec.stored import stored_spec
from sweep.spec.study import StudySpec
from sweep.stats import EDGE, MIN_FOLDS, paired_gain, paired_gains, t_quantile

Selection = Literal["best", "1se"]


@dataclass(frozen=True)
class Finished:
    """A study's trials that were trained to the end, with its control."""

    spec: StudySpec
    study_name: str
    trials: tuple[Point, ...]
    baseline: Point | None
    alpha_range: tuple[float, float]
    alpha_max: float | None
    alpha_cap: float | None
    n_widenings: int
    line: tuple[Point, ...]  # strengths at the best trial's other params
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
        if SPEC not in attrs:
            raise UsageError(
                f"study: must be one of sweep's, got {study.study_name}, which has no spec."
                " Name another study"
            )
        every = study.get_trials(deepcopy=False)
        complete = [trial for trial in every if trial.state == TrialState.COMPLETE]
        if not complete:
            raise SweepError(_without_result(study.study_name, every))
        baseline, spec = attrs.get(BASELINE), stored_spec(attrs[SPEC])
        strength = spec.strength
        trials = tuple(Point.of(trial, strength) for trial in complete)
        for point in trials:
            _ = point.replicate_values  # raises, before half of them is told
        return cls(
            spec,
            study.study_name,
            trials,
            Point.stored(baseline, strength) if baseline and "value" in baseline else None,
            tuple(attrs[ALPHA_RANGE]),
            attrs[ALPHA_MAX],
            attrs.get(ALPHA_CAP),
            len(attrs.get(WIDENINGS, [])),
            _line(attrs.get(LINE, {}), _best(trials), strength),
            baseline is not None,
            tuple(trial for trial in every if _is_stopped(trial)),
        )

    @property
    def n_folds(self) -> int:
        """Folds, the unit of every standard error."""
        return self.spec.replicates.n_folds

    @cached_property
    def curve(self) -> list[Point]:
        """What is known against the strength alone, weakest first.

        The trials, where they differ in nothing else; with more params the line through the
        best trial, and that trial itself.
        """
        points: Sequence[Point] = ()
        if self.n_params == 1:
            points = self.trials
        elif self.line:
            points = (_best(self.trials), *self.line)
        return sorted(points, key=lambda point: point.at)

    @property
    def reach(self) -> float:
        """How many standard errors a paired difference takes to be told from 0 (95 %)."""
        n = self.n_folds if self.n_folds > 1 else self.spec.n_replicates
        return t_quantile(0.975, n - 1)

    @property
    def n_params(self) -> int:
        """How many parameters are searched."""
        return len(self.trials[0].params)

    def choose(self, selection: Selection) -> Point:
        """Choose a strength.

        * best: the trial with the smallest value; of equal ones the largest strength.
        * 1se: the LARGEST strength whose value is at most the smallest value plus its standard
          error, as in glmnet (R/getOptcv.glmnet.R); with more params than the strength, on the
          line through the best trial.

        Raises:
            UsageError: 1se with fewer than 3 folds, or before the line is trained.
        """
        best = _best(self.trials)
        if selection == "best":
            return best
        self._check_folds("selection: 1se")
        assert best.value_se is not None  # with three folds there is one
        limit = best.value + best.value_se
        return max((p for p in self.curve if p.value <= limit), key=lambda point: point.at)

    def interval(self, choice: Point) -> tuple[float, float]:
        """Return the strengths that do as well as a choice, within the noise of the folds.

        It holds all whose value, paired fold by fold, lies at most t(K − 1, 0.975) standard
        errors of the difference above that of the choice (two-sided 95 %), and reaches half
        way, on the log scale, to the next ones tried: how far beyond it goes nobody measured.

        Raises:
            UsageError: fewer than 3 folds, or before the line is trained.
        """
        self._check_folds("interval")
        tried = [point.at for point in self.curve]
        values = [point.replicate_values for point in self.curve]
        leads, errors = paired_gains(values, choice.replicate_values, self.n_folds)
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

    def gain(self, choice: Point) -> tuple[float, float | None] | None:
        """Return how much a choice improves on no penalty, with the paired standard error."""
        if self.baseline is None:
            return None
        return paired_gain(self.baseline.replicate_values, choice.replicate_values, self.n_folds)

    def at_edge(self, choice: Point) -> Literal["low", "high"] | None:
        """Tell which end of the range the choice lies at, if any."""
        low, high = self.alpha_range
        return "low" if choice.at < low * EDGE else "high" if choice.at > high / EDGE else None


def choices(finished: Finished) -> dict[str, Point]:
    """Return what can be chosen: best, and 1se where it is defined."""
    found = {"best": finished.choose("best")}
    with suppress(UsageError):
        found["1se"] = finished.choose("1se")
    return found


def compared(finished: Finished) -> dict[str, Point]:
    """Return what tables put side by side: no penalty, where that is known, and the choices."""
    base = {"no penalty": finished.baseline} if finished.baseline else {}
    return base | choices(finished)


def _best(trials: Sequence[Point]) -> Point:
    return min(trials, key=lambda point: point.rank)


def _without_result(study_name: str, trials: Sequence[FrozenTrial]) -> str:
    stopped = [trial for trial in trials if trial.state.is_finished()]
    if not stopped:
        return (
            f"study: must have a finished trial, got none in {study_name}."
            " Run it first, or see `sweep status`"
        )
    diverged = sum(trial.user_attrs.get(OUTCOME) == DIVERGED for trial in stopped)
    return (
        f"study: must have a trial with a value, got none of {len(stopped)} in {study_name}"
        f" ({diverged} diverged). Lower training.lr, say, and run it with --fresh"
    )


def _is_stopped(trial: FrozenTrial) -> bool:
    diverged = trial.user_attrs.get(OUTCOME) == DIVERGED and bool(trial.params)
    return trial.state == TrialState.PRUNED or diverged


def _line(stored: Mapping[str, Any], best: Point, strength: str) -> tuple[Point, ...]:
    """Return the points of the line that were trained to the end, if it is the best trial's."""
    if stored.get("of") != best.number:
        return ()
    contents = stored["points"].values()
    return tuple(Point.stored(content, strength) for content in contents if "value" in content)
