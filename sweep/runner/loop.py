"""The loop of a run: trials from the search into the cohort, results back into the storage."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import optuna
from optuna.trial import TrialState

from sweep.engines.hire import Crew, Team
from sweep.errors import SweepError
from sweep.runner.progress import Completed, Progress, Standing
from sweep.runner.valuation import valued
from sweep.runtime import is_out_of_memory
from sweep.search.ask_tell import Search
from sweep.search.controls import Controls
from sweep.search.samplers import Params, make_space
from sweep.search.widening import Widening
from sweep.spec.resolved import Outline
from sweep.storage.mirror import MirroredStorage
from sweep.training.messages import Measures, Report

if TYPE_CHECKING:
    from sweep.training.cohort import Cohort

CURVE_LAG_S = 1.0  # how far the storage may lag behind in curves, never in results
PUBLISH_S = 5.0  # between two publications of a running study's results
PUBLISH_SHARE = 0.01  # of the time, at most

T = TypeVar("T")
Ending = Literal["done", "interrupted", "timeout"]


class Loop:
    """What one run does until its study has `n_trials` results."""

    def __init__(self, plan: Outline, storage: MirroredStorage, study: optuna.Study, crew: Crew):
        self.plan, self.storage, self.study, self.crew = plan, storage, study, crew
        space = make_space(plan.spec, plan.span.low, plan.span.high)
        self.search = Search(storage, study, plan.spec, space, plan.spec.training.epochs)
        self.controls = Controls(study, plan.spec, len(space))
        self.widening = Widening(plan, storage, study, self.search, self.controls)
        self.standing = Standing(study, plan.spec.strength)
        self.cohort = self._make_cohort(plan.width)
        self.running: dict[int | str, Params] = {}  # trials by number, controls by name
        self.epochs: dict[int | str, int] = {}
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
            if ended is not None:  # a GPU, or the workers, train meanwhile
                self._store(any(ended), publish)
                on_progress(self._progress())
            if not self.running:
                return "timeout" if self.search.wanted else "done"
            if should_stop():
                return "interrupted"
            if time.monotonic() <= deadline:
                self._ask_ahead()
            ended = [self._take(report) for report in self._advance()]

    def _fill(self, asking: bool) -> None:
        """Put controls that are due, and trials, into free slots."""
        searching = self.search.wanted or any(isinstance(trial, int) for trial in self.running)
        due = self.controls.due(self.widening.span, searching, self.running)
        for name, params in due.items():
            if self.cohort.free:
                self._start(name, params)
        while asking and self.cohort.free and self.search.ready:
            if not self.search.has_waiting:
                self.widening.before_ask()
            self._start(*self.search.ask())

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

    def _start(self, trial: int | str, params: Params) -> None:
        self.running[trial], self.epochs[trial] = params, 0
        self.cohort.start(trial, self.plan.setting(params))

    def _launch(self) -> bool:
        """Set the cohort to train an epoch; tell whether there was memory for it."""
        self._while_memory_suffices(lambda: self.cohort.launch())
        return bool(self.running)

    def _advance(self) -> list[Report]:
        """Train an epoch; there are no reports where memory did not suffice."""
        return self._while_memory_suffices(lambda: self.cohort.advance()) or []

    def _while_memory_suffices(self, train: Callable[[], T]) -> T | None:
        """Train; where memory does not suffice, begin again at half the width.

        `train` must not hold the cohort, whose memory the next one needs.
        """
        try:
            return train()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler: the exception held the failed step's tensors.
        width = self.cohort.width
        self.study.set_user_attr("memory_was_short", True)
        del self.cohort
        self.cohort = self._make_cohort(width // 2)
        for trial in self.running:
            if isinstance(trial, int):
                self.search.give_back(trial)
        self.running.clear()
        return None

    def _make_cohort(self, width: int) -> Cohort | Team:
        """Make a cohort of `width` lanes, or of half as many until there is memory for it."""
        while width:
            try:
                cohort = self.crew.cohort(width)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                width //= 2
                self.study.set_user_attr("memory_was_short", True)
            else:
                self.study.set_user_attr("width", width)
                return cohort
        raise SweepError(
            "device: must hold one lane, got out of memory with a single one."
            " Use a smaller model or batch_size"
        )

    def _take(self, report: Report) -> bool:
        """Pass a report on; return whether its trial has ended."""
        trial = report.trial
        assert isinstance(trial, int | str)
        self.epochs[trial] = report.epoch
        pruned = (
            isinstance(trial, int)
            and report.loss is not None
            and self.search.report(trial, report.epoch, report.loss)
        )
        if not report.ended and not pruned:
            return False
        params = self.running.pop(trial)
        if isinstance(trial, str):
            self._keep_control(trial, params, report)
        elif report.result is not None:
            self._tell(trial, params, report.result)
        elif report.diverged is not None:
            self.search.tell_diverged(trial, report.diverged)
        else:
            self.cohort.stop(trial)
            self.search.tell(trial, TrialState.PRUNED, None, {"outcome": "ok"})
        return True

    def _tell(self, number: int, params: Params, result: Measures) -> None:
        value, attrs = valued(self.plan, params, result)
        self.search.tell(number, TrialState.COMPLETE, value, attrs)
        self.standing.add(Completed(number, params, value, attrs["value_se"]))

    def _keep_control(self, name: str, params: Params, report: Report) -> None:
        if report.result is None:
            content: dict[str, Any] = {"outcome": "diverged", "reason": report.diverged}
        else:
            value, attrs = valued(self.plan, params, report.result)
            content = {"value": value, **attrs}
        self.controls.store(name, {**content, "params": params})

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

    def _progress(self) -> Progress:
        spec, done, span = self.plan.spec, self.search.n_results, self.widening.span
        epochs = sum(self.epochs[trial] for trial in self.running if isinstance(trial, int))
        fraction = (done + epochs / spec.training.epochs) / spec.search.n_trials
        return Progress(
            done, spec.search.n_trials, min(1.0, fraction), self.standing.best, spec.strength,
            (span.low, span.high), self.standing.curve,
        )  # fmt: skip
