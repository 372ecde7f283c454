"""From a few sizes to a larger one: how the best strength changes with rows or with width.

Each rung of the ladder is a study of one size. Its best strength is the minimum of the curve that
is fitted to its trials (`search.curve`). Through the rungs goes a straight line, log strength on
log size, and it is followed to the size that was asked for.

The error is a jackknife over folds: everything, from the curves to the line, is worked out again
without each fold in turn. Rungs of one study share their validation rows, so what a fold is like
moves all of them at once; leaving it out everywhere keeps that pairing (Efron, 1982, chapter 3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sweep.analysis.selection import Finished
from sweep.errors import SweepError, UsageError
from sweep.search.curve import Curve
from sweep.stats import MIN_FOLDS, Array, degrees, jackknife, t_quantile

What = Literal["rows", "hidden"]

FURTHEST = 10.0  # times the largest size that was trained: beyond it nothing is said
N_CANDIDATES = 2001  # strengths among which a curve's minimum is looked for
EDGE = 0.02  # share of the range: a minimum nearer to its end may lie beyond it


@dataclass(frozen=True)
class Rung:
    """A study of one size.

    Attributes:
        size: rows that a training sees, or units of a layer.
        at: log10 of its best strength.
        without: the same without each fold in turn, (F,), of all repeats.
        at_edge: whether that lies at an end of the range, so that it may lie beyond.
        n_repeats: how often the rows were divided into folds.
    """

    size: int
    at: float
    without: Array
    at_edge: bool
    n_repeats: int = 1

    @classmethod
    def of(cls, finished: Finished, size: int) -> Rung:
        """Read a rung from a finished study.

        Raises:
            UsageError: it has fewer than 3 folds, or searched more than the strength.
            SweepError: too few of its trials have a value.
        """
        if finished.n_folds < MIN_FOLDS or finished.n_params > 1:
            raise UsageError(
                f"transfer: must have {MIN_FOLDS} folds or more and search the strength alone, got"
                f" {finished.n_folds} folds and {', '.join(finished.trials[0].params)}"
                f" ({finished.study_name}). Fix the others at their best values"
            )
        x = np.log10([point.at for point in finished.trials])
        values = np.array([point.replicate_costs for point in finished.trials])
        n_folds = math.prod(finished.folds)
        folds: Array = values.reshape(len(x), n_folds, -1).mean(2)
        least = [_minimum(x, np.delete(folds, k, 1).mean(1)) for k in range(n_folds)]
        at = _minimum(x, folds.mean(1))
        if at is None or None in least:
            raise SweepError(
                f"transfer: must have three strengths with a value, got {len(x)}"
                f" ({finished.study_name}). Run it with more trials"
            )
        margin = EDGE * float(np.ptp(x))
        edge = not x.min() + margin < at < x.max() - margin
        return cls(size, at, np.array(least, dtype=np.float64), edge, finished.folds[1])

    @property
    def strength(self) -> float:
        """Its best strength."""
        return float(10.0**self.at)


@dataclass(frozen=True)
class Transfer:
    """The best strength at a size that was not trained.

    Attributes:
        what: what the sizes count.
        rungs: from the smallest size to the largest.
        size: what it is wanted for.
        fixed: what the rungs have in common: `epochs`, or `steps` of the optimiser.
    """

    what: What
    rungs: tuple[Rung, ...]
    size: int
    fixed: str = "epochs"

    @staticmethod
    def check(what: What, largest: int, size: int) -> None:
        """Refuse a size that is too far from the largest that is trained.

        Raises:
            UsageError: it is more than ten times as large, or as small.
        """
        if not largest / FURTHEST <= size <= FURTHEST * largest:
            raise UsageError(
                f"--{what}: must be at most {FURTHEST:.0f} times what was trained,"
                f" {largest}, got {size}. Train a larger study first"
            )

    @staticmethod
    def check_ends(what: What, rungs: Sequence[Rung]) -> None:
        """Refuse rungs whose best strength may lie beyond their range: no line has an error then.

        Raises:
            UsageError: the best strength of one lies at an end of its range.
        """
        words = "units" if what == "hidden" else what
        ends = [
            f"{rung.strength:.3g} with {rung.size:,} {words}" for rung in rungs if rung.at_edge
        ]
        if ends:
            raise UsageError(
                "transfer: must have the best strength of each size within its range, got an end"
                f" of it: {', '.join(ends)}. Widen search.space, under another study_name"
            )

    @property
    def summary(self) -> dict[str, Any]:
        """What is stored with the study, as plain data."""
        return {
            "what": self.what,
            "fixed": self.fixed,
            "sizes": [rung.size for rung in self.rungs],
            "strengths": [rung.strength for rung in self.rungs],
            "slope": self.slope,
            "slope_error": self.slope_error,
            "size": self.size,
            "strength": self.strength,
            "factor": self.factor,
            "bends": self.bends,
        }

    def sentences(self, name: str) -> list[str]:
        """Say what was found, and what to beware of; `name`: of the strength."""
        same = (
            f"at the same number of {self.fixed}" if self.what == "rows" else "of the first layer"
        )
        what = "units" if self.what == "hidden" else self.what
        said = [
            f"{name} = {self.strength:.3g} is best for {self.size:,} {what}, times or divided by"
            f" {self.factor:.2g} (95 %): {name} goes with {what} to the power {self.slope:.2f} ±"
            f" {self.slope_error:.2f}, {same}"
        ]
        if self.bends:
            first, *_, last = self.steps
            said.append(
                f"the line bends: the power is {first:.2f} at the smallest sizes and {last:.2f} at"
                f" the largest. Train a study nearer to {self.size:,} {what}"
            )
        return said

    @property
    def slope(self) -> float:
        """Decades of strength per decade of size."""
        return self._line()[0]

    @property
    def slope_error(self) -> float:
        """Its standard error."""
        return self._error(self._lines()[:, 0])

    @property
    def strength(self) -> float:
        """The strength that the line has at the size."""
        return float(10.0 ** self._predicted(self._line()))

    @property
    def factor(self) -> float:
        """The strength may be this many times larger or smaller (95 %).

        It covers the folds' noise, and how far the line misses its own rungs, which is what is
        known of its not being straight.
        """
        noise = self._error(np.array([self._predicted(line) for line in self._lines()]))
        return float(10.0 ** math.hypot(self._reach * noise, self._bend * self._ahead))

    @property
    def steps(self) -> list[float]:
        """The slope from each rung to the next."""
        return [float(s) for s in _steps(self._sizes, np.array([rung.at for rung in self.rungs]))]

    @property
    def bends(self) -> bool:
        """Whether the last step's slope differs from the first one's by more than noise (95 %)."""
        each = np.array([_steps(self._sizes, line) for line in self._without])
        error = self._error(each[:, -1] - each[:, 0])
        return self._bend > self._reach * error + 1e-9  # for rounding

    @property
    def _bend(self) -> float:
        return abs(self.steps[-1] - self.steps[0])

    @property
    def _ahead(self) -> float:
        """Decades from the middle of the rungs to the size."""
        return abs(math.log10(self.size) - float(np.log10(self._sizes).mean())) / 2

    @property
    def _sizes(self) -> Array:
        return np.array([rung.size for rung in self.rungs], dtype=np.float64)

    @property
    def _reach(self) -> float:
        n_repeats = self.rungs[0].n_repeats
        n_folds = len(self.rungs[0].without) // n_repeats
        return t_quantile(0.975, degrees(n_folds, n_repeats))

    @property
    def _without(self) -> Array:
        """The rungs' strengths without each fold, (K, rungs)."""
        return np.array([rung.without for rung in self.rungs]).T

    def _error(self, without: Array) -> float:
        return jackknife(without, self.rungs[0].n_repeats)

    def _line(self) -> tuple[float, float]:
        return _fit(self._sizes, np.array([rung.at for rung in self.rungs]))

    def _lines(self) -> Array:
        return np.array([_fit(self._sizes, at) for at in self._without])

    def _predicted(self, line: Sequence[float] | Array) -> float:
        return float(line[1] + line[0] * math.log10(self.size))


def _minimum(x: Array, y: Array) -> float | None:
    """Return where the curve through y (n,) at x (n,) is lowest."""
    curve = Curve.fit(x, y)
    if curve is None:
        return None
    at = np.linspace(x.min(), x.max(), N_CANDIDATES)
    return float(at[curve.mean(at).argmin()])


def _fit(sizes: Array, at: Array) -> tuple[float, float]:
    """Return slope and intercept of the least-squares line of at (n,) on log10 sizes (n,)."""
    x = np.log10(sizes)
    slope = float(((x - x.mean()) * at).sum() / ((x - x.mean()) ** 2).sum())
    return slope, float(at.mean() - slope * x.mean())


def _steps(sizes: Array, at: Array) -> Array:
    return np.asarray(np.diff(at) / np.diff(np.log10(sizes)))
