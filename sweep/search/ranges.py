"""How the range that the strength is searched in grows while a study runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from sweep.search.ask_tell import rank
from sweep.spec.resolved import Range
from sweep.spec.study import StudySpec
from sweep.stats import EDGE, paired_gain

EVERY = 12  # trials between two looks at the ends
STEP = 10.0  # how far an end moves
POINTS = 3  # trials that go straight to a new decade


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
