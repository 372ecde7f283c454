"""What has happened to the studies of the queue, in order: rows that are only ever added.

Kinds and their data:
    state: {state, attempts, message}: the study is now in this state.
    progress: {n_results, n_trials, fraction, strength, span, best}: at most one a second.
    trial: {at, value}: a trial was trained to its end; `at` is its penalty strength.
    log: {line}: a line for people.
    end: {state, ending, error, message}: done, failed or cancelled. A study that is resumed later
        has more events after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from sweep.errors import UsageError
from sweep.service.database import EVENTS, JOBS, Database
from sweep.storage.lease import now

Kind = Literal["state", "progress", "trial", "log", "end"]
KEPT = 5000  # of a study; older ones are deleted now and then


@dataclass(frozen=True)
class Event:
    """One thing that has happened to a study.

    Attributes:
        id: counts up over all studies; within one study a later event has a larger id, and is
            seen later.
        job_id: whose it is.
        kind: see the module.
        data: plain data, see the module.
        created: when, in seconds since 1970.
    """

    id: int
    job_id: str
    kind: Kind
    data: dict[str, Any]
    created: float


class EventsGoneError(UsageError):
    """Report that events after the given one were deleted: read the study itself again."""


class Events:
    """The events of all studies, for readers."""

    def __init__(self, database: Database):
        self.database = database

    def since(self, job_id: str, after: int = 0, limit: int = 1000) -> list[Event]:
        """Return the events of a study that came after a certain one, oldest first.

        Args:
            job_id: `Job.id`.
            after: the id of the last event that was seen; 0 begins with the oldest that is kept.
            limit: return at most so many; ask again after the last of them.

        Raises:
            EventsGoneError: some between `after` and the oldest that is kept were deleted.
            DatabaseAwayError: see there.
        """
        chosen = select(EVENTS).where(EVENTS.c.job_id == job_id, EVENTS.c.id > after)
        with self.database.reading() as connection:
            rows = connection.execute(chosen.order_by(EVENTS.c.id).limit(limit)).mappings().all()
            pruned = connection.execute(select(JOBS.c.pruned).where(JOBS.c.id == job_id)).scalar()
        if 0 < after < (pruned or 0):
            raise EventsGoneError(
                f"events: must follow one that is still kept, got {after}, and those up to"
                f" {pruned} were deleted. Read the study again, and its events from the start"
            )
        return [Event(**{**row, "data": json.loads(row["data"])}) for row in rows]

    def prune(self, keep: int = KEPT) -> int:
        """Delete all but the newest events of each study; return how many were deleted."""
        many = select(EVENTS.c.job_id).group_by(EVENTS.c.job_id).having(func.count() > keep)
        with self.database.reading() as connection:
            job_ids = connection.execute(many).scalars().all()
        return sum(self._prune(job_id, keep) for job_id in job_ids)

    def _prune(self, job_id: str, keep: int) -> int:
        ids = select(EVENTS.c.id).where(EVENTS.c.job_id == job_id).order_by(EVENTS.c.id.desc())
        with self.database.writing() as connection:
            last = connection.execute(ids.offset(keep).limit(1)).scalar()
            if last is None:
                return 0
            connection.execute(JOBS.update().where(JOBS.c.id == job_id).values(pruned=last))
            old = EVENTS.delete().where(EVENTS.c.job_id == job_id, EVENTS.c.id <= last)
            return connection.execute(old).rowcount


def append(
    connection: Connection, job_id: str, happened: Iterable[tuple[Kind, Mapping[str, Any]]]
) -> None:
    """Add events of a study, in their order.

    The transaction must have locked the study's row, by an UPDATE or a SELECT FOR UPDATE: else
    an event could come to be seen after one of a larger id, and be missed.
    """
    rows = [
        {"job_id": job_id, "kind": kind, "data": json.dumps(dict(data))} for kind, data in happened
    ]
    if rows:
        connection.execute(EVENTS.insert().values(created=now(connection)), rows)
