"""The loop of a run: trials from the search into the cohort, results back into the storage."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, Literal

import optuna

from sweep.engines.base import Engine
from sweep.errors import SweepError
from sweep.runner.progress import Progress, Standing
from sweep.runner.work import Control, SearchedTrial, Work
from sweep.runtime import is_out_of_memory
from sweep.search.ask_tell import Search
from sweep.search.confirmation import PARTITION, Confirmation
from sweep.search.controls import Controls
from sweep.search.samplers import make_space
from sweep.search.widening import Widening
from sweep.spec.attributes import ENGINE, MEMORY_WAS_SHORT, WIDTH
from sweep.spec.resolved import Outline
from sweep.storage.mirror import MirroredStorage
from sweep.training.messages import Report

CURVE_LAG_S = 1.0  # how far the storage may lag behind in curves, never in results
PUBLISH_S = 5.0  # between two publications of a running study's results
PUBLISH_SHARE = 0.01  # of the time, at most

Ending = Literal["done", "interrupted", "timeout"]


class Loop:
    """What one run does until its study has `n_trials` results."""

    def __init__(
        self, plan: Outline, storage: MirroredStorage, study: optuna.Study, engine: Engine
    ):
        self.plan, self.storage, self.study, self.engine = plan, storage, study, engine
        space = make_space(plan.spec, plan.span.low, plan.span.high)
        self.search = Search(storage, study, plan.spec, space, plan.spec.training.epochs)
        self.controls = Controls(study, plan.spec, len(space))
        self.widening = Widening(plan, storage, study, self.search, self.controls)
        self.standing = Standing(study, plan.spec)
        self.confirmation = Confirmation(study, plan.spec, len(space))
        self.running: dict[Hashable, Work] = {}  # trials by number, others by what is due
        self._facts: dict[str, Any] = {}  # of the engine, as they are stored
        self._partition = 0  # of the rows into folds, that the cohort trains on
        self._make_cohort(plan.width)
        self._flushed = time.monotonic()
        self._publish_at = self._flushed + PUBLISH_S

    def run(
        self,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
        publish: Callable[[optuna.Study], None],
    ) -> Ending:
        """Train until all is done, the time is over, or it is told to stop; see `run_study`."""
        deadline = time.monotonic() + (self.plan.spec.search.timeout_s or float("inf"))
        ended: list[bool] | None = None  # whether each trial has that reported last
        while True:
            self._fill(asking=time.monotonic() <= deadline)
            if self.running and not self._launch():
                continue
            self._note_engine()
            if ended is not None:  # a GPU, or the workers, train meanwhile
                self._store(any(ended), publish)
                on_progress(self._progress())
            if not self.running:
                if self.search.wanted:
                    return "timeout"
                if not self._confirm():
                    return "done"
                continue
            if should_stop():
                return "interrupted"
            if time.monotonic() <= deadline:
                self._ask_ahead()
            ended = [self._take(report) for report in self._advance()]

    def _fill(self, asking: bool) -> None:
        """Put controls that are due, and trials, into free slots."""
        self.search.take_enqueued()
        searching = self.search.wanted or any(one.counts for one in self.running.values())
        due = self.controls.due(self.widening.span, searching, self.running)
        for key, params in due.items():
            if self.cohort.free:
                store = partial(self.controls.store, key)
                self._start(key, Control(params, self.plan, store))
        while asking and self.cohort.free and self.search.ready:
            if not self.search.has_waiting:
                self.widening.before_ask()
            number, params = self.search.ask()
            trial = SearchedTrial(number, params, self.plan, self.search, self.standing)
            self._start(number, trial)

    def _confirm(self) -> bool:
        """Begin to train the chosen strengths on fresh folds; tell whether any is due."""
        due = self.confirmation.due()
        if due and self._partition != PARTITION:
            width = min(self.cohort.width, len(due) * self.plan.spec.n_replicates)
            del self.cohort
            self._partition = PARTITION
            self._make_cohort(width)
        for kind, params in due.items():
            if self.cohort.free:
                store = partial(self.confirmation.store, kind)
                self._start(kind, Control(params, self.plan, store))
        return bool(due)

    def _ask_ahead(self) -> None:
        """Ask for trials before there is a slot for them, where they depend on no later result.

        A few at a time, so that no epoch is kept waiting, and as many as there are slots by the
        time that all these trials end.
        """
        slots = self.cohort.n_slots
        for _ in range(-(-slots // self.plan.spec.training.epochs)):
            if self.search.ready_ahead(slots):
                self.widening.before_ask()
                self.search.ask_ahead()

    def _start(self, key: Hashable, work: Work) -> None:
        self.running[key] = work
        self.cohort.start(key, self.plan.setting(work.params))

    def _launch(self) -> bool:
        """Set the cohort to train an epoch; tell whether there was memory for it."""
        return self._train(lambda: self.cohort.launch())

    def _advance(self) -> list[Report]:
        """Train an epoch; there are no reports where memory did not suffice."""
        reports: list[Report] = []
        self._train(lambda: reports.extend(self.cohort.advance()))
        return reports

    def _train(self, step: Callable[[], None]) -> bool:
        """Do a step; where memory does not suffice, begin again in fewer lanes.

        `step` must not hold the cohort, whose memory the next one needs.
        """
        if _memory_suffices(step):
            return True
        width = self.cohort.width
        del self.cohort
        self._make_smaller_cohort(width)
        for work in self.running.values():
            work.give_back()
        self.running.clear()
        return False

    def _make_cohort(self, width: int) -> None:
        """Make a cohort of `width` lanes, or of as many as there is memory for."""

        def make() -> None:
            self.cohort = self.engine.cohort(width, self._partition)

        if _memory_suffices(make):
            if not self._partition:
                self.study.set_user_attr(WIDTH, width)
        else:
            self._make_smaller_cohort(width)

    def _make_smaller_cohort(self, width: int) -> None:
        """Make a cohort of half as many lanes as there was no memory for."""
        self.study.set_user_attr(MEMORY_WAS_SHORT, True)
        if width < 2:
            raise SweepError(
                "device: must hold one lane, got out of memory with a single one."
                " Use a smaller model or batch_size"
            )
        self._make_cohort(width // 2)

    def _take(self, report: Report) -> bool:
        """Pass a report on; return whether its trial has ended."""
        work = self.running[report.trial]
        if not work.hear(report):
            return False
        del self.running[report.trial]
        if not report.ended:  # the pruner gives it up
            self.cohort.stop(report.trial)
        work.end(report)
        return True

    def _store(self, told: bool, publish: Callable[[optuna.Study], None]) -> None:
        """Bring what the last epoch told into the storage, and publish it now and then."""
        if told and time.monotonic() > self._publish_at:
            began = time.monotonic()
            publish(self.study)
            now = time.monotonic()
            self._publish_at = now + max(PUBLISH_S, (now - began) / PUBLISH_SHARE)
        if told or time.monotonic() - self._flushed > CURVE_LAG_S:
            self.storage.flush(durable=told)
            self._flushed = time.monotonic()

    def _note_engine(self) -> None:
        """Store who trains, where that has changed."""
        facts = self.engine.facts()
        if facts != self._facts:
            self._facts = facts
            self.study.set_user_attr(ENGINE, facts)

    def _progress(self) -> Progress:
        spec, done, span = self.plan.spec, self.search.n_results, self.widening.span
        epochs = sum(work.epoch for work in self.running.values() if work.counts)
        fraction = (done + epochs / spec.training.epochs) / spec.search.n_trials
        return Progress(
            done, spec.search.n_trials, min(1.0, fraction), self.standing.best, spec.strength,
            (span.low, span.high), self.standing.curve, self._facts, spec.objective.sign,
        )  # fmt: skip


def _memory_suffices(step: Callable[[], None]) -> bool:
    """Do a step; tell whether there was memory for it.

    The step's exception is gone by then: it holds the tensors of a failed step.
    """
    try:
        step()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True
