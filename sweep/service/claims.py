"""The queue as those see it who run its studies: claim one, tell how it goes, end it.

A claim is a lease: a secret token with an expiry, which the run renews. Whoever writes about a run
names its token; where the table has another one by now, nothing is written (a fence). How many
studies run is counted from leases that live, never from a state.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, select

from sweep.service import events, rows
from sweep.service.database import JOBS, Database
from sweep.service.events import Kind
from sweep.service.job import LIVES, FencedError, Job, State
from sweep.storage import lease
from sweep.storage.lease import now
from sweep.storage.process import Process


@dataclass(frozen=True)
class Limits:
    """How many studies run at a time.

    Attributes:
        running: on this machine.
        per_project: of one project, on all machines.
    """

    running: int = 2
    per_project: int = 2


@dataclass(frozen=True)
class Pace:
    """How long is waited, in seconds.

    Attributes:
        life_s: how long a claim holds that is not renewed.
        retry_s: before a run that crashed is begun again; four times as long every time.
        retries: how often it is begun again.
        cancel_s: between asking a run to end and ending it by force.
        overtime_s: how much longer than its `search.timeout_s` a run may take altogether.
    """

    life_s: float = lease.LIFE_S
    retry_s: float = 10.0
    retries: int = 3
    cancel_s: float = 30.0
    overtime_s: float = 600.0


How = Literal[
    "done",  # all trials are there
    "timeout",  # `search.timeout_s` is over
    "interrupted",  # somebody ended the process in good order
    "elsewhere",  # another process runs the study, by its own lease in the storage
    "unstarted",  # no process was begun: no room, no memory
    "lost",  # its machine is not heard of any more
    "refused",  # the study is at fault, and would be again
    "crashed",  # anything else
]
_UNCOUNTED: tuple[How, ...] = ("interrupted", "elsewhere", "unstarted", "lost")  # as attempts


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        how: see `How`.
        error, message: the name of the error's class, and its one line; empty if none.
        n_trials: how many trials the run was to come to.
    """

    how: How
    error: str = ""
    message: str = ""
    n_trials: int = 0


@dataclass(frozen=True)
class Run:
    """A study and the claim on it.

    Attributes:
        job: the study.
        token: the claim's.
        left_s: until the claim expires, if it is not renewed.
        asked_s: since its end was asked for; None where it was not.
        ran_s: since the run began; None where it has not.
    """

    job: Job
    token: str
    left_s: float
    asked_s: float | None
    ran_s: float | None

    @property
    def process(self) -> Process:
        """Who runs it; while it is starting, who starts it."""
        return Process(self.job.host, self.job.pid, self.job.started)

    @property
    def alive(self) -> bool:
        """Whether the claim counts: not expired, and its process not known to be dead."""
        return self.left_s > 0 and not self.process.died_here


