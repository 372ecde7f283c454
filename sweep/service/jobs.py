"""The queue as its users see it: hand studies in, look at them, change, cancel and resume them.

States: queued → starting → running → done, failed or cancelled; running → waiting → queued where
a run has to be begun again; done, failed and cancelled → queued by `resume`, or by `change` to
more trials. Who runs them: see `claims`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, true

from sweep.errors import UsageError, did_you_mean
from sweep.service import events, rows
from sweep.service.database import JOBS, Database
from sweep.service.job import (
    ENDED,
    WAITS,
    Job,
    KeyReusedError,
    NameTakenError,
    QueueFullError,
    State,
    Submission,
    WrongStateError,
    checked_priority,
    uuid7,
)
from sweep.spec.stored import differences
from sweep.storage.lease import now

CHANGES = {
    "n_trials": "search.n_trials",
    "timeout_s": "search.timeout_s",
    "selection": "selection",
    "priority": "",
}
_OF_THE_MACHINE = ("storage", "device", "training.workers", "training.cuda_graph")


@dataclass(frozen=True)
class Page:
    """Some studies of a list, and the cursor of those that come next; None: these are the last."""

    items: list[Job]
    next: str | None


class Queue:
    """The studies of all projects; any number of threads and processes may use the same tables.

    Every method that writes raises DatabaseAwayError or DiskFullError where nothing was stored,
    and every other DatabaseAwayError.

    Args:
        database: the open tables.
        most_queued: how many studies of a project may wait for their run.
    """

    def __init__(self, database: Database, most_queued: int = 100):
        self.database, self.most_queued = database, most_queued

    def submit(self, new: Submission) -> tuple[Job, bool]:
        """Queue a study; return it, and whether it was not there before.

        The same submission again, by its key or as the same study under the same name, is the
        study that is there already, in whatever state that is.

        Raises:
            KeyReusedError: the key came before, with another study.
            NameTakenError: the project has another study of this name; lists what differs.
            QueueFullError: too many of the project wait already.
        """
        with self.database.ordering() as connection:
            found = _submitted(connection, new) or _namesake(connection, new)
            if found is not None:
                return found, False
            self._refuse_more(connection, new.project)
            job_id = uuid7()
            connection.execute(JOBS.insert().values(rows.new(connection, job_id, new)))
            job = rows.read(connection, job_id)
            rows.note(connection, job)
            return job, True

    def find(self, project: str, study_name: str) -> Job:
        """Return a study.

        Raises:
            UnknownJobError: the project has none of this name.
        """
        with self.database.reading() as connection:
            return rows.find(connection, project, study_name)

    def list(
        self,
        project: str | None = None,
        states: Iterable[State] = (),
        prefix: str = "",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """List studies, the newest submission first.

        Args:
            project: whose; None is those of all projects.
            states: in one of these; none is in any.
            prefix: the beginning of the names.
            limit: at most so many on this page.
            cursor: `Page.next` of the page before.

        Raises:
            UsageError: the cursor is none.
        """
        if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
            raise UsageError(f"cursor: must be one that came with a page, got {cursor!r:.80}")
        conditions = [
            JOBS.c.project == project if project is not None else true(),
            JOBS.c.state.in_([*states]) if states else true(),
            JOBS.c.study_name.startswith(prefix, autoescape=True) if prefix else true(),
            JOBS.c.seq < int(cursor) if cursor is not None else true(),
        ]
        query = select(JOBS).where(*conditions).order_by(JOBS.c.seq.desc()).limit(limit + 1)
        with self.database.reading() as connection:
            found = [Job.of(row) for row in connection.execute(query).mappings()]
        more = len(found) > limit
        return Page(found[:limit], str(found[limit - 1].seq) if more and limit else None)

    def counts(self, project: str | None = None) -> dict[str, int]:
        """Count the studies by state; states without any are left out."""
        whose = JOBS.c.project == project if project is not None else true()
        query = select(JOBS.c.state, func.count()).where(whose).group_by(JOBS.c.state)
        with self.database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def position(self, job: Job) -> int | None:
        """Return how many queued studies are begun up to and with this one: 1 is the next.

        None where it is not queued. A limit of its project may let others overtake it.
        """
        if job.state != "queued":
            return None
        first = or_(
            JOBS.c.priority > job.priority,
            and_(
                JOBS.c.priority == job.priority,
                or_(
                    JOBS.c.queued < job.queued,
                    and_(JOBS.c.queued == job.queued, JOBS.c.seq < job.seq),
                ),
            ),
        )
        query = select(func.count()).where(JOBS.c.state == "queued", first)
        with self.database.reading() as connection:
            return int(connection.execute(query).scalar_one()) + 1

    def cancel(self, project: str, study_name: str) -> tuple[Job, bool]:
        """Stop a study for good; return it, and whether that is new to it.

        A waiting one is cancelled at once, and a running one as soon as its run has ended: after
        the epoch, or by force after a while. It can be resumed.

        Raises:
            UnknownJobError: there is none. WrongStateError: it is done or failed.
        """
        with self.database.writing() as connection:
            job = rows.lock(connection, project, study_name)
            if job.state == "cancelled" or job.stopping:
                return job, False
            if job.state in ENDED:
                raise WrongStateError(
                    f"cancel: must be of a study that has not ended, got {study_name}, which is"
                    f" {job.state}. Nothing is left to stop"
                )
            if job.state in WAITS or rows.is_abandoned(connection, job):
                return rows.end(connection, job, "cancelled", ending="cancelled"), True
            asked = JOBS.update().where(JOBS.c.id == job.id)
            connection.execute(asked.values(want="cancel", wanted=now(connection)))
            events.append(connection, job.id, [("log", {"line": "asked to stop"})])
            return rows.read(connection, job.id), True

    def resume(self, project: str, study_name: str) -> tuple[Job, bool]:
        """Queue a study that has ended; return it, and whether that is new to it.

        It goes on where it stopped. One that waits or runs is left as it is.

        Raises:
            UnknownJobError: there is none. QueueFullError: see `submit`.
            WrongStateError: it is being stopped, or has all its trials.
        """
        with self.database.ordering() as connection:
            job = rows.lock(connection, project, study_name)
            _refuse_stopping("resume", job)
            if job.state not in ENDED:
                return job, False
            if job.state == "done" and job.ending != "timeout":
                raise WrongStateError(
                    f"resume: must be of a study with trials left, got {study_name}, which has its"
                    f" {job.n_trials}. Give it a larger n_trials"
                )
            self._refuse_more(connection, project)
            return _requeue(connection, job), True

    def change(self, project: str, study_name: str, changes: Mapping[str, Any]) -> Job:
        """Change what may change of a study; its run goes by it when it is begun next.

        A run that ends with fewer trials than `n_trials` says by then is begun again, and so is
        a study that had ended, where `n_trials` grows.

        Args:
            project, study_name: which.
            changes: some of `CHANGES`.

        Raises:
            UnknownJobError: there is none. WrongStateError: it is being stopped.
            UsageError: another key, or a value against the rules of study files.
        """
        if unknown := [key for key in changes if key not in CHANGES]:
            raise UsageError(f"{unknown[0]}: may not change. {did_you_mean(unknown[0], CHANGES)}")
        with self.database.ordering() as connection:
            job = rows.lock(connection, project, study_name)
            _refuse_stopping("change", job)
            columns = _changed(job, changes)
            connection.execute(JOBS.update().where(JOBS.c.id == job.id).values(columns))
            changed = rows.read(connection, job.id)
            if job.state in ENDED and changed.n_trials > job.n_trials:
                self._refuse_more(connection, project)
                return _requeue(connection, changed)
            return changed

    def _refuse_more(self, connection: Connection, project: str) -> None:
        waiting = and_(JOBS.c.project == project, JOBS.c.state.in_(WAITS))
        query = select(func.count()).select_from(JOBS).where(waiting)
        if (n_waiting := connection.execute(query).scalar_one()) >= self.most_queued:
            raise QueueFullError(
                f"queue: must hold at most {self.most_queued} studies of project {project!r}, got"
                f" {n_waiting} that wait. Try again when some have begun"
            )


def _requeue(connection: Connection, job: Job) -> Job:
    """Queue a study that has ended, as if it came now."""
    fresh: dict[str, Any] = {
        "state": "queued", "queued": now(connection), "attempts": 0, "ended": None, "due": None,
        "error": "", "message": "",
    }  # fmt: skip
    connection.execute(JOBS.update().where(JOBS.c.id == job.id).values(fresh))
    job = rows.read(connection, job.id)
    rows.note(connection, job)
    return job


def _submitted(connection: Connection, new: Submission) -> Job | None:
    """Find what was submitted under the same key."""
    if new.key is None:
        return None
    whose = and_(JOBS.c.project == new.project, JOBS.c.owner == new.owner)
    query = select(JOBS).where(whose, JOBS.c.idem_key == new.key)
    row = connection.execute(query).mappings().one_or_none()
    if row is not None and row["idem_hash"] != new.fingerprint:
        raise KeyReusedError(
            f"Idempotency-Key: must be new for another study, got {new.key!r:.80}, which came with"
            f" the study {row['study_name']}. Use another key"
        )
    return None if row is None else Job.of(row)


def _namesake(connection: Connection, new: Submission) -> Job | None:
    """Find the same study under its name."""
    whose = and_(JOBS.c.project == new.project, JOBS.c.study_name == new.spec.study_name)
    row = connection.execute(select(JOBS).where(whose)).mappings().one_or_none()
    if row is None:
        return None
    job = Job.of(row)
    before, now_ = (spec.model_dump(mode="json") for spec in (job.spec, new.spec))
    free = {*_OF_THE_MACHINE}
    if not new.spec.search.is_given("n_trials"):  # auto: as many as the study there has
        free.add("search.n_trials")
    found = [one for one in differences(before, now_) if one[0] not in free]
    found += differences({"storage": job.storage}, {"storage": new.storage})
    if found:
        told = "; ".join(f"{key} was {old!r}, is {new_!r}" for key, old, new_ in found)
        raise NameTakenError(
            f"study_name: the study {job.study_name} exists with another spec: {told}. Change that"
            " one, or use another study_name",
            found,
        )
    return job


def _changed(job: Job, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a study with these changes, which are checked."""
    keys = {CHANGES[key]: value for key, value in changes.items() if CHANGES[key]}
    spec = job.changed(keys)
    columns: dict[str, Any] = {
        "changes": json.dumps({**job.changes, **keys}),
        "n_trials": spec.search.n_trials,
        "timeout_s": spec.search.timeout_s,
    }
    if "priority" in changes:
        columns["priority"] = checked_priority(changes["priority"])
    return columns


def _refuse_stopping(what: str, job: Job) -> None:
    if job.stopping:
        raise WrongStateError(
            f"{what}: must be of a study that is not being stopped, got {job.study_name}."
            " Try again when it has ended"
        )
