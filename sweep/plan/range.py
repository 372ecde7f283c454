"""The range that the strength is searched in at first: where it ends, and why."""

from __future__ import annotations

from collections.abc import Sequence

from sweep.data.problem import Keep, Problem
from sweep.errors import UsageError
from sweep.plan.alpha_max import alpha_max, has_formula, sampled
from sweep.spec.optimizers import SgdSpec
from sweep.spec.resolved import Range
from sweep.spec.sections import MlpSpec
from sweep.spec.study import StudySpec

DEFAULT_RANGE = (1e-6, 1e-1)
SMALLEST, LARGEST = 1e-300, 1e300  # where a logarithmic range still has floats to choose from
LOW_TO_HIGH = 1e-4  # glmnet's ratio of the smallest to the largest strength


def make_range(spec: StudySpec, problem: Problem) -> Range:
    """Return the range that a study begins with.

    Raises:
        UsageError: it is empty, or reaches where SGD is not stable.
    """
    if spec.strength == "weight_decay":
        bounds = spec.search.space.weight_decay
        return Range(bounds.low if bounds else 1e-5, bounds.high if bounds else 1.0)
    wanted, largest = spec.search.space.alpha, None
    if network := _of_formula(spec):
        largest = alpha_max(problem, *network, spec.seed)
    cap = stability_cap(spec)
    auto_high = min(largest or DEFAULT_RANGE[1], cap or float("inf"))
    high = auto_high if wanted.high == "auto" else wanted.high
    if cap is not None and high > cap:
        raise UsageError(
            f"search.space.alpha.high: must be < {cap:.3g}, where SGD with this lr stops being"
            f" stable, got {high:g}. Use auto, or a smaller lr"
        )
    auto_low = high * LOW_TO_HIGH if largest else min(DEFAULT_RANGE[0], high * LOW_TO_HIGH)
    low = auto_low if wanted.low == "auto" else wanted.low
    if not SMALLEST < high < LARGEST or low < SMALLEST:
        raise UsageError(
            f"search.space.alpha: must have a range in {SMALLEST:g} to {LARGEST:g}, got {low:g} to"
            f" {high:g} from the data. Give low and high, or scale the data"
        )
    if low >= high:
        raise UsageError(
            f"search.space.alpha.low: must be < high, got low {low:g}, high {high:g}."
            " Give both, or lower it"
        )
    return Range(low, high, largest, cap)


def rows_looked_at(spec: StudySpec) -> Keep | None:
    """Return which rows of a replicate the range is found from; None: of none."""
    network = _of_formula(spec)
    return sampled if network and has_formula(*network) else None


def _of_formula(spec: StudySpec) -> tuple[Sequence[int], str, float] | None:
    """Return hidden units, activation and l1_ratio of a network that alpha_max may know."""
    model, patterns = spec.model, spec.penalty.exempt or spec.penalty.include
    # The formula is of a network whose weights, and no biases, are all penalised, and which trains
    # on the rows as they are.
    if not isinstance(model, MlpSpec) or patterns or spec.training.augment:
        return None
    if spec.strength == "weight_decay":
        return None
    return model.hidden, model.activation, spec.ends("l1_ratio")[0]


def stability_cap(spec: StudySpec) -> float | None:
    """Return the α above which SGD's own step on the squared penalty overshoots, if there is one.

    α < (1 + μ) / ((1 − τ)·lr), with nesterov (1 + μ) / ((1 + 2μ)·lr).
    """
    training = spec.training
    if not isinstance(training, SgdSpec) or spec.penalty.norm == "l1":
        return None
    momenta, (_, lr), (ratio, _) = map(spec.ends, ("momentum", "lr", "l1_ratio"))
    if training.nesterov:
        gain = min((1 + mu) / (1 + 2 * mu) for mu in momenta)
    else:
        # Without momentum torch ignores the dampening.
        gain = min((1 + mu) / (1 - training.dampening * (mu > 0)) for mu in momenta)
    return 0.99 * gain / (lr * (1 - ratio)) if ratio < 1 else None