class Claims:
    """Claims on the studies of a queue; errors of the database as in `jobs.Queue`."""

    def __init__(self, database: Database, pace: Pace | None = None):
        self.database, self.pace = database, pace or Pace()

    def runs(self) -> list[Run]:
        """Return all studies that are claimed, those among them whose claim is dead too."""
        with self.database.reading() as connection:
            return _runs(connection)

    def claim(self, limits: Limits) -> Run | None:
        """Claim the queued study that is next; None where there is none, or no room for it.

        It is `starting`, by this process, until its own process calls `begin`.
        """
        with self.database.ordering() as connection:
            self._wake(connection)
            row = _next(connection, limits)
            if row is None:
                return None
            here, token = Process.of(), uuid.uuid4().hex
            claimed = {"state": "starting", "token": token, "attempts": JOBS.c.attempts + 1}
            self._write(connection, row, claimed | here._asdict() | {"begun": None})
            rows.note(connection, rows.read(connection, row))
            return next(run for run in _runs(connection) if run.token == token)

    def begin(self, job_id: str, token: str) -> Job:
        """Tell that this very process runs the study; return it as it stands now.

        Raises:
            FencedError: the claim is no longer ours, or the run was begun before.
        """
        with self.database.writing() as connection:
            if _fenced(connection, job_id, token).state != "starting":
                raise FencedError(f"study {job_id}: its run was begun before, by another process")
            begun = {"state": "running", "begun": now(connection), "due": None}
            self._write(connection, job_id, begun | Process.of()._asdict())
            job = rows.read(connection, job_id)
            rows.note(connection, job)
            return job

    def renew(
        self,
        job_id: str,
        token: str,
        happened: Sequence[tuple[Kind, Mapping[str, Any]]] = (),
    ) -> str:
        """Renew a claim, and tell how the run goes; return what is wanted of it, mostly "".

        Raises:
            FencedError: the claim is no longer ours.
        """
        with self.database.writing(durable=False) as connection:
            job = _fenced(connection, job_id, token)
            self._tell(connection, job_id, happened)
            return job.want

    def stop(self, run: Run, why: str) -> None:
        """Have a run ended that takes too long: it fails, with this line.

        Raises:
            FencedError: the claim is another one by now.
        """
        with self.database.writing() as connection:
            _fenced(connection, run.job.id, run.token)
            asked = {"want": "fail", "wanted": now(connection), "message": why}
            connection.execute(JOBS.update().where(JOBS.c.id == run.job.id).values(asked))
            events.append(connection, run.job.id, [("log", {"line": why})])

    def settle(
        self,
        job_id: str,
        token: str,
        ending: Ending,
        happened: Sequence[tuple[Kind, Mapping[str, Any]]] = (),
    ) -> Job:
        """Write how a run ended, and what comes of the study; return it.

        Raises:
            FencedError: the claim is no longer ours, as after an earlier call.
        """
        with self.database.writing() as connection:
            job = _fenced(connection, job_id, token)
            self._tell(connection, job_id, happened)
            state, due_s = after(job, ending, self.pace)
            said = {
                "ending": ending.how, "error": ending.error,
                "message": job.message if job.want == "fail" else ending.message,
            }  # fmt: skip
            if state != "waiting":
                return rows.end(connection, job, state, **said)
            counted = ending.how not in _UNCOUNTED
            again: dict[str, Any] = {
                "state": "waiting", "token": None, "due": now(connection) + due_s,
                "attempts": job.attempts if counted else job.attempts - 1, **said,
            }  # fmt: skip
            connection.execute(JOBS.update().where(JOBS.c.id == job_id).values(again))
            job = rows.read(connection, job_id)
            rows.note(connection, job)
            return job

    def _wake(self, connection: Connection) -> None:
        """Queue the waiting studies that are due."""
        due = select(JOBS.c.id).where(JOBS.c.state == "waiting", JOBS.c.due <= now(connection))
        for job_id in connection.execute(due.with_for_update()).scalars().all():
            queued = JOBS.update().where(JOBS.c.id == job_id)
            connection.execute(queued.values(state="queued", due=None))
            rows.note(connection, rows.read(connection, job_id))

    def _tell(
        self,
        connection: Connection,
        job_id: str,
        happened: Sequence[tuple[Kind, Mapping[str, Any]]],
    ) -> None:
        """Store events of a claimed study and how far it is, and renew the claim."""
        columns: dict[str, Any] = {
            kind: json.dumps(data) for kind, data in happened if kind == "progress"
        }
        self._write(connection, job_id, columns)
        events.append(connection, job_id, happened)

    def _write(self, connection: Connection, job_id: str, columns: Mapping[str, Any]) -> None:
        """Write columns of a claimed study, and renew the claim."""
        renewed = {**columns, "expires": now(connection) + self.pace.life_s}
        connection.execute(JOBS.update().where(JOBS.c.id == job_id).values(renewed))


def after(job: Job, ending: Ending, pace: Pace) -> tuple[State, float]:
    """Return what becomes of a study whose run has ended, and when it is tried again.

    Args:
        job: the study, as it was during the run.
        ending: how the run ended.
        pace: how often and how soon a run is begun again.

    Returns:
        The state, and for `waiting` the seconds until it is queued.
    """
    if ending.how == "done" and job.n_trials > ending.n_trials and not job.want:
        return "waiting", 0.0  # more trials were asked for meanwhile
    if ending.how in ("done", "timeout"):
        return "done", 0.0
    if job.want:
        return ("cancelled" if job.want == "cancel" else "failed"), 0.0
    if ending.how == "refused":
        return "failed", 0.0
    if ending.how == "lost":
        return "waiting", 0.0
    if ending.how in _UNCOUNTED:
        return "waiting", pace.retry_s
    if job.attempts > pace.retries:
        return "failed", 0.0
    return "waiting", pace.retry_s * 4 ** (job.attempts - 1)


def _next(connection: Connection, limits: Limits) -> str | None:
    """Return the id of the study that is next; None where there is none, or no room for it."""
    alive = [run for run in _runs(connection) if run.alive]
    if sum(run.job.host == Process.of().host for run in alive) >= limits.running:
        return None
    projects = [run.job.project for run in alive]
    full = [name for name in {*projects} if projects.count(name) >= limits.per_project]
    query = select(JOBS.c.id).where(JOBS.c.state == "queued", JOBS.c.project.not_in(full))
    first = query.order_by(JOBS.c.priority.desc(), JOBS.c.queued, JOBS.c.seq)
    found: str | None = connection.execute(first.limit(1).with_for_update()).scalar()
    return found


def _runs(connection: Connection) -> list[Run]:
    clock = now(connection)
    columns = (
        (JOBS.c.expires - clock).label("left_s"),
        (clock - JOBS.c.wanted).label("asked_s"),
        (clock - JOBS.c.begun).label("ran_s"),
    )
    query = select(JOBS, *columns).where(JOBS.c.state.in_(LIVES)).order_by(JOBS.c.seq)
    return [
        Run(Job.of(row), row["token"], row["left_s"], row["asked_s"], row["ran_s"])
        for row in connection.execute(query).mappings()
    ]


def _fenced(connection: Connection, job_id: str, token: str) -> Job:
    """Lock a claimed study and return it.

    Raises:
        FencedError: the claim is another one by now, or none.
    """
    query = select(JOBS).where(JOBS.c.id == job_id, JOBS.c.token == token).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise FencedError(
            f"study {job_id}: another process has it by now, or its run was settled."
            " What this one did not yet save is dropped"
        )
    return Job.of(row)
