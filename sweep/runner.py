"""Run a study: trials from the search into the cohort, results back into the storage."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import optuna
from optuna.trial import TrialState

from sweep.controls import Controls
from sweep.crew import Crew, Team, hired
from sweep.database import rename_study
from sweep.errors import SweepError
from sweep.machine import is_out_of_memory
from sweep.outline import Outline
from sweep.ranges import EVERY, may_widen, new_points, widened
from sweep.reports import Measures, Report
from sweep.search import (
    Params,
    Search,
    Space,
    check_search,
    is_result,
    make_pruner,
    make_sampler,
    make_space,
    rank,
)
from sweep.settle import settle
from sweep.spec import StudySpec
from sweep.stats import standard_error
from sweep.storage import MirroredStorage

if TYPE_CHECKING:
    from sweep.cohort import Cohort

HEARTBEAT_S = 20.0  # a third of the lease
CURVE_LAG_S = 1.0  # how far the storage may lag behind in curves, never in results
PUBLISH_S = 5.0  # between two publications of a running study's results
PUBLISH_SHARE = 0.01  # of the time, at most


@dataclass(frozen=True)
class Best:
    """The best trial so far."""

    number: int
    params: dict[str, float]
    value: float
    value_se: float | None


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    n_results: int
    n_trials: int
    fraction: float  # of all epochs of all trials
    best: Best | None
    strength: str
    span: tuple[float, float]  # the range searched at present
    curve: Sequence[tuple[float, float]]  # strength and value of every COMPLETE trial


T = TypeVar("T")
Ending = Literal["done", "interrupted", "timeout"]


def run_study(
    spec: StudySpec,
    *,
    crew: Crew | None = None,
    fresh: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    publish: Callable[[optuna.Study], None] = lambda _: None,
) -> Ending:
    """Run or resume a study until it has `n_trials` results.

    Args:
        spec: the study.
        crew: who trains it; hired here if not before.
        fresh: start over; an older study of this name is kept as `<name>-<date>`.
        on_progress: called after every epoch, when what it tells is safely stored.
        should_stop: asked after every epoch; True ends the run after a clean save.
        publish: called with the study every few seconds while results come in, and at the
            end; may set the study's attributes.

    Raises:
        UsageError: the study, its data or its model is not usable, or the storage holds
            another study under this name.
        SweepError: another process runs this study, or the storage failed for good.
    """
    with nullcontext(crew) if crew else hired(spec) as crew:
        return _run(spec, crew, fresh, on_progress, should_stop, publish)


def _run(
    spec: StudySpec, crew: Crew, fresh: bool,
    on_progress: Callable[[Progress], None], should_stop: Callable[[], bool],
    publish: Callable[[optuna.Study], None],
) -> Ending:  # fmt: skip
    plan = crew.outline
    check_search(spec, (plan.span.low, plan.span.high))
    if fresh:
        kept = f"{spec.study_name}-{datetime.now():%Y%m%d-%H%M%S}"
        rename_study(spec.storage, spec.study_name, kept)
    with _quiet_optuna(), closing(MirroredStorage.open(spec.storage, spec.study_name)) as storage:
        study = optuna.create_study(
            storage=storage, study_name=spec.study_name, direction="minimize",
            sampler=make_sampler(spec.search.sampler),
            pruner=make_pruner(spec.search.pruner, spec.training.epochs), load_if_exists=True,
        )  # fmt: skip
        plan = settle(plan, study)
        storage.reconcile(study._study_id)
        n_results = sum(map(is_result, study.get_trials(deepcopy=False)))
        if n_results < spec.search.n_trials:  # from which others tell the rate
            began = datetime.now(UTC).isoformat()
            study.set_user_attr("run", {"began": began, "n_results": n_results})
        try:
            with _heartbeat(storage):
                runner = _Runner(plan, storage, study, crew)
                ending = runner.run(on_progress, should_stop, publish)
                publish(study)
                return ending
        finally:
            storage.requeue(study._study_id)


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Let Optuna not tell of every study that it makes."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


@contextmanager
def _heartbeat(storage: MirroredStorage) -> Iterator[None]:
    """Renew the lease from a thread of its own: one epoch may take longer than the lease lasts."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_S):
            with suppress(SweepError):  # the loop's next flush meets it too, and says so
                storage.flush()

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _Runner:
    """The loop of one run."""

    def __init__(self, plan: Outline, storage: MirroredStorage, study: optuna.Study, crew: Crew):
        self.crew = crew
        self.plan, self.storage, self.study, self.span = plan, storage, study, plan.span
        self.widenings: list[dict[str, Any]] = study.user_attrs.get("widenings", [])
        space = self._space()
        self.search = Search(storage, study, plan.spec, space, plan.spec.training.epochs)
        for move in self.widenings:
            self._look_further(move)
        self.controls = Controls(study, plan.spec, len(space))
        self.cohort = self._make_cohort(plan.width)
        self.running: dict[int | str, Params] = {}
        self.asked: deque[tuple[int, Params]] = deque()  # that have no slot yet
        self.epochs: dict[int | str, int] = {}
        self.best, self.curve = self._results_so_far()
        self._flushed = time.monotonic()
        self._publish_at = self._flushed + PUBLISH_S

    def run(
        self,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
        publish: Callable[[optuna.Study], None],
    ) -> Ending:
        deadline = time.monotonic() + (self.plan.spec.search.timeout_s or float("inf"))
        ended: list[bool] = []  # of the trials that reported last
        while True:
            self._fill(asking=time.monotonic() <= deadline)
            if self.running and not self._launch():
                continue
            if ended:  # A GPU, or the workers, train meanwhile.
                self._store(any(ended), publish)
                on_progress(self._progress())
            if not self.running:
                return "timeout" if self.search.wanted else "done"
            if should_stop():
                return "interrupted"
            self._ask_ahead(deadline)
            ended = [self._take(report) for report in self._advance()]

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

    def _space(self) -> Space:
        return make_space(self.plan.spec, self.span.low, self.span.high)

    def _fill(self, asking: bool) -> None:
        """Put controls that are due, and trials, into free slots."""
        while self.asked and not asking:
            self.search.give_back(self.asked.popleft()[0])
        searching = self.search.wanted or any(isinstance(key, int) for key in self.running)
        searching = searching or bool(self.asked)
        for key, params in self.controls.due(self.span, searching, self.running).items():
            if self.cohort.free:
                self._start(key, params)
        while self.cohort.free and (self.asked or (asking and self.search.ready)):
            self._start(*(self.asked.popleft() if self.asked else self._ask()))

    def _ask_ahead(self, deadline: float) -> None:
        """Ask for trials before there is a slot for them, where they depend on no later result.

        A few at a time, so that no epoch is kept waiting, and as many as there are slots by the
        time that all these trials end.
        """
        slots = self.cohort.n_slots
        for _ in range(-(-slots // self.plan.spec.training.epochs)):
            late = time.monotonic() > deadline
            if late or len(self.asked) >= slots or not self.search.ready:
                break
            self.asked.append(self._ask())

    def _ask(self) -> tuple[int, Params]:
        self._widen()
        return self.search.ask()

    def _widen(self) -> None:
        """Move an end of the range where the best strength lies at it, before the next ask.

        What is decided before ask k depends on the trials that ask k may know, and once
        decided it is stored: so the table of trials stays the same after any stop.
        """
        spec, number = self.plan.spec, self.search.new
        if not number or number % EVERY or not may_widen(spec):
            return
        if len(self.widenings) >= spec.search.widenings or any(
            move["at"] == number for move in self.widenings
        ):
            return
        known = self.search.known_to(number)
        # With more params the control comes after the search: whether it is known depends on
        # where the study was stopped before.
        baseline = self.controls.baseline if len(self._space()) == 1 else None
        wider = widened(spec, self.span, known, baseline)
        if wider is None:
            return
        move = {
            "at": number,
            "before": [self.span.low, self.span.high],
            "after": [wider.low, wider.high],
        }
        self.span, self.widenings = wider, [*self.widenings, move]
        # This first: whatever an interrupt cuts off after it is made up for at the next start.
        self.study.set_user_attr("widenings", self.widenings)
        self.study.set_user_attr("alpha_range", move["after"])
        self._look_further(move)
        self.storage.flush(durable=True)

    def _look_further(self, move: dict[str, Any]) -> None:
        points = [
            {self.plan.spec.strength: at} for at in new_points(move["before"], move["after"])
        ]
        self.search.widen(self._space(), dict(enumerate(points, move["at"])))

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
        """Train; where memory does not suffice, begin again at half the width."""
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
        if report.ended:
            params = self.running.pop(trial)
            self._end(trial, params, report)
            return True
        if not isinstance(trial, int) or report.loss is None:
            return False
        pruned = self.search.report(trial, report.epoch, report.loss)
        if pruned:
            self.cohort.stop(trial)
            del self.running[trial]
            self.search.tell(trial, TrialState.PRUNED, None, {"outcome": "ok"})
        return pruned

    def _end(self, trial: int | str, params: dict[str, float], report: Report) -> None:
        number = trial if isinstance(trial, int) else None
        if number is not None and report.loss is not None:
            self.search.report(number, report.epoch, report.loss)
        if report.result is None:
            if isinstance(trial, str):
                content = {"outcome": "diverged", "reason": report.diverged, "params": params}
                self.controls.store(trial, content)
            else:
                self.search.tell_diverged(trial, report.diverged or "")
            return
        value, attrs = describe(self.plan, params, report.result)
        if number is None:
            self.controls.store(str(trial), {"value": value, **attrs, "params": params})
            return
        self.search.tell(number, TrialState.COMPLETE, value, attrs)
        strength = self.plan.spec.strength
        self.curve.append((params[strength], value))
        order = (value, -params[strength])
        if self.best is None or order < (self.best.value, -self.best.params[strength]):
            self.best = Best(number, params, value, attrs["value_se"])

    def _results_so_far(self) -> tuple[Best | None, list[tuple[float, float]]]:
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        curve = [(t.params[self.plan.spec.strength], t.values[0]) for t in trials]
        best = min(trials, key=rank(self.plan.spec.strength), default=None)
        if best is None:
            return None, curve
        se = best.user_attrs.get("value_se")
        return Best(best.number, best.params, best.values[0], se), curve

    def _progress(self) -> Progress:
        n_trials, epochs = self.plan.spec.search.n_trials, self.plan.spec.training.epochs
        under_way = sum(self.epochs[t] / epochs for t in self.running if isinstance(t, int))
        done = self.search.n_results
        return Progress(
            done, n_trials, min(1.0, (done + under_way) / n_trials), self.best,
            self.plan.spec.strength, (self.span.low, self.span.high), self.curve,
        )  # fmt: skip


def describe(
    plan: Outline, params: dict[str, float], result: Measures
) -> tuple[float, dict[str, Any]]:
    """Return a trial's value and its attributes, both terms of the objective among them."""
    spec = plan.spec
    values = result.val_loss if spec.objective.metric == "val_loss" else 1 - result.val_score
    size = float(result.norm.mean())
    attrs = {
        "value_se": standard_error(values, spec.replicates.n_folds),
        "replicate_values": values.tolist(),
        "train_loss": float(result.train_loss.mean()),
        _score_name(plan.task): float(result.val_score.mean()),
        "norm": size,
        "penalty": params[spec.strength] * size,
        "sparsity": float(result.sparsity.mean()),
        "inputs_used": float(result.inputs_used.mean()),
        "weight_counts": result.weight_counts.sum(0).astype(int).tolist(),
        "outcome": "collapsed" if (result.sparsity == 1).all() else "ok",
    }
    if spec.data.label_noise:
        attrs["train_loss_clean"] = float(result.train_loss_clean.mean())
    if spec.strength == "weight_decay":
        del attrs["penalty"]  # decoupled decay is no term of the loss
    return float(values.mean()), attrs


def _score_name(task: str) -> str:
    return "val_r2" if task == "regression" else "val_accuracy"
