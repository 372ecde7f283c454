"""A finished study as figures need it: points ordered by strength, thinned if they are many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from math import log10

from sweep.analysis.selection import Finished, choices
from sweep.errors import UsageError
from sweep.search.point import Point
from sweep.spec.attributes import COLLAPSED, NORM, OUTCOME, VAL_LOSS, measured_loss
from sweep.spec.loss_setting import alters_labels
from sweep.spec.objective import LOSS
from sweep.spec.study import StudySpec

NOTHING = 1e-3  # below this share of the best trial's norm, hardly any weight is left
FEW = 5e-4  # below this share of exact zeros, "0.0%" would be shown
BINS = 100  # steps of a figure's width; two points are drawn in each


Quantity = Callable[[Point], float | None]


class View:
    """What the figures of one study need, each computed once."""

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
    def choices(self) -> dict[str, Point]:
        """The best, and 1se where it is defined."""
        return choices(self.finished)

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The strengths as good as the best, within noise; None if too few folds can tell."""
        try:
            low, high = self.finished.interval(self.choices["best"])
        except UsageError:  # too few folds, or no line yet
            return None
        return (low, high) if low < high else None

    @cached_property
    def ordered(self) -> list[Point]:
        """The finished trials, weakest first."""
        return sorted(self.finished.trials, key=lambda point: point.at)

    @cached_property
    def points(self) -> list[Point]:
        """The finished trials, weakest first, thinned."""
        return _thinned(self.ordered, {choice.number for choice in self.choices.values()})

    @cached_property
    def along(self) -> list[Point]:
        """Points that differ in the strength alone: the trials, or the line through the best.

        Empty if other params are searched too and that line is not trained yet.
        """
        return self.points if self.is_alone else self.finished.curve

    @property
    def path(self) -> list[Point]:
        """Points that differ in the strength alone; all trials if there are none."""
        return self.along or self.points

    @property
    def control(self) -> Point | None:
        """The α = 0 control; None if it diverged or is not trained yet."""
        return self.finished.baseline

    @cached_property
    def examples(self) -> dict[str, Point]:
        """Single strengths to show: the weakest, the choices, the strongest that keeps weights.

        A trial gets one name; a choice goes before `weak` and `strong`.
        """
        found = {**self.choices}
        if "1se" in found and found["1se"].params == found["best"].params:
            del found["1se"]
        strong = next(filter(self._has_weights, reversed(self.ordered)), self.ordered[-1])
        for name, trial in (("weak", self.ordered[0]), ("strong", strong)):
            if trial.number not in {point.number for point in found.values()}:
                found[name] = trial
        return {name: found[name] for name in ("weak", "best", "1se", "strong") if name in found}

    def with_weights(self, items: Sequence[Point]) -> list[Point]:
        """Return the points whose norm is not negligible beside that of the best."""
        return [item for item in items if self._has_weights(item)]

    def _has_weights(self, point: Point) -> bool:
        least = NOTHING * (self.choices["best"].attrs.get(NORM) or 0.0)
        return bool(point.attrs.get(NORM, 0.0) > least)


def validation_loss(view: View) -> Quantity:
    """Return how to read the final validation loss, whatever the objective is."""
    if view.spec.objective.value == LOSS:
        return lambda point: point.value

    def of(point: Point) -> float | None:
        loss: float | None = point.attrs.get(VAL_LOSS)
        if loss is None and point.epochs:  # studies of an error rate have no attribute
            return point.epochs[max(point.epochs)]
        return loss

    return of


def training_loss(view: View) -> Quantity:
    """Return how to read the training loss on true labels, which validation uses too."""
    name = measured_loss(alters_labels(view.spec))
    return lambda point: point.attrs.get(name)


def common(items: Sequence[Point], *names: str) -> list[Point]:
    """Return the points that have all of these attributes."""
    return [item for item in items if all(item.attrs.get(name) is not None for name in names)]


def _thinned(ordered: list[Point], kept: set[int | None]) -> list[Point]:
    """Leave out trials for which a figure has no room.

    In each of `BINS` steps the smallest and the largest value stay, so the scatter keeps its
    width. Trials whose numbers are in `kept` stay too.
    """
    if len(ordered) <= 2 * BINS:
        return ordered
    low, high = (log10(point.at) for point in (ordered[0], ordered[-1]))
    ends: dict[int, list[Point]] = {}
    for point in ordered:
        step = int((log10(point.at) - low) / ((high - low) or 1) * BINS)
        least, most = ends.setdefault(step, [point, point])
        ends[step] = [min(least, point, key=value_of), max(most, point, key=value_of)]
    stay = kept | {point.number for pair in ends.values() for point in pair}
    return [point for point in ordered if point.number in stay]


def about(point: Point) -> str:
    """Return a point's hover text besides its coordinates."""
    trial = [] if point.number is None else [f"trial {point.number}"]
    gone = ["no weights left"] if point.attrs.get(OUTCOME) == COLLAPSED else []
    return ", ".join([*trial, *gone])


def value_of(point: Point) -> float:
    """Return the objective."""
    return point.value
