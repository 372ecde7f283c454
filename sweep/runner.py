"""Run a study: trials from the search into the cohort, results back into the storage."""

from __future__ import annotations

import ctypes
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import optuna
import torch
from optuna.study import StudyDirection
from optuna.trial import TrialState

from sweep.cohort import Cohort, Report
from sweep.data import Problem
from sweep.database import rename_study
from sweep.errors import SweepError, UsageError
from sweep.lanes import Measures
from sweep.plan import Plan, make_plan
from sweep.search import Search, is_result, make_pruner, make_sampler, make_space
from sweep.spec import StudySpec
from sweep.stats import standard_error
from sweep.storage import MirroredStorage

HEARTBEAT_S = 20.0  # a third of the lease
CURVE_LAG_S = 1.0  # how far the storage may lag behind in curves, never in results
BASELINE = "baseline"


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


Ending = Literal["done", "interrupted", "timeout"]


def run_study(
    spec: StudySpec,
    *,
    fresh: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Ending:
    """Run or resume a study until it has `n_trials` results.

    Args:
        spec: the study.
        fresh: start over; an older study of this name is kept as `<name>-<date>`.
        on_progress: called after every epoch, when what it tells is safely stored.
        should_stop: asked after every epoch; True ends the run after a clean save.

    Raises:
        UsageError: the study, its data or its model is not usable, or the storage holds
            another study under this name.
        SweepError: another process runs this study, or the storage failed for good.
    """
    _use_one_thread()
    _keep_freed_memory()
    plan = make_plan(spec)
    sampler = make_sampler(spec.search.sampler)
    pruner = make_pruner(spec.search.pruner, spec.training.epochs)
    if fresh:
        kept = f"{spec.study_name}-{datetime.now():%Y%m%d-%H%M%S}"
        rename_study(spec.storage, spec.study_name, kept)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every study it makes
    try:
        storage = MirroredStorage.open(spec.storage, spec.study_name)
        try:
            study = optuna.create_study(
                storage=storage, study_name=spec.study_name, direction="minimize",
                sampler=sampler, pruner=pruner, load_if_exists=True,
            )  # fmt: skip
            return _run(_settle(plan, study), storage, study, on_progress, should_stop)
        finally:
            storage.close()
    finally:
        optuna.logging.set_verbosity(verbosity)


def _run(
    plan: Plan, storage: MirroredStorage, study: optuna.Study,
    on_progress: Callable[[Progress], None], should_stop: Callable[[], bool],
) -> Ending:  # fmt: skip
    storage.reconcile(study._study_id)
    n_results = sum(map(is_result, study.get_trials(deepcopy=False)))
    if n_results < plan.spec.search.n_trials:  # from which others tell the rate
        began = datetime.now(UTC).isoformat()
        study.set_user_attr("run", {"began": began, "n_results": n_results})
    try:
        with _heartbeat(storage):
            return _Runner(plan, storage, study).run(on_progress, should_stop)
    finally:
        storage.requeue(study._study_id)


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


def _use_one_thread() -> None:
    """Train on one CPU thread unless the user asked for more.

    A step is many short operations: on cores that have other work, threads wait for each
    other at every one of them, and two were nearly twice as slow as one.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def _keep_freed_memory() -> None:
    """Keep glibc from handing freed blocks back to the system between steps.

    A step's temporaries would be mapped anew in the next step, at hundreds of page faults
    each time: up to a third of a step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:  # glibc; the numbers are of its malloc.h
        trim_threshold, mmap_threshold = -1, -3
        mallopt(trim_threshold, 1 << 30)
        mallopt(mmap_threshold, 32 << 20)


def _settle(plan: Plan, study: optuna.Study) -> Plan:
    """Compare the plan with what the study was begun with; take over range and width."""
    attrs, spec = study.user_attrs, plan.spec
    if "spec" in attrs:
        _refuse_changes(plan, attrs)
        low, high = attrs["alpha_range"]
        width = attrs.get("width", plan.width)  # stored when the lanes are made
        plan = replace(plan, low=low, high=high, width=width, alpha_max=attrs["alpha_max"])
    elif study.get_trials(deepcopy=False) or study.direction != StudyDirection.MINIMIZE:
        raise UsageError(
            f"study_name: must be new or a study of sweep's, got {spec.study_name}, which another"
            f" program made ({spec.storage}). Use another name, or --fresh"
        )
    study.set_user_attr("spec", spec.model_dump(mode="json"))
    study.set_user_attr("spec_hash", spec.spec_hash)
    study.set_user_attr("data_hash", plan.dataset.content_hash)
    study.set_user_attr("alpha_max", plan.alpha_max)
    study.set_user_attr("alpha_range", [plan.low, plan.high])
    study.set_user_attr("problem", plan.about)
    return plan


def _refuse_changes(plan: Plan, attrs: dict[str, Any]) -> None:
    old = StudySpec.model_validate_json(json.dumps(attrs["spec"])).identity
    changes = [
        f"{key} was {before!r}, is {now!r}"
        for key, before, now in _differences(old, plan.spec.identity)
    ]
    if attrs.get("data_hash") != plan.dataset.content_hash:
        changes.append("the data are other rows")
    if attrs.get("problem", {}).get("model_hash") != plan.about["model_hash"]:
        changes.append("the model's file has other content")
    if changes:
        raise UsageError(
            f"study_name: the study {plan.spec.study_name} exists with another spec: "
            f"{'; '.join(changes)} ({plan.spec.storage}). Use another study_name, or --fresh"
        )


def _differences(old: Any, new: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    """List the dotted keys at which two trees differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            found
            for name in dict.fromkeys([*old, *new])
            for found in _differences(old.get(name), new.get(name), f"{key}.{name}".lstrip("."))
        ]
    return [] if old == new else [(key, old, new)]


class _Runner:
    """The loop of one run."""

    def __init__(self, plan: Plan, storage: MirroredStorage, study: optuna.Study):
        self.plan, self.storage, self.study = plan, storage, study
        space = make_space(plan.spec, plan.low, plan.high)
        self.search = Search(storage, study, plan.spec, space, plan.spec.training.epochs)
        self.cohort = self._make_cohort(plan.width)
        self.running: dict[int | str, dict[str, float]] = {}
        self.epochs: dict[int | str, int] = {}
        self.best = self._best_so_far()
        self._flushed = time.monotonic()

    def run(
        self, on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> Ending:
        deadline = time.monotonic() + (self.plan.spec.search.timeout_s or float("inf"))
        while True:
            if should_stop():
                return "interrupted"
            late = time.monotonic() > deadline
            self._fill(asking=not late)
            if not self.running:
                return "timeout" if self.search.wanted else "done"
            told = [self._take(report) for report in self._advance()]
            if any(told) or time.monotonic() - self._flushed > CURVE_LAG_S:
                self.storage.flush(durable=any(told))
                self._flushed = time.monotonic()
            on_progress(self._progress())

    def _fill(self, asking: bool) -> None:
        """Put trials, and the control when it is due, into free slots."""
        if self.cohort.free and (params := self._due_baseline()) is not None:
            self._start(BASELINE, params)
        while asking and self.cohort.free and self.search.ready:
            number, params = self.search.ask()
            self._start(number, params)

    def _due_baseline(self) -> dict[str, float] | None:
        """Return the α = 0 control's params when it should start now.

        With more params than the strength it is trained at those of the best trial, so last.
        """
        if BASELINE in self.running or BASELINE in self.study.user_attrs:
            return None
        others: dict[str, float] = {}
        if len(make_space(self.plan.spec, self.plan.low, self.plan.high)) > 1:
            if self.running or self.search.ready or self.best is None:
                return None
            others = self.best.params
        return {**others, self.plan.spec.strength: 0.0}

    def _start(self, trial: int | str, params: dict[str, float]) -> None:
        self.running[trial], self.epochs[trial] = params, 0
        self.cohort.start(trial, self.plan.setting(params))

    def _advance(self) -> list[Report]:
        """Train an epoch; where memory does not suffice, begin again at half the width."""
        try:
            return self.cohort.advance()
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
        # Outside the handler: the exception held the failed step's tensors.
        width = self.cohort.width
        del self.cohort
        self.cohort = self._make_cohort(width // 2)
        for trial in self.running:
            if isinstance(trial, int):
                self.search.give_back(trial)
        self.running.clear()
        return []

    def _make_cohort(self, width: int) -> Cohort:
        """Make a cohort of `width` lanes, or of half as many until there is memory for it."""
        plan = self.plan
        while width:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            try:
                cohort = Cohort(plan.problem, plan.factory, plan.recipe, width)
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                width //= 2
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
            if number is None:
                content = {"outcome": "diverged", "reason": report.diverged, "params": params}
                self.study.set_user_attr(BASELINE, content)
            else:
                self.search.tell_diverged(number, report.diverged or "")
            return
        value, attrs = describe(self.plan, params, report.result)
        if number is None:
            self.study.set_user_attr(BASELINE, {"value": value, **attrs, "params": params})
            return
        self.search.tell(number, TrialState.COMPLETE, value, attrs)
        if self.best is None or value < self.best.value:
            self.best = Best(number, params, value, attrs["value_se"])

    def _best_so_far(self) -> Best | None:
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not trials:
            return None
        best = min(trials, key=lambda t: t.value)  # type: ignore[arg-type, return-value]
        assert best.value is not None
        return Best(best.number, best.params, best.value, best.user_attrs.get("value_se"))

    def _progress(self) -> Progress:
        n_trials, epochs = self.plan.spec.search.n_trials, self.plan.spec.training.epochs
        under_way = sum(self.epochs[t] / epochs for t in self.running if t != BASELINE)
        done = self.search.n_results
        return Progress(done, n_trials, min(1.0, (done + under_way) / n_trials), self.best)


def describe(
    plan: Plan, params: dict[str, float], result: Measures
) -> tuple[float, dict[str, Any]]:
    """Return a trial's value and its attributes, both terms of the objective among them."""
    spec, problem = plan.spec, plan.problem
    values = result.val_loss if spec.objective.metric == "val_loss" else 1 - result.val_score
    size = float(result.norm.mean())
    attrs = {
        "value_se": standard_error(values, spec.replicates.n_folds),
        "replicate_values": values.tolist(),
        "train_loss": float(result.train_loss.mean()),
        _score_name(problem): float(result.val_score.mean()),
        "norm": size,
        "penalty": params[spec.strength] * size,
        "sparsity": float(result.sparsity.mean()),
        "outcome": "collapsed" if (result.sparsity == 1).all() else "ok",
    }
    if spec.data.label_noise:
        attrs["train_loss_clean"] = float(result.train_loss_clean.mean())
    if spec.strength == "weight_decay":
        del attrs["penalty"]  # decoupled decay is no term of the loss
    return float(values.mean()), attrs


def _is_out_of_memory(error: BaseException) -> bool:
    """Tell an allocation that failed; on the CPU torch raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "t allocate" in str(error)


def _score_name(problem: Problem) -> str:
    return "val_r2" if problem.task == "regression" else "val_accuracy"
