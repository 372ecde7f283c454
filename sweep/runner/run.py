"""Run a study: take its lease, settle its plan, train until it is done, leave it whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime

import optuna

from sweep.engines.base import Engine
from sweep.engines.hire import hired
from sweep.errors import SweepError
from sweep.runner import resume
from sweep.runner.loop import Ending, Loop
from sweep.runner.progress import Progress
from sweep.search.ask_tell import is_result
from sweep.search.samplers import check_search, make_pruner, make_sampler
from sweep.spec.attributes import RUN
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec
from sweep.storage import lease
from sweep.storage.engine import prepare, rename_study
from sweep.storage.mirror import MirroredStorage

HEARTBEAT_S = lease.LIFE_S / 3


def run_study(
    spec: StudySpec,
    *,
    engine: Engine | None = None,
    fresh: bool = False,
    on_plan: Callable[[Outline], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
    publish: Callable[[optuna.Study], None] = lambda _: None,
) -> Ending:
    """Run or resume a study until it has `n_trials` results.

    Args:
        spec: the study.
        engine: who trains it; hired here if not before.
        fresh: start over; an older study of this name is kept as `<name>-<date>`.
        on_plan: called with the plan, before anything is trained.
        on_progress: called after every epoch, when what it tells is safely stored.
        should_stop: asked after every epoch; True ends the run after a clean save.
        publish: called with the study every few seconds while results come in, and at the
            end; may set the study's attributes.

    Raises:
        UsageError: the study, its data or its model is not usable, or the storage holds
            another study under this name.
        SweepError: another process runs this study, or the storage failed for good.
    """
    with nullcontext(engine) if engine else hired(spec) as engine:
        return _run(spec, engine, fresh, on_plan, on_progress, should_stop, publish)


def _run(
    spec: StudySpec, engine: Engine, fresh: bool,
    on_plan: Callable[[Outline], None], on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool], publish: Callable[[optuna.Study], None],
) -> Ending:  # fmt: skip
    prepare(spec.storage)
    plan = engine.resolve()
    check_search(spec, (plan.span.low, plan.span.high))
    if fresh:
        kept = f"{spec.study_name}-{datetime.now():%Y%m%d-%H%M%S}"
        rename_study(spec.storage, spec.study_name, kept)
    with _quiet_optuna(), closing(MirroredStorage.open(spec.storage, spec.study_name)) as storage:
        study = _study(spec, storage)
        if resume.has_nothing_to_keep(plan, storage, study):
            storage.delete_study(study._study_id)
            study = _study(spec, storage)
        plan = resume.settle(plan, study)
        spec = plan.spec
        study.sampler = make_sampler(spec.search.sampler, spec.seed)
        resume.reconcile(storage, study._study_id)
        n_results = sum(map(is_result, study.get_trials(deepcopy=False)))
        if n_results < spec.search.n_trials:  # others compute the rate from it
            began = datetime.now(UTC).isoformat()
            study.set_user_attr(RUN, {"began": began, "n_results": n_results})
        on_plan(plan)
        try:
            with _heartbeat(storage):
                ending = Loop(plan, storage, study, engine).run(on_progress, should_stop, publish)
                engine.dismiss()  # they take their time to end
                publish(study)
                return ending
        finally:
            resume.requeue(storage, study._study_id)


def _study(spec: StudySpec, storage: MirroredStorage) -> optuna.Study:
    """Load the study, or create it."""
    return optuna.create_study(
        storage=storage, study_name=spec.study_name, direction=spec.objective.study_direction,
        pruner=make_pruner(spec.search.pruner, spec.training.epochs), load_if_exists=True,
    )  # fmt: skip


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep Optuna from logging every study that it makes."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


@contextmanager
def _heartbeat(storage: MirroredStorage) -> Iterator[None]:
    """Renew the lease in a thread: one epoch may take longer than a lease lasts."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_S):
            with suppress(
                SweepError, KeyboardInterrupt
            ):  # the loop's next flush meets it too, and says so
                storage.flush()

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=1)  # it may wait for a database that never answers
