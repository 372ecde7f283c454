"""The parts of a running service, put together once."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from sweep.errors import SweepError
from sweep.service.answers import Me
from sweep.service.auth import Door
from sweep.service.claims import Claims, Limits
from sweep.service.database import JOBS, Database
from sweep.service.job import STATES, Job
from sweep.service.jobs import Queue
from sweep.service.metrics import Metrics
from sweep.service.policy import Policy
from sweep.service.problems import Problem
from sweep.service.rates import Rates
from sweep.service.serve_config import ServeConfig
from sweep.service.sources import place
from sweep.service.stream import Watch
from sweep.service.supervisor import Setup, Supervisor
from sweep.service.tokens import Identity, Tokens
from sweep.storage.lease import now

LATE_S = 30.0  # a supervisor that was not seen for so long is taken for dead
GPU = Path("/dev/nvidiactl")


@dataclass
class Service:
    """What the routes use.

    Attributes:
        config: as it was started.
        origin: the service's own, as browsers name it.
        database: queue, tokens and events.
        queue: the studies.
        watch: wakes the streams of events.
        door: who may ask what.
        metrics: for monitors.
        supervisor: begins and ends the studies' processes.
    """

    config: ServeConfig
    origin: str
    database: Database
    queue: Queue
    watch: Watch
    door: Door
    metrics: Metrics
    supervisor: Supervisor

    @classmethod
    def open(cls, config: ServeConfig, port: int) -> Service:
        """Open the database and put the parts together; `port`: that the service listens on.

        Raises:
            StorageError: the database will not do.
        """
        database = Database.open(config.database)
        queue, watch = Queue(database, config.limits.queued), Watch(database)
        rates = Rates(config.limits.requests_per_minute, config.limits.streams)
        origin = config.origin(port)
        everyone = None
        if config.auth == "none":
            everyone = Identity("local", next(iter(config.storages)), "admin")
        door = Door(Tokens(database), rates, origin, everyone)
        supervisor = Supervisor(
            Claims(database), _setup(config), Limits(config.max_running, config.limits.running)
        )
        gauges = Gauges(queue, rates, supervisor)
        metrics = Metrics(gauges.read)
        return cls(config, origin, database, queue, watch, door, metrics, supervisor)

    @property
    def setup(self) -> Setup:
        """Where and how the studies' processes run."""
        return self.supervisor.setup

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def storage(self, project: str) -> str:
        """Return the URL of a project's storage; raises Problem 404 where it is gone."""
        try:
            return self.config.storages[project]
        except KeyError:
            line = f"project: must be one of the service, got {project}. Ask who runs it"
            raise Problem(404, line) from None

    def policy(self, project: str) -> Policy:
        """Return what studies of a project may use."""
        return _policy(self.config, project)

    def uploads(self, project: str) -> Path:
        """Return the folder of a project's uploaded files."""
        return _uploads(self.config, project)

    def me(self, identity: Identity) -> Me:
        """Return what a user may know of himself and of the service."""
        folder = self.config.modules
        modules = sorted(path.stem for path in folder.glob("*.py")) if folder else []
        return Me.of(identity, modules, self.config.limits.model_dump(mode="json"))

    @property
    def reports(self) -> Path:
        """Where drawn reports are kept."""
        return self.config.folder / "reports"

    def storage_of(self, job: Job) -> str:
        """Return the URL of the storage with a study's trials."""
        return job.storage or self.storage(job.project)

    def failing(self) -> Mapping[str, str]:
        """Name each part that does not work, and why."""
        found = {}
        try:
            self.database.check()
        except SweepError as error:
            found["database"] = str(error)
        if self.disk_is_full():
            found["disk"] = f"less than {self.config.limits.disk_bytes} bytes free"
        if (age_s := beat_age_s(self.supervisor)) > LATE_S:
            found["supervisor"] = self.supervisor.trouble or f"not seen for {age_s:.0f} s"
        return found

    def disk_is_full(self) -> bool:
        """Tell whether there is less free disk than studies need."""
        folder = next(p for p in (self.config.folder, *self.config.folder.parents) if p.exists())
        return shutil.disk_usage(folder).free < self.config.limits.disk_bytes


def _policy(config: ServeConfig, project: str) -> Policy:
    given = [config.data] if config.data else []
    return Policy((_uploads(config, project), *given), config.modules)


def _uploads(config: ServeConfig, project: str) -> Path:
    return config.folder / "data" / project


def _setup(config: ServeConfig) -> Setup:
    def prepare(job: Job, folder: Path) -> None:
        policy = _policy(config, job.project)
        place(job.spec, folder, policy.folders, policy.modules)

    # A GPU's driver maps more addresses than there is memory.
    unbounded = config.device != "cpu" and GPU.exists()
    return Setup(
        config.folder.absolute(), config.storages, {"device": config.device},
        None if unbounded else config.limits.memory_bytes, prepare=prepare,
    )  # fmt: skip


def beat_age_s(supervisor: Supervisor) -> float:
    """Return how long ago the supervisor last went through the whole queue."""
    return time.monotonic() - supervisor.beat_at


class Gauges:
    """What a monitor reads of the queue, the streams and the supervisor."""

    def __init__(self, queue: Queue, rates: Rates, supervisor: Supervisor) -> None:
        self._queue, self._rates, self._supervisor = queue, rates, supervisor

    def read(self) -> Mapping[str, float | Mapping[str, float]]:
        """Return name to value."""
        counts = self._queue.counts()
        query = select(JOBS.c.progress, JOBS.c.attempts)
        with self._queue.database.reading() as connection:
            rows = connection.execute(query).all()
            waits = select(now(connection) - func.min(JOBS.c.queued))
            wait_s = connection.execute(waits.where(JOBS.c.state == "queued")).scalar()
        results = [json.loads(progress)["n_results"] for progress, _ in rows if progress]
        return {
            "sweep_jobs": {state: float(counts.get(state, 0)) for state in STATES},
            "sweep_trials": float(sum(results)),
            "sweep_child_restarts": float(sum(max(0, attempts - 1) for _, attempts in rows)),
            "sweep_queue_wait_seconds": float(wait_s or 0.0),
            "sweep_sse_open": float(self._rates.n_streams),
            "sweep_supervisor_beat_age_seconds": beat_age_s(self._supervisor),
        }
