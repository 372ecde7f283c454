"""The parts of a running service, put together once."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweep.errors import SweepError
from sweep.service.answers import Me
from sweep.service.auth import Door
from sweep.service.database import Database
from sweep.service.jobs import Queue
from sweep.service.metrics import Metrics
from sweep.service.policy import Policy
from sweep.service.problems import Problem
from sweep.service.rates import Rates
from sweep.service.serve_config import ServeConfig
from sweep.service.stream import Watch
from sweep.service.tokens import Identity, Tokens


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
    """

    config: ServeConfig
    origin: str
    database: Database
    queue: Queue
    watch: Watch
    door: Door
    metrics: Metrics

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
        gauges = Gauges(queue, rates)
        return cls(config, origin, database, queue, watch, door, Metrics(gauges.read))

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
        given = [self.config.data] if self.config.data else []
        return Policy((self.uploads(project), *given), self.config.modules)

    def uploads(self, project: str) -> Path:
        """Return the folder of a project's uploaded files."""
        return self.config.folder / "data" / project

    def me(self, identity: Identity) -> Me:
        """Return what a user may know of himself and of the service."""
        folder = self.config.modules
        modules = sorted(path.stem for path in folder.glob("*.py")) if folder else []
        return Me.of(identity, modules, self.config.limits.model_dump(mode="json"))

    @property
    def reports(self) -> Path:
        """Where drawn reports are kept."""
        return self.config.folder / "reports"

    def failing(self) -> Mapping[str, str]:
        """Name each part that does not work, and why."""
        found = {}
        try:
            self.database.check()
        except SweepError as error:
            found["database"] = str(error)
        if self.disk_is_full():
            found["disk"] = f"less than {self.config.limits.disk_bytes} bytes free"
        return found

    def disk_is_full(self) -> bool:
        """Tell whether there is less free disk than studies need."""
        folder = next(p for p in (self.config.folder, *self.config.folder.parents) if p.exists())
        return shutil.disk_usage(folder).free < self.config.limits.disk_bytes


class Gauges:
    """What a monitor reads of the queue and the streams."""

    def __init__(self, queue: Queue, rates: Rates) -> None:
        self._queue, self._rates = queue, rates

    def read(self) -> Mapping[str, float | Mapping[str, float]]:
        """Return name to value."""
        return {
            "sweep_jobs": {state: float(n) for state, n in self._queue.counts().items()},
            "sweep_sse_open": float(self._rates.n_streams),
        }
