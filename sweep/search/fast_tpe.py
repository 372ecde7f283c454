"""Optuna's TPE at a cost that hardly grows with the number of trials.

TPE puts a kernel on the params of each trial, in one mixture for the few best trials and one for
the others, and proposes the candidate with the largest ratio of the two. Optuna reads all trials
again at every ask. Here ended trials stay in arrays, and an ask uses again what the one before it
computed. The proposals are Optuna's, to the last bit. With Φ the normal distribution function:

    μ, σ    a kernel's centre and width, on the axis of the values (log: of their logarithms)
    a, b    an interval's ends (low - μ) / σ and (high - μ) / σ
    mass    log(Φ(b) - Φ(a)), the share of a kernel that lies in the interval
"""

from __future__ import annotations

import math
from array import array
from bisect import insort
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

# The release whose internals this module follows; beside any other, Optuna's own code proposes.
FOLLOWED = "5.0.0"
if optuna.__version__ == FOLLOWED:
    from optuna.samplers._tpe import _truncnorm
    from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
    from optuna.samplers._tpe.sampler import default_gamma

    DEFAULTS = TPESampler()._parzen_estimator_parameters

OTHER_ERF = 2000  # from so many values on, Optuna computes erf in another way
FAR = np.full(OTHER_ERF, 99.0)  # where erf is 1, and known without computing
FAINT = -700.0  # exp is slow where it underflows; added to 1, e**FAINT changes no bit
BLOCK = 1 << 15  # numbers that a core's cache holds

Array = npt.NDArray[np.float64]
Space = dict[str, BaseDistribution]
Rank = tuple[int, float, float, int, int]  # the last two: the trial's number and row


class TPE(TPESampler):
    """TPESampler, but cheap for one objective over intervals without constraints.

    Anything else, deprecated options included, is left to Optuna's own code.
    """

    _history: _History | None = None
    _masses: tuple[_Masses, _Masses]  # of the best trials' kernels and of the others'

    def _sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: Space
    ) -> dict[str, Any]:
        fits = self._fits(study, search_space)
        params = self._propose(study, trial, search_space) if fits else None
        return super()._sample_relative(study, trial, search_space) if params is None else params

    def _fits(self, study: optuna.Study, space: Space) -> bool:
        return (
            optuna.__version__ == FOLLOWED
            and type(study) is optuna.Study  # hyperband shows a bracket as another class
            and len(study.directions) == 1
            and bool(space)
            and all(isinstance(d, FloatDistribution) and d.step is None for d in space.values())
            and self._constraints_func is None
            and not self._group
            and self._gamma in (None, default_gamma)
            and self._parzen_estimator_cls is _ParzenEstimator
            and self._parzen_estimator_parameters == DEFAULTS
        )

    def _propose(
        self, study: optuna.Study, trial: FrozenTrial, space: Space
    ) -> dict[str, Any] | None:
        """Return params; {} while the start-up trials last; None where Optuna has to propose."""
        trials = study._get_trials(deepcopy=False, use_cache=True)
        if self._history is None or not self._history.goes_on(trials, space):
            self._history = _History(space, study.direction)
            self._masses = _Masses(), _Masses()
        history = self._history
        history.extend(trials)
        rest = _Rows(space, study.direction, history.n_rows)
        for other in trials[len(history.trials) :]:
            running = other.state == TrialState.RUNNING and self._constant_liar
            if other.number != trial.number and (running or other.state.is_finished()):
                whole = space.keys() <= other.params.keys()
                rest.add(other, other.params if whole else self._get_params(other, study))
        n_results = history.n_results + rest.n_results
        if n_results < self._n_startup_trials:
            return {}
        n_best = default_gamma(n_results)
        ranks = sorted(history.ranks[:n_best] + rest.ranks)[:n_best]
        best = sorted(row for *_, row in ranks if row >= 0)
        if history.constrained or rest.constrained or not best:
            return None
        values = np.array(
            [np.concatenate([history.columns[name], rest.columns[name]]) for name in space]
        )
        intervals = [_Interval.of(distribution) for distribution in space.values()]
        if not all(interval.holds(row) for interval, row in zip(intervals, values, strict=True)):
            return None
        is_other = np.ones(values.shape[1], bool)
        is_other[best] = False
        likely = _Mixture(values[:, best], intervals, self._masses[0])
        unlikely = _Mixture(values[:, is_other], intervals, self._masses[1])
        candidates = likely.draw(self._rng.rng, self._n_ei_candidates)
        if likely.covers(candidates):
            ratios = likely.log_pdf(candidates) - unlikely.log_pdf(candidates)
        else:  # a value beyond an end, by rounding: leave it to Optuna
            both = (
                _ParzenEstimator(dict(zip(space, rows, strict=True)), space, DEFAULTS)
                for rows in (values[:, best], values[:, is_other])
            )
            samples = dict(zip(space, candidates, strict=True))
            ratios = self._compute_acquisition_func(samples, *both)
        chosen = np.argmax(ratios)
        return {name: float(row[chosen]) for name, row in zip(space, candidates, strict=True)}


