"""What a study's strengths came to, as one smooth curve: its minimum, and how sure that is.

Symbols:
    n     trials, of them F that failed
    G     positions in between, log10 of strengths
    D     folds of all repeats

The curve (`sweep.search.curve`) is fitted to the mean over folds. Each fold's own curve is what
the same smoother makes of its values: a difference of two strengths is paired fold by fold on
these curves, so what a fold is like cancels, and the noise of single trainings is averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sweep.search.curve import Curve, Squash
from sweep.search.point import Point
from sweep.stats import Array, degrees, errors, fold_means, t_quantile

FEWEST, MOST = 8, 200  # trials that a model is made of
N_POSITIONS = 1001
THERE = 0.1  # decades: so near to the minimum a trial lies at it
FAR = 0.95  # beyond, squashed values tell no more how bad they are
JUMP = 0.5  # of squashed values, from the least to the next trial
STEPS = 0.75  # a lower share of different values moves in steps
EXPLAINED, OUTLIER = 0.5, 4.0  # of left-out trials: share of variance; deviations


@dataclass(frozen=True, eq=False)
class Model:
    """The fitted curve of a study that searches its strength alone.

    Attributes:
        points: the trials, (n - F,).
        folds: folds of a repeat, and repeats.
        curve: fitted to all n, the failed ones as the worst there is.
        z: what it was fitted to, (n,), the failed ones last.
        squash: the way back to the units of the cost.
    """

    points: tuple[Point, ...]
    folds: tuple[int, int]
    curve: Curve
    z: Array
    squash: Squash

    @classmethod
    def of(
        cls, points: Sequence[Point], failed: Sequence[float], folds: tuple[int, int]
    ) -> Model | None:
        """Fit a model to trials, and to the strengths of those that failed.

        None with fewer than 8 trials or more than 200, and where all came to the same.
        """
        values = np.array([point.cost for point in points])
        if not FEWEST <= len(points) <= MOST - len(failed) or not np.isfinite(values).all():
            return None
        x = np.log10([*(point.at for point in points), *failed])
        y = np.append(values, np.full(len(failed), np.nan))
        if np.ptp(values) == 0 or np.ptp(x) == 0:
            return None
        squash = Squash.over(x, y)
        z = squash(y)
        return cls(tuple(points), folds, Curve.through(x, z), z, squash)

    @cached_property
    def at(self) -> Array:
        """Positions over the range of the trials, (G,), in decades."""
        return np.linspace(self.curve.x.min(), self.curve.x.max(), N_POSITIONS)

    @cached_property
    def strengths(self) -> Array:
        """The strengths there, (G,)."""
        return np.asarray(10**self.at)

    @cached_property
    def value(self) -> Array:
        """The expected value there, (G,)."""
        return self._sign * self.squash.inverse(self._mean)

    def band(self, width: float = 1.0) -> tuple[Array, Array]:
        """Return the values that lie so many of the curve's deviations below and above, (G,)."""
        sd = width * self.curve.sd(self.at)
        ends = (self._sign * self.squash.inverse(self._mean + by) for by in (-sd, sd))
        low, high = sorted(ends, key=lambda end: float(end[0]))
        return low, high

    @property
    def minimum(self) -> float:
        """The strength with the least expected cost: the best expected value."""
        return float(self.strengths[self._least])

    @property
    def trial(self) -> Point | None:
        """The trial that lies at the minimum, if one does."""
        near = min(self.points, key=lambda point: abs(np.log10(point.at) - self.at[self._least]))
        return near if abs(np.log10(near.at) - self.at[self._least]) <= THERE else None

    @cached_property
    def missed(self) -> Array:
        """Each trial's value less what the others lead to expect of it, (n - F,)."""
        expected = self._sign * self.squash.inverse(self.curve.left_out())
        return np.asarray([point.value for point in self.points]) - expected[: len(self.points)]

    @cached_property
    def doubt(self) -> str | None:
        """Why the curve does not fit, in words; None where it does."""
        return self._steps() or self._valleys() or self._edge() or self._foretells()

    def alike(self) -> tuple[float, float]:
        """Return the ends of the strengths as good as the minimum, within the noise (95 %).

        Their expected values lie above it by no more than t(df, 0.975) of the deviations that
        `_paired` returns. Three folds or more.
        """
        reach = t_quantile(0.975, degrees(*self.folds))
        alike = self._is_alike(self.at, reach) & self.clear
        alike[self._least] = True  # also where rounding tells it from itself
        inside = np.flatnonzero(alike)
        return float(self.strengths[inside[0]]), float(self.strengths[inside[-1]])

    @cached_property
    def clear(self) -> npt.NDArray[np.bool_]:
        """Where the curve is told, (G,): around the minimum, up to where values are far above."""
        far = np.flatnonzero(self._mean >= max(FAR, self._mean.min() + 1e-9))
        place = np.searchsorted(far, self._least)
        first = far[place - 1] + 1 if place else 0
        last = far[place] if place < len(far) else len(self.at)
        places = np.arange(len(self.at))
        return np.asarray((places >= first) & (places < last))

    @property
    def factor(self) -> float:
        """What to multiply the minimum with, or divide it by, to hold both ends of `alike`."""
        low, high = self.alike()
        return max(high / self.minimum, self.minimum / low)

    def simplest(self) -> Point:
        """Return the strongest trial whose expected value is within one standard error.

        That is the error of its difference to the minimum; see `alike`. Three folds or more.
        """
        x = np.log10([point.at for point in self.points])
        inside = self._is_alike(x, 1.0) & (self.curve.mean(x) < FAR)
        within = [point for point, holds in zip(self.points, inside, strict=True) if holds]
        return max([*within, self.trial or self._best], key=lambda point: point.at)

    # --- the noise of the folds

    @property
    def _sign(self) -> float:
        return self.points[0].sign

    @cached_property
    def _mean(self) -> Array:
        return self.curve.mean(self.at)

    @cached_property
    def _least(self) -> int:
        return int(self._mean.argmin())

    @property
    def _best(self) -> Point:
        return min(self.points, key=lambda point: point.rank)

    def _fold_curves(self, at: Array) -> Array:
        """Return each fold's curve less the mean curve, (D, m), in the units of the cost."""
        folds = np.array([fold_means(p.replicate_costs, *self.folds) for p in self.points]).T
        off = np.zeros((len(folds), len(self.z)))  # a failed trial differs in no fold
        off[:, : len(self.points)] = folds - folds.mean(axis=0)
        return self.curve.smoothed(off, at)

    def _is_alike(self, at: Array, reach: float) -> npt.NDArray[np.bool_]:
        leads, noise = self._paired(at, float(self.at[self._least]), reach)
        return np.asarray(leads <= noise)

    def _paired(self, at: Array, base: float, reach: float) -> tuple[Array, Array]:
        """Return by how much positions (m,) lie above a base, and the noise of that: (m,) each.

        The noise is the root of two squares: of so many standard errors of the difference over
        folds, and of what the value changes by if the curve lies so many of its deviations lower.
        """
        both = np.append(at, base)
        mean, sd, curves = self.curve.mean(both), self.curve.sd(both), self._fold_curves(both)
        value = self.squash.inverse(mean)
        over_folds = errors((curves[:, :-1] - curves[:, -1:]).T, self.folds[1])
        variance = sd[:-1] ** 2 + sd[-1] ** 2 - 2 * self.curve.covariance(at, base)
        lower = mean[:-1] - reach * np.sqrt(np.maximum(variance, 0.0))
        of_curve = value[:-1] - self.squash.inverse(lower)
        return value[:-1] - value[-1], np.hypot(reach * over_folds, of_curve)

    # --- where the curve does not fit

    def _steps(self) -> str | None:
        values = np.sort([point.cost for point in self.points])
        lower = values[: (len(values) + 1) // 2]
        if len(np.unique(lower)) >= STEPS * len(lower):
            return None
        return "several share a value"

    def _edge(self) -> str | None:
        order = np.argsort(self.curve.x)
        z = self.z[order]
        least = int(z.argmin())
        beside = [z[i] for i in (least - 1, least + 1) if 0 <= i < len(z)]
        if max(beside) - z[least] <= JUMP:
            return None
        return "it jumps beside the best one"

    def _valleys(self) -> str | None:
        """Find a second valley as good as the first, behind a ridge that folds tell from both."""
        if self.folds[0] < 2:
            return None
        reach, mean = t_quantile(0.975, degrees(*self.folds)), self._mean
        padded = np.concatenate([[np.inf], mean, [np.inf]])
        lowest = (mean <= padded[:-2]) & (mean < padded[2:])
        for valley in np.flatnonzero(lowest & (mean < FAR) & self._is_alike(self.at, reach)):
            first, last = sorted((int(valley), self._least))
            ridge = self.at[[first + int(mean[first : last + 1].argmax())]]
            rises = [self._paired(ridge, float(self.at[i]), reach) for i in (first, last)]
            if first < last and all(rise > noise for (rise,), (noise,) in rises):
                other = self.strengths[valley]
                return f"there are two valleys, at {self.minimum:.2g} and {other:.2g}"
        return None

    def _foretells(self) -> str | None:
        missed = self.curve.left_out() - self.z
        explained = 1 - np.square(missed).sum() / np.square(self.z - self.z.mean()).sum()
        if explained >= EXPLAINED and np.abs(self.curve.residuals()).max() <= OUTLIER:
            return None
        return "it is wrong about trials that it has not seen"
