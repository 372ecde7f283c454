"""A finished study as figures see it: points along the strength, and few of very many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from math import log10

from sweep.analysis.selection import Finished, choices
from sweep.errors import UsageError
from sweep.search.point import Point
from sweep.spec.study import StudySpec

NOTHING = 1e-3  # the share of the best trial's norm below which hardly anything is left
FEW = 5e-4  # the share of exact zeros below which "0.0%" would be all there is to say of them
BINS = 100  # of a figure's width; two points are drawn in each


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
    def choices(self) -> dict[str, Point]:
        """The best, and 1se where it is defined."""
        return choices(self.finished)

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The strengths that are not told apart from the best, where folds can tell."""
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
        """What is known against the strength alone: the trials, or the line through the best.

        With more params than the strength, before that line is trained, nothing.
        """
        return self.points if self.is_alone else self.finished.curve

    @property
    def path(self) -> list[Point]:
        """What is known against the strength alone, or else all trials."""
        return self.along or self.points

    @property
    def control(self) -> Point | None:
        """The α = 0 control; None where it diverged or is not trained yet."""
        return self.finished.baseline

    @cached_property
    def examples(self) -> dict[str, Point]:
        """Strengths to look at closely: the weakest, the choices, the strongest with weights.

        A trial has one name: a choice rather than an end.
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
        """Return the points whose norm is not next to nothing beside that of the best."""
        return [item for item in items if self._has_weights(item)]

    def _has_weights(self, point: Point) -> bool:
        least = NOTHING * (self.choices["best"].attrs.get("norm") or 0.0)
        return bool(point.attrs.get("norm", 0.0) > least)


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


def _thinned(ordered: list[Point], kept: set[int | None]) -> list[Point]:
    """Leave out trials that a figure has no room for.

    Of each of `BINS` steps the smallest and the largest value stay, so that the scatter is as
    wide as it was; the numbers in `kept` stay too.
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
    """Return what hovering tells of a point besides its place."""
    trial = [] if point.number is None else [f"trial {point.number}"]
    gone = ["all weights zero"] if point.attrs.get("outcome") == "collapsed" else []
    return ", ".join([*trial, *gone])


def value_of(point: Point) -> float:
    """Return the objective."""
    return point.value