class _Rows:
    """Params of trials in the order of their numbers, and which trials are best."""

    def __init__(self, space: Space, direction: StudyDirection, first_row: int = 0):
        self.space, self._first_row = space, first_row
        self.columns: dict[str, array[float]] = {name: array("d") for name in space}
        self.ranks: list[Rank] = []  # the best trial first; of equals, the first
        self.n_rows = self.n_results = 0
        self.constrained = False
        self._sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0

    def add(self, trial: FrozenTrial, params: dict[str, Any]) -> None:
        """Add a trial that is running or has ended."""
        if trial.state == TrialState.FAIL:
            return
        row = -1  # the trial lacks a param: it counts, but has no kernel
        if self.space.keys() <= params.keys():
            row = self._first_row + self.n_rows
            self.n_rows += 1
            for name, distribution in self.space.items():
                self.columns[name].append(distribution.to_internal_repr(params[name]))
        if trial.state != TrialState.RUNNING:
            insort(self.ranks, (*self._rank(trial), trial.number, row))
            self.n_results += 1
            self.constrained |= bool(trial.constraints)

    def _rank(self, trial: FrozenTrial) -> tuple[int, float, float]:
        """Rank COMPLETE trials by loss, then PRUNED ones by their steps and last loss."""
        if trial.state == TrialState.COMPLETE:
            return 0, self._sign * trial.values[0], 0.0
        if not trial.intermediate_values:
            return 1, 1.0, 0.0
        step, value = max(trial.intermediate_values.items())
        return 1, -step, math.inf if math.isnan(value) else self._sign * value


class _History(_Rows):
    """The trials at the front of a study, up to the first that has not ended."""

    def __init__(self, space: Space, direction: StudyDirection):
        super().__init__(space, direction)
        self.trials: list[FrozenTrial] = []

    def goes_on(self, trials: Sequence[FrozenTrial], space: Space) -> bool:
        """Tell whether these trials, in this space, begin with the history."""
        return self.space == space and trials[: len(self.trials)] == self.trials

    def extend(self, trials: Sequence[FrozenTrial]) -> None:
        """Add the trials that have ended since."""
        for place in range(len(self.trials), len(trials)):
            if not trials[place].state.is_finished():
                break
            self.trials.append(trials[place])
            self.add(trials[place], trials[place].params)


class _Interval(NamedTuple):
    """The interval of a param, and its ends on the axis of the kernels.

    Optuna places kernels between numpy's logarithms of the ends and cuts them off at math's.
    """

    first: float
    last: float
    log: bool
    low: float
    high: float
    low_of_kernels: float
    high_of_kernels: float

    @classmethod
    def of(cls, distribution: Any) -> _Interval:
        """Read the interval from a distribution."""
        low, high = distribution.low, distribution.high
        if not distribution.log:
            return cls(low, high, False, low, high, low, high)
        cut = math.log(low), math.log(high)
        return cls(low, high, True, *cut, float(np.log(low)), float(np.log(high)))

    def holds(self, values: Array) -> bool:
        """Tell whether the interval has a length and all values lie in it."""
        inside = bool(((self.first <= values) & (values <= self.last)).all())
        return inside and self.low < self.high


