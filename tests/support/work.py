"""Supervisors as processes of their own, for tests that kill, stop and restart them.

python -m tests.support.work '{"database": …, "folder": …, …}'      # runs one until a signal
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import optuna

from sweep.service.claims import Claims, Limits, Pace
from sweep.service.database import Database
from sweep.service.events import Event, Events
from sweep.service.job import Job, Submission
from sweep.service.jobs import Queue
from sweep.service.supervisor import Setup, Supervisor
from sweep.storage.engine import open_storage
from sweep.storage.process import Process

T = TypeVar("T")

FAST = {"retry_s": 0.2, "cancel_s": 3.0}
OVERRIDES = {"device": "cpu", "training.workers": 1}
PATIENCE_S = 300.0


def main(told: dict[str, Any]) -> None:
    claims = Claims(Database.open(told["database"]), Pace(**told["pace"]))
    setup = Setup(
        Path(told["folder"]), {"vision": told["storage"]}, OVERRIDES, told["memory_bytes"]
    )
    supervisor = Supervisor(claims, setup, Limits(**told["limits"]))
    supervisor.run(_never)


def _never(pause_s: float) -> bool:
    time.sleep(pause_s / 5)
    return False


@dataclass
class Stage:
    """A queue, the supervisors that tests have started, and what they left behind."""

    url: str
    folder: Path
    pace: dict[str, float] = field(default_factory=lambda: dict(FAST))
    limits: dict[str, int] = field(default_factory=lambda: {"running": 2, "per_project": 2})
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        self.database = Database.open(self.url)
        self.queue, self.claims = Queue(self.database), Claims(self.database)
        self.supervisors: list[subprocess.Popen[bytes]] = []
        self.pids: set[tuple[int, str]] = set()
        self.storage = f"sqlite:///{self.folder}/studies.db"

    def supervise(self, *before: str, folder: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a supervisor; `before`: words of the command before it."""
        told = {
            "database": self.url, "folder": str(folder or self.folder / "jobs"),
            "storage": self.storage, "pace": self.pace, "limits": self.limits,
            "memory_bytes": self.memory_bytes,
        }  # fmt: skip
        command = [*before, sys.executable, "-m", "tests.support.work", json.dumps(told)]
        with (self.folder / "supervisors.log").open("ab") as log:
            made = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.supervisors.append(made)
        return made

    def submit(self, body: str, **options: Any) -> Job:
        given: dict[str, Any] = {"folder": str(self.folder), **options}
        return self.queue.submit(Submission.read("vision", "alice", body, **given))[0]

    def job(self, name: str) -> Job:
        job = self.queue.find("vision", name)
        if job.state == "running":
            self.pids.add((job.pid, job.started))
        return job

    def wait(self, name: str, *states: str, patience_s: float = PATIENCE_S) -> Job:
        """Wait until a study is in one of these states."""

        def there() -> Job | None:
            job = self.job(name)
            return job if job.state in states else None

        return self.until(there, f"{name} is {states}", patience_s)

    def wait_for_results(self, name: str, n_results: int = 2) -> Job:
        """Wait until a running study has told of some results."""

        def there() -> Job | None:
            job = self.job(name)
            return job if (job.progress or {}).get("n_results", 0) >= n_results else None

        return self.until(there, f"{name} has {n_results} results")

    def until(self, there: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if (found := there()) is not None:
                return found
            time.sleep(0.1)
        raise AssertionError(f"not in {patience_s} s: {what}\n{self.report()}")

    def report(self) -> str:
        """Return all that is known, for a test that failed."""
        jobs = [str(job) for job in self.queue.list().items]
        logs = [path.read_text() for path in self.folder.rglob("*log") if path.is_file()]
        return "\n".join([*jobs, *logs])

    def events(self, job: Job) -> list[Event]:
        return Events(self.database).since(job.id, limit=100_000)

    def states(self, job: Job) -> list[str]:
        return [event.data["state"] for event in self.events(job) if event.kind == "state"]

    def close(self) -> None:
        """End every process that was started, by its number."""
        with suppress(Exception):
            for job in self.queue.list().items:
                self.job(job.study_name)
        for supervisor in self.supervisors:
            supervisor.send_signal(signal.SIGCONT)
            supervisor.kill()
            supervisor.wait()
        for pid, started in self.pids:
            if Process.of(pid).started == started:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        self.database.close()


def table(url: str, name: str) -> list[tuple[Any, ...]]:
    """Return number, state, params, value, curve and attributes of a study's trials.

    How often a trial was cut off is left out.
    """
    storage = open_storage(url, read_only=True)
    try:
        trials = optuna.load_study(study_name=name, storage=storage).trials
    finally:
        storage.engine.dispose()
    return [
        (
            trial.number, trial.state, trial.params, trial.values, trial.intermediate_values,
            {key: value for key, value in trial.user_attrs.items() if key != "attempts"},
        )
        for trial in trials
    ]  # fmt: skip


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
