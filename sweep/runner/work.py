"""What a run has in its lanes: trials of the search, and controls beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from optuna.trial import TrialState

from sweep.runner.progress import Standing
from sweep.runner.valuation import valued
from sweep.search.ask_tell import Search
from sweep.search.point import Point
from sweep.search.samplers import Params
from sweep.spec.attributes import DIVERGED, FAILED, OK, OUTCOME, REASON
from sweep.spec.resolved import Outline
from sweep.training.messages import Report


class Work(Protocol):
    """Something that is being trained, and where its results go."""

    params: Params
    epoch: int  # done, of this training

    @property
    def counts(self) -> bool:
        """Whether it is one of the study's `n_trials`."""

    def hear(self, report: Report) -> bool:
        """Note an epoch; return whether it was the last one."""

    def end(self, report: Report) -> None:
        """Keep what came of it, told with the last epoch."""

    def give_back(self) -> None:
        """Leave it undone: it is begun again later."""


class SearchedTrial:
    """A trial that the search has asked for."""

    counts = True

    def __init__(
        self, number: int, params: Params, plan: Outline, search: Search, standing: Standing
    ):
        self._number, self.params, self.epoch = number, params, 0
        self._plan, self._search, self._standing = plan, search, standing

    def hear(self, report: Report) -> bool:
        """Note an epoch; the pruner may make it the last one."""
        self.epoch = report.epoch
        pruned = report.loss is not None and self._search.report(
            self._number, report.epoch, report.loss
        )
        return report.ended or pruned

    def end(self, report: Report) -> None:
        """Tell the search."""
        if report.result is not None:
            value, attrs = valued(self._plan, self.params, report.result, report.losses)
            self._search.tell(self._number, TrialState.COMPLETE, value, attrs)
            at, sign = self.params[self._plan.spec.strength], self._plan.spec.objective.sign
            self._standing.add(Point(self._number, at, self.params, value, attrs, sign=sign))
        elif report.diverged is not None:
            self._search.tell_diverged(self._number, report.diverged)
        elif report.failed is not None:
            self._search.tell_failed(self._number, report.failed)
        else:
            self._search.tell(self._number, TrialState.PRUNED, None, {OUTCOME: OK})

    def give_back(self) -> None:
        """Put it back in the queue."""
        self._search.give_back(self._number)


class Control:
    """What is trained beside the trials; never pruned."""

    counts = False

    def __init__(self, params: Params, plan: Outline, store: Callable[[dict[str, Any]], None]):
        self.params, self.epoch = params, 0
        self._plan, self._store = plan, store

    def hear(self, report: Report) -> bool:
        """Note an epoch."""
        self.epoch = report.epoch
        return report.ended

    def end(self, report: Report) -> None:
        """Store it with the study."""
        if report.result is None:
            outcome = DIVERGED if report.failed is None else FAILED
            content: dict[str, Any] = {OUTCOME: outcome, REASON: report.failed or report.diverged}
        else:
            value, attrs = valued(self._plan, self.params, report.result, report.losses)
            content = {"value": value, **attrs}
        self._store({**content, "params": self.params})

    def give_back(self) -> None:
        """Nothing to do: what is neither stored nor running is due."""
