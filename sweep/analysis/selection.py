"""Which α to take, and how sure that is.

Everything is read from the study alone: trials, the α = 0 control, attributes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.analysis.course import Course
from sweep.analysis.gain import Gain
from sweep.analysis.stored import confirmed, constants, is_stopped, line_of, without_result
from sweep.errors import SweepError, UsageError
from sweep.search.choice import best_of, deciding, failed_at, simplest_of
from sweep.search.model import Model
from sweep.search.point import Point
from sweep.spec.attributes import (
    ALPHA_CAP,
    ALPHA_MAX,
    ALPHA_RANGE,
    BALANCED,
    BASELINE,
    CONFIRMATION,
    LINE,
    PROBLEM,
    REMARKS,
    SPEC,
    TARGET_SCALES,
    UNSCORED,
    WIDENINGS,
)
from sweep.spec.objective import LOSS
from sweep.spec.remarks import Remark, read_remarks
from sweep.spec.stored import check_stored, stored_spec
from sweep.spec.study import StudySpec
from sweep.stats import (
    EDGE,
    MIN_FOLDS,
    degrees,
    least_error,
    paired_gain,
    paired_gains,
    t_quantile,
)  # fmt: skip
from sweep.storage.foreign import own_trials

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
    confirmed: tuple[Point, ...] = ()  # choices and control, trained again on fresh folds
    constants: tuple[Point, ...] = ()  # predicting a constant: on the search's, on fresh folds
    n_val_rows: int | None = None  # rows that the folds validate on, together
    unscored_folds: tuple[int, ...] = ()  # whose validation rows all have the same target
    remarks: tuple[Remark, ...] = ()  # on the network
    failed: tuple[float, ...] = ()  # strengths of trials without a value
    # By replicate, of the search's folds and of fresh ones: see `spec.attributes.TARGET_SCALES`.
    target_scales: tuple[tuple[float, ...], ...] = ()
    penalised: tuple[str, ...] = ()  # names of the weights
    balanced: tuple[tuple[str, str], ...] = ()  # pairs that are equally large at rest

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
        check_stored(study.study_name, attrs)
        every = own_trials(study)
        complete = [trial for trial in every if trial.state == TrialState.COMPLETE]
        if not complete:
            raise SweepError(without_result(study.study_name, every))
        baseline, spec = attrs.get(BASELINE), stored_spec(attrs[SPEC])
        trials = tuple(Point.of(trial, spec) for trial in complete)
        for point in trials:
            _ = point.replicate_values  # raises, before half of them is told
        return cls(
            spec,
            study.study_name,
            trials,
            Point.stored(baseline, spec) if baseline and "value" in baseline else None,
            tuple(attrs[ALPHA_RANGE]),
            attrs[ALPHA_MAX],
            attrs.get(ALPHA_CAP),
            len(attrs.get(WIDENINGS, [])),
            line_of(attrs.get(LINE, {}), _best(trials), spec),
            baseline is not None,
            tuple(trial for trial in every if is_stopped(trial)),
            confirmed(attrs.get(CONFIRMATION, {}), spec),
            constants(attrs.get(PROBLEM, {}), spec),
            attrs.get(PROBLEM, {}).get("n_val_rows"),
            tuple(attrs.get(PROBLEM, {}).get(UNSCORED, ())),
            read_remarks(attrs.get(REMARKS, ())),
            tuple(failed_at(every, spec.strength)),
            tuple(map(tuple, attrs.get(PROBLEM, {}).get(TARGET_SCALES, ()))),
            tuple(attrs.get(PROBLEM, {}).get("penalised", ())),
            tuple((first, then) for first, then in attrs.get(PROBLEM, {}).get(BALANCED, ())),
        )

    @property
    def n_folds(self) -> int:
        """Folds of a repeat, the unit of every standard error."""
        return self.spec.replicates.n_folds

    @property
    def folds(self) -> tuple[int, int]:
        """Folds of a repeat, and repeats."""
        return self.spec.replicates.folds

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

    @cached_property
    def model(self) -> Model | None:
        """The smooth model of the curve, whether it fits or not; None with few or many trials."""
        alone = self.n_params == 1
        return Model.of(self.trials, self.failed, self.folds) if alone else None

    @cached_property
    def deciding(self) -> Model | None:
        """The model, where it chooses; None where the trials do."""
        return deciding(self.spec, self.model)

    @cached_property
    def course(self) -> Course | None:
        """The losses by strength, epoch and fold; None where they are not known."""
        failed = self.failed if self.n_params == 1 else ()
        return Course.of(self.curve, failed, self.folds)

    @property
    def reach(self) -> float:
        """How many standard errors a paired difference takes to be told from 0 (95 %)."""
        over = self.folds if self.n_folds > 1 else (self.spec.n_replicates, 1)
        return t_quantile(0.975, degrees(*over))

    @property
    def n_params(self) -> int:
        """How many parameters are searched."""
        return len(self.trials[0].params)

    def choose(self, selection: Selection) -> Point:
        """Choose a strength.

        * best: the trial with the best value; of equal ones the largest strength.
        * 1se: the LARGEST strength whose value is within the standard error of the best value,
          as in glmnet (R/getOptcv.glmnet.R); with more params than the strength, on the
          line through the best trial.

        Where a model decides (`sampler: design`), best is the trial at its minimum, and 1se is
        taken on the model, by the standard error of the difference.

        Raises:
            UsageError: 1se with fewer than 3 folds, or before the line is trained; or neither.
        """
        if selection == "best":
            return best_of(self.trials, self.deciding)
        if selection != "1se":
            raise UsageError(f"selection: must be best or 1se, got {selection!r:.60}. Give one")
        self._check_folds("selection: 1se")
        return simplest_of(self.curve, self.deciding)

    def interval(self, choice: Point) -> tuple[float, float]:
        """Return the strengths that do as well as a choice, within the noise of the folds.

        It holds all whose value, paired fold by fold, lies at most t(df, 0.975) standard
        errors of the difference worse than that of the choice (two-sided 95 %), and reaches half
        way, on the log scale, to the next ones tried: how far beyond it goes nobody measured.

        Where a model decides, the interval of its minimum is that of the model, whose curve has
        values in between: see `Model.alike`.

        Raises:
            UsageError: fewer than 3 folds, or before the line is trained.
        """
        self._check_folds("interval")
        if self.deciding and self.deciding.trial == choice:
            return self.deciding.alike()
        tried = [point.at for point in self.curve]
        costs = [point.replicate_costs for point in self.curve]
        leads, errors = paired_gains(costs, choice.replicate_costs, *self.folds)
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

    def fresh(self, point: Point) -> Point | None:
        """Return what a strength came to on fresh folds, which chose nothing, if that is known."""
        return next((again for again in self.confirmed if again.params == point.params), None)

    def gain(self, choice: Point) -> Gain | None:
        """Return how much a choice improves on no penalty: on fresh folds, if both are known."""
        return None if self.baseline is None else self._paired(self.baseline, choice)

    def gain_over_constant(self, choice: Point) -> Gain | None:
        """Return how much a choice improves on predicting a constant; see `gain`."""
        if not self.constants:
            return None
        fresh, constant = self.fresh(choice), self.constants[-1]
        if fresh:
            return self._gain(constant, fresh, fresh=True)
        return self._gain(self.constants[0], choice, fresh=False)

    def _paired(self, base: Point, other: Point) -> Gain:
        fresh_base, fresh_other = self.fresh(base), self.fresh(other)
        if fresh_base and fresh_other and self.n_folds > 1:  # one split more shows no more
            return self._gain(fresh_base, fresh_other, fresh=True)
        return self._gain(base, other, fresh=False)

    def _gain(self, base: Point, other: Point, *, fresh: bool) -> Gain:
        by, se = paired_gain(base.replicate_costs, other.replicate_costs, *self.folds)
        if self.n_folds == 1:
            se = None  # seeds of one split vary the first weights, not the rows
        elif se is not None and self.spec.objective.moves_in_steps:
            # Shares of rows move in steps: folds that agree by chance would have no error.
            se = max(se, least_error(by, self.n_val_rows)) if self.n_val_rows else se
        return Gain(by, se, self.reach, fresh)

    def rmse(self, point: Point) -> float | None:
        """Return the root mean squared error in the target's own units, averaged over replicates.

        None where the value is no squared error, or its units are not known.
        """
        if not self.target_scales or self.spec.objective.value != LOSS:
            return None
        fresh = point in (*self.confirmed, *self.constants[1:])
        scales, losses = self.target_scales[-1 if fresh else 0], point.replicate_values
        return float(np.mean(np.sqrt(losses) * np.array(scales)))

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
    """Return what tables put side by side: a constant, no penalty, and the choices."""
    constant = {"constant": finished.constants[0]} if finished.constants else {}
    base = {"no penalty": finished.baseline} if finished.baseline else {}
    return constant | base | choices(finished)


def _best(trials: Sequence[Point]) -> Point:
    return min(trials, key=lambda point: point.rank)
