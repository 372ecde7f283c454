"""The one place that chooses the engine of a study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sweep.engines.base import Engine
from sweep.engines.fork import Leader, cores
from sweep.engines.local import ThisProcess
from sweep.engines.processes import Processes
from sweep.engines.ray_engine import RayEngine
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec


@contextmanager
def hired(spec: StudySpec, leader: Leader | None = None) -> Iterator[Engine]:
    """Return an engine that plans the study, and trains it on every core that it may use.

    At the end of the block no process that it started is left.

    Args:
        spec: the study.
        leader: the first worker, if it is there already.

    Raises:
        UsageError: there is no such cluster as the study file names.
        SweepError: a worker has ended.
    """
    is_ray = spec.engine.kind == "ray"
    if leader and (is_ray or not _wants_workers(spec)):
        leader.end(at_once=True)
    if not is_ray and not _wants_workers(spec):
        yield ThisProcess(spec)
        return
    engine = RayEngine(spec) if is_ray else Processes(spec, leader or Leader())
    try:
        engine.begin()
        yield engine
    finally:
        engine.end()


def who_trains(plan: Outline) -> str:
    """Say which processes would train a study, as `sweep validate` shows it."""
    if plan.spec.engine.kind == "ray":
        lanes = plan.spec.engine.lanes
        return f"Ray actors, {plan.width if lanes == 'auto' else lanes} lanes each"
    if not _wants_workers(plan.spec):
        return "this process"
    lanes = -(-plan.width // plan.workers)
    return f"{plan.workers} forked worker{'s' * (plan.workers > 1)}, {lanes} lanes each"


def _wants_workers(spec: StudySpec) -> bool:
    """Tell whether more than one core trains."""
    n_cores, asked = cores(), spec.training.workers
    return bool(n_cores) and (n_cores if asked == "auto" else asked) != 1
