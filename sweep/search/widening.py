"""The range that the strength is searched in, moved as trials are asked for, and stored."""

from __future__ import annotations

from typing import Any

import optuna

from sweep.search.ask_tell import Search
from sweep.search.controls import Controls
from sweep.search.ranges import EVERY, may_widen, new_points, widened
from sweep.search.samplers import make_space
from sweep.spec.resolved import Outline
from sweep.storage.mirror import MirroredStorage


class Widening:
    """Move an end of the range where the best strength lies at it.

    What is decided before ask k depends on the trials that ask k may know, and once decided it is
    stored: so the table of trials stays the same after any stop.
    """

    def __init__(
        self, plan: Outline, storage: MirroredStorage, study: optuna.Study, search: Search,
        controls: Controls,
    ):  # fmt: skip
        self.span = plan.span
        self._spec, self._storage, self._study = plan.spec, storage, study
        self._search, self._controls = search, controls
        self._moves: list[dict[str, Any]] = study.user_attrs.get("widenings", [])
        for move in self._moves:
            self._look_further(move)

    def before_ask(self) -> None:
        """Move an end, if it is time to and the results say so, before the next new trial."""
        spec, number = self._spec, self._search.new
        if not number or number % EVERY or not may_widen(spec):
            return
        if len(self._moves) >= spec.search.widenings or any(
            move["at"] == number for move in self._moves
        ):
            return
        known = self._search.known_to(number)
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
        # This first: whatever an interrupt cuts off after it is made up for at the next start.
        self._study.set_user_attr("widenings", self._moves)
        self._study.set_user_attr("alpha_range", move["after"])
        self._look_further(move)
        self._storage.flush(durable=True)

    def _look_further(self, move: dict[str, Any]) -> None:
        points = [{self._spec.strength: at} for at in new_points(move["before"], move["after"])]
        space = make_space(self._spec, self.span.low, self.span.high)
        self._search.widen(space, dict(enumerate(points, move["at"])))