class _Masses:
    """The masses of all kernels, kept from ask to ask: few of them change.

    What numpy computes of a number does not depend on where in an array it stands.
    """

    def __init__(self) -> None:
        self._a: Array = np.empty((0, 0))
        self._b, self._masses, self._other_erf = self._a, self._a, False

    def of(self, a: Array, b: Array) -> Array:
        """Return log(Φ(b) - Φ(a)) of arrays (params, kernels)."""
        other_erf = int(np.count_nonzero((a <= 0) & (b > 0))) >= OTHER_ERF
        if len(a) != len(self._a) or other_erf != self._other_erf:
            self._a = self._b = self._masses = np.empty_like(a[:, :0])
        n = min(a.shape[1], self._a.shape[1])
        new = np.ones(a.shape, bool)
        new[:, :n] = (a[:, :n] != self._a[:, :n]) | (b[:, :n] != self._b[:, :n])
        new_a, new_b = a[new], b[new]
        n_new = len(new_a)
        if other_erf:
            new_a, new_b = np.append(new_a, -FAR), np.append(new_b, FAR)
        masses = np.empty(a.shape)
        masses[:, :n] = self._masses[:, :n]
        masses[new] = _truncnorm._log_gauss_mass(new_a, new_b)[:n_new]
        self._a, self._b, self._masses, self._other_erf = a, b, masses, other_erf
        return masses


class _Mixture:
    """A kernel on each trial's params and a wide one on the whole space."""

    def __init__(self, values: Array, intervals: Sequence[_Interval], masses: _Masses):
        """Put kernels on values (params, trials); a kernel reaches its farther neighbour."""
        n = values.shape[1]
        self._intervals, self._masses = intervals, masses
        self._weights = np.append(DEFAULTS.weights(n), DEFAULTS.prior_weight)
        self._weights /= self._weights.sum()
        self._mu, self._sigma = np.empty((2, len(values), n + 1))
        for centres, mu, sigma, interval in zip(
            values, self._mu, self._sigma, intervals, strict=True
        ):
            low, high = interval.low_of_kernels, interval.high_of_kernels
            mu[:n] = np.log(centres) if interval.log else centres
            order = np.argsort(mu[:n])
            gaps = np.diff(np.concatenate([[low], mu[order], [high]]))
            width = np.maximum(gaps[:-1], gaps[1:])
            if n > 1:  # the outermost reach inwards
                width[0], width[-1] = gaps[1], gaps[-2]
            sigma[order] = np.clip(width, (high - low) / min(100.0, n + 2.0), high - low)
            mu[n], sigma[n] = 0.5 * (low + high), high - low
        self._low = np.array([[interval.low] for interval in intervals])
        self._high = np.array([[interval.high] for interval in intervals])

    def draw(self, rng: np.random.RandomState, count: int) -> Array:
        """Draw values (params, count)."""
        chosen = rng.choice(len(self._weights), p=self._weights, size=count)
        mu, sigma = self._mu[:, chosen], self._sigma[:, chosen]
        drawn: Array = _truncnorm.rvs(
            a=(self._low - mu) / sigma,
            b=(self._high - mu) / sigma,
            loc=mu,
            scale=sigma,
            random_state=rng,
        )
        for row, interval in zip(drawn, self._intervals, strict=True):
            if interval.log:
                np.exp(row, out=row)
        return drawn

    def covers(self, values: Array) -> bool:
        """Tell whether values (params, count) lie between the ends of the kernels' axes."""
        at = self._on_axes(values)
        return bool(((self._low <= at) & (at <= self._high)).all())

    def log_pdf(self, values: Array) -> Array:
        """Return the logarithm of the density at values (params, count) between the ends."""
        at = self._on_axes(values)
        a, b = (self._low - self._mu) / self._sigma, (self._high - self._mu) / self._sigma
        mass, log_sigma = self._masses.of(a, b), np.log(self._sigma)
        log_weights = np.log(self._weights)
        count = at.shape[1]
        tops, sums = np.empty((2, count))
        step = max(1, BLOCK // len(log_weights))
        for first in range(0, count, step):
            part = slice(first, first + step)
            total: Any = 0.0
            for param in range(len(at)):
                z = at[param, part, None] - self._mu[param]
                z /= self._sigma[param]
                z *= z
                z *= -0.5
                z -= _truncnorm._norm_pdf_logC
                z -= mass[param]
                z -= log_sigma[param]
                total = total + z
            total += log_weights
            tops[part] = total.max(axis=1)
            total -= tops[part, None]
            np.maximum(total, FAINT, out=total)
            sums[part] = np.exp(total, out=total).sum(axis=1)
        return np.asarray(np.log(sums) + tops)

    def _on_axes(self, values: Array) -> Array:
        at = values.copy()
        for row, interval in zip(at, self._intervals, strict=True):
            if interval.log:
                np.log(row, out=row)
        return at
