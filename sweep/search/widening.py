"""Widen the searched range of the strength while a study runs, and store each move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.search.ask_tell import Search
from sweep.search.controls import Controls
from sweep.search.design import MINIMUM
from sweep.search.point import Point
from sweep.search.samplers import make_space
from sweep.spec.attributes import ALPHA_RANGE, WIDENINGS
from sweep.spec.resolved import Outline, Range
from sweep.spec.search import DESIGN_GRID
from sweep.spec.study import StudySpec
from sweep.stats import EDGE, paired_gain
from sweep.storage.mirror import MirroredStorage

EVERY = 12  # results between two looks at the ends
STEP = 10.0  # how far an end moves
POINTS = 3  # trials that go straight to a new decade


class Widening:
    """Move an end of the range if the best strength lies at it.

    A move before ask k depends only on the trials that ask k may know, and it is stored at once.
    So the table of trials is the same after any stop.
    """

    def __init__(
        self, plan: Outline, storage: MirroredStorage, study: optuna.Study, search: Search,
        controls: Controls,
    ):  # fmt: skip
        self.span = plan.span
        self._spec, self._storage, self._study = plan.spec, storage, study
        self._search, self._controls = search, controls
        self._moves: list[dict[str, Any]] = study.user_attrs.get(WIDENINGS, [])
        for move in self._moves:
            self._look_further(move)

    def before_ask(self) -> None:
        """Move an end before the next new trial, if it is time and the results say so."""
        spec, number = self._spec, self._search.new
        if not may_widen(spec):
            return
        known = self._search.known_to(number)
        if not _is_time(spec, number, len(known)):
            return
        if len(self._moves) >= spec.search.widenings or any(
            move["at"] == number for move in self._moves
        ):
            return
        # With more params the control comes after the search: whether it is known depends on
        # where the study was stopped before.
        baseline = self._controls.baseline if self._controls.n_params == 1 else None
        wider = widened(spec, self.span, known, baseline)
        if wider is None:
            return
        move = {
            "at": number,
            "before": [self.span.low, self.span.high],
            "after": [wider.low, wider.high],
        }
        self.span, self._moves = wider, [*self._moves, move]
        # Stored first: the next start makes up for what an interrupt cuts off after this line.
        self._study.set_user_attr(WIDENINGS, self._moves)
        self._study.set_user_attr(ALPHA_RANGE, move["after"])
        self._look_further(move)
        self._storage.flush(durable=True)

    def _look_further(self, move: dict[str, Any]) -> None:
        points = [{self._spec.strength: at} for at in new_points(move["before"], move["after"])]
        space = make_space(self._spec, self.span.low, self.span.high)
        self._search.widen(space, dict(enumerate(points, move["at"])))


def widened(
    spec: StudySpec, now: Range, trials: Sequence[FrozenTrial], baseline: dict[str, Any] | None
) -> Range | None:
    """Return the range with the end at which the best strength lies moved by a decade.

    None if the best lies at neither end, or at one that may not move. The upper end never moves
    beyond `limit`. The lower end moves if gain > 1 SE, or loss > max(2 SE, the value's SE): gain
    and loss are those of the best against no penalty, the SE is the paired one. In between, the
    curve is a plateau, and further to the left is only more of it.

    Args:
        spec: the study.
        now: the present range.
        trials: the known ones, of all states.
        baseline: the control, as stored; None where it is not known.
    """
    complete = [Point.of(t, spec) for t in trials if t.state == TrialState.COMPLETE]
    if not complete:
        return None
    best = min(complete, key=lambda point: point.rank)
    at = best.at
    if at > now.high / EDGE and now.high < 0.999 * now.limit:
        return replace(now, high=min(now.high * STEP, now.limit))
    if at < now.low * EDGE and baseline and "value" in baseline:
        none = [spec.objective.sign * value for value in baseline["replicate_values"]]
        gain, se = paired_gain(none, best.replicate_costs, *spec.replicates.folds)
        noise = best.value_se or 0.0  # on a plateau the paired SE alone can be tiny
        if se is not None and (gain > se or gain < -max(2 * se, noise)):
            return replace(now, low=now.low / STEP)
    return None


def new_points(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """Return strengths in the part by which a range [low, high] has grown, far end first."""
    (low, high), (new_low, new_high) = before, after
    far, near = (new_high, high) if new_high > high else (new_low, low)
    return [far * (near / far) ** (i / POINTS) for i in range(POINTS)]


def _is_time(spec: StudySpec, number: int, n_known: int) -> bool:
    """Tell whether ends are looked at before ask `number`, which knows so many results.

    A look takes a wave of results: one trial alone lies at an end by design. The first wave of
    the design sampler has both ends. Its trial at the model's minimum gives way to no other.
    """
    if spec.search.sampler.type == "design" and n_known == DESIGN_GRID:
        return True
    is_minimum = spec.search.sampler.type == "design" and number == MINIMUM
    return n_known > 0 and n_known % EVERY == 0 and not is_minimum


def may_widen(spec: StudySpec) -> bool:
    """Tell whether a study's range may grow while it runs.

    Not with grid: its user chose the points. And not without a limit on `in_flight`: the table
    of trials would depend on the width.
    """
    return spec.search.sampler.type != "grid" and spec.in_flight is not None
