"""A design for one strength: a few trials that cover the range, and a model of the curve.

Most of what many trials find out is the noise of the folds. A dozen, well placed, with a smooth
curve through them (`curve`), tell the best strength as sharply.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import UsageError
from sweep.search.curve import Curve
from sweep.spec.search import DESIGN_GRID, DESIGN_REFINED
from sweep.stats import Array

MINIMUM = DESIGN_GRID + DESIGN_REFINED  # the number of the trial at the model's minimum
N_CANDIDATES = 1001  # strengths that are compared, over the whole range
# Distances as shares of the range, in decades. So near to the minimum a trial has tried it.
NEAR = 1 / 200
# Others keep this from each other, over the number of trials: trainings side by side share the
# folds' noise, so they tell less than the model takes them to.
SPREAD = 1 / 5


class DesignSampler(BaseSampler):
    """Propose values of one parameter: a float on a log scale.

    Trials 0 to 7 are spread over the range, ends included. A Gaussian process is fitted to what
    they came to. Trials 8 to 11 go where it expects the largest improvement. Trial 12 goes to
    its minimum, so a study of 13 trials has tried the strength that its model holds for best.
    Further trials go on with the expected improvement.

    Nothing is drawn at random: a proposal depends on the trial's number and on the trials before
    it. Those without a result yet are taken to come to what the model expects of them. No value
    is tried twice: where the minimum was tried already, trial 12 goes where improvement is
    expected. PRUNED and FAIL trials count as the worst of all, so it is of no use beside a pruner.

    It needs nothing of this package but this class::

        import optuna
        from sweep.search.design import DesignSampler

        def objective(trial):
            return validation_loss(trial.suggest_float("alpha", 1e-6, 1e-1, log=True))

        study = optuna.create_study(sampler=DesignSampler())
        study.optimize(objective, n_trials=13)
    """

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return no parameter: there is only one, and nothing to be relative to."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing; see `infer_relative_search_space`."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str,
        param_distribution: BaseDistribution,
    ) -> float:  # fmt: skip
        """Return the value to try.

        Raises:
            UsageError: the parameter is not the only one, or not a float on a log scale.
        """
        others = sorted(trial.params.keys() - {param_name})
        if others:
            raise UsageError(
                f"sampler: DesignSampler searches one parameter, got {param_name} beside"
                f" {', '.join(others)}. Use TPESampler"
            )
        if not isinstance(param_distribution, FloatDistribution) or not param_distribution.log:
            raise UsageError(
                f"sampler: DesignSampler searches a float on a log scale, got {param_name} as"
                f" {param_distribution}. Use suggest_float with log=True, or TPESampler"
            )
        if trial.number < DESIGN_GRID:
            return levels(param_distribution, DESIGN_GRID)[trial.number]
        trials = study.get_trials(deepcopy=False)
        before = [t for t in trials if t.number < trial.number and param_name in t.params]
        return _next(trial.number, param_name, param_distribution, before, study.direction)


def _next(
    number: int, name: str, distribution: FloatDistribution, before: list[FrozenTrial],
    direction: StudyDirection,
) -> float:  # fmt: skip
    """Choose among the candidates by the trials before."""
    low, high = distribution.low, distribution.high
    # Rounded to one of them, a proposal is the same where losses differ in their last digits.
    candidates = np.clip(np.geomspace(low, high, N_CANDIDATES), low, high)
    at, tried = np.log10(candidates), np.log10([trial.params[name] for trial in before])
    apart = np.abs(at[:, None] - tried).min(axis=1, initial=np.inf)
    apart /= at[-1] - at[0] or 1.0
    ended = np.array([trial.state.is_finished() for trial in before], bool)
    sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
    values = sign * np.array([_value(trial) for trial in before])
    curve = Curve.fit(tried[ended], values[ended])
    if curve is None:  # too few results: fill the widest gap
        return float(candidates[apart.argmax()])
    least = curve.mean(at).argmin()
    if number == MINIMUM and apart[least] > NEAR:
        return float(candidates[least])
    hopes = curve.believing(tried[~ended]).improvement(at)
    return float(candidates[np.where(apart > SPREAD / number, hopes, -1.0).argmax()])


def _value(trial: FrozenTrial) -> float:
    if trial.state != TrialState.COMPLETE or trial.value is None:
        return float("nan")
    return trial.value


def levels(distribution: FloatDistribution, count: int) -> list[float]:
    """Spread `count` points over a range with both ends, in the order coarse to fine."""
    low, high = distribution.low, distribution.high
    if count == 1:
        return [float(np.sqrt(low * high) if distribution.log else (low + high) / 2)]
    spread = np.geomspace if distribution.log else np.linspace
    points: Array = np.clip(spread(low, high, count), low, high)  # rounding may step outside
    bits = (count - 1).bit_length()
    order = sorted(range(count), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))
    return [float(points[index]) for index in order]
