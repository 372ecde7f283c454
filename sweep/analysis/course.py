"""How the loss at each strength, and with it the best strength, goes in the course of training.

After each epoch the trials' losses are a curve over the strength, to which the model of
`search.model` is fitted as to the values at the end. Where no step depends on how many follow
(`training.ends_anywhere`), its minimum is the best strength of a study of that many epochs.

Symbols: n strengths, M epochs, D folds of all repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from sweep.search.by_epoch import FoldCurves
from sweep.search.curve import Curve
from sweep.search.model import Model
from sweep.search.point import Point
from sweep.stats import MIN_FOLDS, Array, degrees, fold_means, jackknife, t_quantile

MOST = 64  # strengths; of more, neighbours are averaged
SETTLED = 1.5  # a smaller factor, between half way and the end, is none to mind


class Best(NamedTuple):
    """The best strength after an epoch, and how sure that is.

    Attributes:
        at: the strength.
        alike: the ends of those that do as well (95 %, paired); None where no smooth curve fits,
            or with fewer than 3 folds.
    """

    at: float
    alike: tuple[float, float] | None


class Drift(NamedTuple):
    """How the best strength changes from half way to the end of training.

    Attributes:
        epoch, last: half way, and the end.
        before, after: the best strength then.
        told: what may be claimed (95 %): that it `moves`, or that it has `settled`.
        reach: what to multiply the factor between both with, or divide it by, to hold the true
            one; it moves, where 1 is not held. None where one of both lies at an end of the range.
    """

    epoch: int
    last: int
    before: Best
    after: Best
    told: Literal["moves", "settled"] | None
    reach: float | None

    @property
    def factor(self) -> float:
        """The larger of both strengths over the smaller, 1 or more."""
        return max(self.after.at / self.before.at, self.before.at / self.after.at)


@dataclass(frozen=True, eq=False)
class Course:
    """The validation losses of a study by strength, epoch and fold.

    Attributes:
        strengths: weakest first, (n,).
        epochs: (M,), the last of training among them.
        losses: (n, M, D).
        failed: strengths of trials without a value.
        folds: folds of a repeat, and repeats.
    """

    strengths: Array
    epochs: tuple[int, ...]
    losses: Array
    failed: tuple[float, ...]
    folds: tuple[int, int]

    @classmethod
    def of(
        cls, points: Sequence[Point], failed: Sequence[float], folds: tuple[int, int]
    ) -> Course | None:
        """Read the course of points that differ in the strength alone, weakest first.

        None with less than two epochs or strengths that are known. Of more than 64 strengths
        neighbours are averaged.
        """
        read = [(point.at, FoldCurves.read(point.attrs)) for point in points]
        found = [(at, curves) for at, curves in read if curves]
        if not found:
            return None
        first = found[0][1]
        alike = [(at, curves) for at, curves in found if curves.like(first)]
        strengths = np.array([at for at, _ in alike])
        if len(np.unique(strengths)) < 2 or len(first.epochs) < 2:
            return None
        losses = np.array([curves.losses for _, curves in alike])
        groups = np.array_split(np.arange(len(alike)), min(len(alike), MOST))
        at = np.exp([np.log(strengths[group]).mean() for group in groups])
        mean = np.array([losses[group].mean(0) for group in groups])
        return cls(at, first.epochs, mean, tuple(failed), folds)

    @cached_property
    def mean(self) -> Array:
        """The mean loss over folds, (n, M)."""
        return np.asarray(self.losses.mean(2))

    def model(self, place: int) -> Model | None:
        """Fit the model to the losses after an epoch; None with fewer than 8 strengths."""
        points = [
            Point(None, float(at), {}, float(folds.mean()), {"replicate_values": folds.tolist()})
            for at, folds in zip(self.strengths, self.losses[:, place], strict=True)
        ]
        return Model.of(points, self.failed, self.folds)

    def best(self, place: int) -> Best:
        """Return the best strength after an epoch: the model's minimum, else the best trial's."""
        model = self.model(place)
        if model and not model.doubt:
            return self._best(model)
        return Best(float(self.strengths[self.mean[:, place].argmin()]), None)

    def _best(self, model: Model) -> Best:
        return Best(model.minimum, model.alike() if self.folds[0] >= MIN_FOLDS else None)

    @cached_property
    def drift(self) -> Drift | None:
        """What the best strength does in the second half of training.

        By a jackknife over folds of the factor between both, which pairs them: it moves, where
        that is told from 1 by t(df, 0.99) errors, since those of a minimum are a little small
        (tests/benchmarks/lengths.py); it has settled, where it is shown to be less than 1.5.
        Neither is told where one of them lies at an end of the range.

        None where no model fits at both times, or with fewer than 3 folds.
        """
        half = sum(epoch <= self.epochs[-1] / 2 for epoch in self.epochs) - 1
        before, after = (self.model(half), self.model(-1)) if half >= 0 else (None, None)
        if not before or not after or before.doubt or after.doubt or self.folds[0] < MIN_FOLDS:
            return None
        both = self._best(before), self._best(after)
        return Drift(self.epochs[half], self.epochs[-1], *both, *self._told(before, after))

    def _told(
        self, before: Model, after: Model
    ) -> tuple[Literal["moves", "settled"] | None, float | None]:
        if _at_edge(before) or _at_edge(after):
            return None, None
        size = abs(np.log10(after.minimum / before.minimum))
        error = jackknife(_without(after) - _without(before), self.folds[1])
        df = degrees(*self.folds)
        reach = t_quantile(0.99, df) * error
        if size + t_quantile(0.975, df) * error <= np.log10(SETTLED):
            return "settled", 10**reach
        return "moves" if size > reach else None, 10**reach


def _at_edge(model: Model) -> bool:
    return model.minimum in (model.strengths[0], model.strengths[-1])


def _without(model: Model) -> Array:
    """Return log10 of the model's minimum without each fold in turn, (D,).

    Length and jitter are kept, so that only the values change.
    """
    values = np.array([fold_means(point.replicate_values, *model.folds) for point in model.points])
    n_failed = len(model.z) - len(values)
    found = []
    for k in range(values.shape[1]):
        means = np.append(np.delete(values, k, 1).mean(1), np.full(n_failed, np.nan))
        curve = Curve.of(model.curve.x, model.squash(means), model.curve.length,
                         model.curve.jitter)  # fmt: skip
        found.append(float(model.at[curve.mean(model.at).argmin()]))
    return np.array(found)
