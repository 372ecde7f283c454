"""Read, lock and end the studies of the queue, inside a transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from sweep.service import events
from sweep.service.database import JOBS
from sweep.service.job import Job, State, Submission, UnknownJobError, checked_priority
from sweep.storage.lease import now
from sweep.storage.process import Process


def find(connection: Connection, project: str, study_name: str, locked: bool = False) -> Job:
    """Read a study by its name.

    Raises:
        UnknownJobError: the project has none of this name.
    """
    query = select(JOBS).where(JOBS.c.project == project, JOBS.c.study_name == study_name)
    query = query.with_for_update() if locked else query
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise UnknownJobError(
            f"study {study_name!r}: must be one of project {project!r}, got no such study."
            " List them with `sweep jobs`"
        )
    return Job.of(row)


def lock(connection: Connection, project: str, study_name: str) -> Job:
    """Read a study whose row nobody else writes until the transaction ends."""
    return find(connection, project, study_name, locked=True)


def read(connection: Connection, job_id: str) -> Job:
    """Read a study that is there."""
    query = select(JOBS).where(JOBS.c.id == job_id)
    return Job.of(connection.execute(query).mappings().one())


def is_abandoned(connection: Connection, job: Job) -> bool:
    """Tell whether no process runs the study, though it was left in the state of one that runs."""
    query = select(JOBS.c.expires - now(connection)).where(JOBS.c.id == job.id)
    left_s = connection.execute(query).scalar()
    return left_s is None or left_s < 0 or Process(job.host, job.pid, job.started).died_here


def note(connection: Connection, job: Job) -> None:
    """Tell the state that a study is in now."""
    told = {"state": job.state, "attempts": job.attempts, "message": job.message}
    events.append(connection, job.id, [("state", told)])


def end(connection: Connection, job: Job, state: State, **columns: Any) -> Job:
    """Write that a study is done, failed or cancelled; its row must be locked."""
    ended = {"state": state, "token": None, "want": "", "wanted": None, "due": None}
    row = JOBS.update().where(JOBS.c.id == job.id)
    connection.execute(row.values({**ended, "ended": now(connection), **columns}))
    job = read(connection, job.id)
    note(connection, job)
    told = {"state": state, "ending": job.ending, "error": job.error, "message": job.message}
    events.append(connection, job.id, [("end", told)])
    return job


def new(connection: Connection, job_id: str, handed: Submission) -> dict[str, Any]:
    """Return the columns of a study that was never run."""
    created = now(connection)
    return {
        "id": job_id, "project": handed.project, "owner": handed.owner,
        "study_name": handed.spec.study_name, "body": handed.body, "folder": handed.folder,
        "storage": handed.storage, "spec_hash": handed.spec.spec_hash, "changes": "{}",
        "n_trials": handed.spec.search.n_trials, "timeout_s": handed.spec.search.timeout_s,
        "idem_key": handed.key, "idem_hash": handed.fingerprint, "state": "queued", "want": "",
        "priority": checked_priority(handed.priority), "host": "", "pid": 0, "started": "",
        "attempts": 0, "created": created, "queued": created, "ending": "", "error": "",
        "message": "", "pruned": 0,
    }  # fmt: skip
