"""A finished study as figures see it: points along the strength, and few of very many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log10
from typing import Any

from optuna.trial import FrozenTrial

from sweep.analysis.selection import Choice, Finished, choices
from sweep.errors import UsageError
from sweep.spec.study import StudySpec

NOTHING = 1e-3  # the share of the best trial's norm below which hardly anything is left
FEW = 5e-4  # the share of exact zeros below which "0.0%" would be all there is to say of them
BINS = 100  # of a figure's width; two points are drawn in each


@dataclass(frozen=True)
class Point:
    """A trial, or what was trained beside the trials.

    Attributes:
        number: the trial's; None for what is no trial.
        at: its strength.
        value, se: the objective and its standard error.
        attrs: its user attributes.
        epochs: mean validation loss by epoch.
    """

    number: int | None
    at: float
    params: Mapping[str, float]
    value: float
    se: float | None
    attrs: Mapping[str, Any]
    epochs: Mapping[int, float]

    @property
    def about(self) -> str:
        """What hovering tells of it besides its place."""
        trial = [] if self.number is None else [f"trial {self.number}"]
        gone = ["all weights zero"] if self.attrs.get("outcome") == "collapsed" else []
        return ", ".join([*trial, *gone])


Quantity = Callable[[Point], float | None]


class View:
    """What the figures of one study ask for, each found once."""

    def __init__(self, finished: Finished):
        self.finished = finished

    @property
    def spec(self) -> StudySpec:
        """The study."""
        return self.finished.spec

    @property
    def is_alone(self) -> bool:
        """Whether the strength is the only parameter that is searched."""
        return self.finished.n_params == 1

    @property
    def is_curve(self) -> bool:
        """Whether the points of `path` differ in nothing but the strength."""
        return self.is_alone or bool(self.finished.line)

    @cached_property
    def choices(self) -> Sequence[Choice]:
        """The best, and 1se where it is defined."""
        return choices(self.finished)

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The strengths that are not told apart from the best, where folds can tell."""
        try:
            low, high = self.finished.interval(self.choices[0])
        except UsageError:  # too few folds, or no line yet
            return None
        return (low, high) if low < high else None

    @cached_property
    def ordered(self) -> list[FrozenTrial]:
        """The finished trials, weakest first."""
        return sorted(self.finished.trials, key=self.finished.strength)

    @cached_property
    def points(self) -> list[Point]:
        """The finished trials, weakest first, thinned."""
        kept = {choice.number for choice in self.choices if choice.number is not None}
        return [self._point(trial) for trial in _thinned(self.finished, self.ordered, kept)]

    @cached_property
    def along(self) -> list[Point]:
        """What is known against the strength alone: the trials, or the line through the best.

        With more params than the strength, before that line is trained, nothing.
        """
        return self.points if self.is_alone else [*map(self._chosen, self.finished.curve)]

    @property
    def path(self) -> list[Point]:
        """What is known against the strength alone, or else all trials."""
        return self.along or self.points

    @cached_property
    def control(self) -> Point | None:
        """The α = 0 control; None where it diverged or is not trained yet."""
        base = self.finished.baseline
        if base is None:
            return None
        at = float(base["params"][self.spec.strength])
        return Point(None, at, base["params"], base["value"], base.get("value_se"), base, {})

    @cached_property
    def examples(self) -> dict[str, Point]:
        """Strengths to look at closely: the weakest, the choices, the strongest with weights.

        A trial has one name: a choice rather than an end.
        """
        found: dict[str, Point] = {c.selection: self._chosen(c) for c in self.choices}
        if "1se" in found and found["1se"].params == found["best"].params:
            del found["1se"]
        strong = next((t for t in reversed(self.ordered) if self._has_weights(t.user_attrs)), None)
        for name, trial in (("weak", self.ordered[0]), ("strong", strong or self.ordered[-1])):
            if trial.number not in {point.number for point in found.values()}:
                found[name] = self._point(trial)
        return {name: found[name] for name in ("weak", "best", "1se", "strong") if name in found}

    def with_weights(self, items: Sequence[Point]) -> list[Point]:
        """Return the points whose norm is not next to nothing beside that of the best."""
        return [item for item in items if self._has_weights(item.attrs)]

    def _has_weights(self, attrs: Mapping[str, Any]) -> bool:
        least = NOTHING * (self.choices[0].attrs.get("norm") or 0.0)
        return bool(attrs.get("norm", 0.0) > least)

    def _point(self, trial: FrozenTrial) -> Point:
        attrs = trial.user_attrs
        return Point(
            trial.number, self.finished.strength(trial), trial.params, _value(trial),
            attrs.get("value_se"), attrs, trial.intermediate_values,
        )  # fmt: skip

    def _chosen(self, choice: Choice) -> Point:
        """Return the point of a choice: a trial, or one on the line, which has no epochs."""
        epochs: Mapping[int, float] = {}
        for trial in self.finished.trials:
            if trial.number == choice.number:
                epochs = trial.intermediate_values
        return Point(
            choice.number, choice.params[self.spec.strength], choice.params, choice.value,
            choice.value_se, choice.attrs, epochs,
        )  # fmt: skip


def validation_loss(view: View) -> Quantity:
    """Return what tells the validation loss at the end, where the objective is another one too."""
    if view.spec.objective.metric == "val_loss":
        return lambda point: point.value
    return lambda point: point.epochs[max(point.epochs)] if point.epochs else None


def training_loss(view: View) -> Quantity:
    """Return what tells the training loss on true labels, as those of validation are."""
    name = "train_loss_clean" if view.spec.data.label_noise else "train_loss"
    return lambda point: point.attrs.get(name)


def common(items: Sequence[Point], *names: str) -> list[Point]:
    """Return the points that have all of these attributes."""
    return [item for item in items if all(item.attrs.get(name) is not None for name in names)]


def _thinned(
    finished: Finished, ordered: Sequence[FrozenTrial], kept: set[int]
) -> Sequence[FrozenTrial]:
    """Leave out trials that a figure has no room for.

    Of each of `BINS` steps the smallest and the largest value stay, so that the scatter is as
    wide as it was; the numbers in `kept` stay too.
    """
    if len(ordered) <= 2 * BINS:
        return ordered
    low, high = (log10(finished.strength(trial)) for trial in (ordered[0], ordered[-1]))
    ends: dict[int, list[FrozenTrial]] = {}
    for trial in ordered:
        step = int((log10(finished.strength(trial)) - low) / ((high - low) or 1) * BINS)
        least, most = ends.setdefault(step, [trial, trial])
        ends[step] = [min(least, trial, key=_value), max(most, trial, key=_value)]
    stay = kept | {trial.number for pair in ends.values() for trial in pair}
    return [trial for trial in ordered if trial.number in stay]


def _value(trial: FrozenTrial) -> float:
    return float(trial.values[0])
