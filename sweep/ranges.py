"""The range that the strength is searched in: where it begins, where it may grow to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from sweep.alpha_max import alpha_max
from sweep.data import Problem
from sweep.errors import UsageError
from sweep.search import rank
from sweep.spec import MlpSpec, SgdSpec, StudySpec
from sweep.stats import EDGE, paired_gain

DEFAULT_RANGE = (1e-6, 1e-1)
LOW_TO_HIGH = 1e-4  # glmnet's ratio of the smallest to the largest strength
EVERY = 12  # trials between two looks at the ends
STEP = 10.0  # how far an end moves
POINTS = 3  # trials that go straight to a new decade


@dataclass(frozen=True)
class Range:
    """The searched range of the strength, and the formulas that bound it.

    `alpha_max`: above it all weights are zero. `cap`: SGD's own step overshoots above it.
    """

    low: float
    high: float
    alpha_max: float | None = None
    cap: float | None = None

    @property
    def limit(self) -> float:
        """The largest strength that makes sense."""
        return min(self.alpha_max or float("inf"), self.cap or float("inf"))


def make_range(spec: StudySpec, problem: Problem) -> Range:
    """Return the range that a study begins with.

    Raises:
        UsageError: it is empty, or reaches where SGD is not stable.
    """
    if spec.strength == "weight_decay":
        bounds = spec.search.space.weight_decay
        return Range(bounds.low if bounds else 1e-5, bounds.high if bounds else 1.0)
    model, wanted, largest = spec.model, spec.search.space.alpha, None
    if isinstance(model, MlpSpec):
        ratio = spec.search.space.l1_ratio.low if spec.search.space.l1_ratio else None
        ratio = spec.penalty.ratio if ratio is None else ratio
        largest = alpha_max(problem, model.hidden, model.activation, ratio, spec.seed)
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
    if low >= high:
        raise UsageError(
            f"search.space.alpha.low: must be < high, got low {low:g}, high {high:g}."
            " Give both, or lower it"
        )
    return Range(low, high, largest, cap)


def stability_cap(spec: StudySpec) -> float | None:
    """Return the α above which SGD's own step on the squared penalty overshoots, if there is one.

    α < (1 + μ) / ((1 − τ)·lr), with nesterov (1 + μ) / ((1 + 2μ)·lr).
    """
    training, space = spec.training, spec.search.space
    if not isinstance(training, SgdSpec) or spec.penalty.norm == "l1":
        return None
    lr = space.lr.high if space.lr else training.lr
    momenta = [space.momentum.low, space.momentum.high] if space.momentum else [training.momentum]
    ratio = space.l1_ratio.low if space.l1_ratio else spec.penalty.ratio
    if training.nesterov:
        gain = min((1 + mu) / (1 + 2 * mu) for mu in momenta)
    else:
        # Without momentum torch ignores the dampening.
        gain = min((1 + mu) / (1 - training.dampening * (mu > 0)) for mu in momenta)
    return 0.99 * gain / (lr * (1 - ratio)) if ratio < 1 else None


def widened(
    spec: StudySpec, now: Range, trials: Sequence[FrozenTrial], baseline: dict[str, Any] | None
) -> Range | None:
    """Return the range with the end at which the best strength lies moved by a decade.

    None where it lies at neither, or at one that may not move: the upper end not beyond
    `limit`; the lower one only where the best is told apart from no penalty, since left of a
    plateau there is nothing but more of it. It is, where it beats none by more than one paired
    standard error, or loses by more than two and by more than its value's own error: then the
    whole range is too strong.

    Args:
        spec: the study.
        now: the present range.
        trials: what is known, COMPLETE ones among them.
        baseline: the control, as stored; None where it is not known.
    """
    complete = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
    if not complete:
        return None
    best = min(complete, key=rank(spec.strength))
    at = best.params[spec.strength]
    if at > now.high / EDGE and now.high < 0.999 * now.limit:
        return replace(now, high=min(now.high * STEP, now.limit))
    if at < now.low * EDGE and baseline and "value" in baseline:
        gain, se = paired_gain(
            baseline["replicate_values"],
            best.user_attrs["replicate_values"],
            spec.replicates.n_folds,
        )
        noise = best.user_attrs["value_se"]  # a plateau may be told from none by a trifle
        if se is not None and (gain > se or gain < -max(2 * se, noise)):
            return replace(now, low=now.low / STEP)
    return None


def new_points(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """Return strengths in what a range [low, high] has gained, from its far end inwards."""
    (low, high), (new_low, new_high) = before, after
    far, near = (new_high, high) if new_high > high else (new_low, low)
    return [far * (near / far) ** (i / POINTS) for i in range(POINTS)]


def may_widen(spec: StudySpec) -> bool:
    """Tell whether a study's range may grow while it runs.

    It must be the sampler that chooses (a grid is what its user made it), and asks must know
    which results they depend on, or the table of trials would depend on the width.
    """
    return spec.search.sampler.type != "grid" and spec.in_flight is not None
