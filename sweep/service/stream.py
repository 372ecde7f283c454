"""Events as a stream (SSE): rows of the event log, each sent once, in order, by its id.

One task asks the database for all streams together, so that hundreds of idle ones cost one
statement a beat.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress

from anyio import to_thread
from sqlalchemy import func, select

from sweep.errors import SweepError
from sweep.service.database import EVENTS, Database, DatabaseAwayError
from sweep.service.events import Event, Events

BEAT_S = 0.5  # between two looks at the database
COMMENT_S = 15.0  # a silent stream says that it lives
RETRY_MS = 2000  # when a browser connects again
BATCH = 500  # events read at once
MANY_IDS = 500


class Watch:
    """Wakes the streams of those studies to which something has happened.

    Use it from one event loop only.
    """

    def __init__(self, database: Database) -> None:
        self.events = Events(database)
        self._database = database
        self._streams: dict[str, set[asyncio.Event]] = {}  # by study
        self._seen: dict[str, int] = {}  # the newest event of each
        self._task: asyncio.Task[None] | None = None
        self.closing = False

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """End the look; streams have been closed before."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def close_streams(self) -> None:
        """Have every stream end by itself, now."""
        self.closing = True
        self._wake(self._streams)

    async def follow(self, job_id: str, after: int) -> AsyncIterator[list[Event]]:
        """Give the events of a study after a certain one, as they come; [] as a sign of life.

        Raises:
            EventsGoneError: some after that one were deleted.
        """  # fmt: skip
        woken = asyncio.Event()
        self._streams.setdefault(job_id, set()).add(woken)
        try:
            while not self.closing:
                woken.clear()
                events = await self._read(job_id, after)
                if events:
                    after = events[-1].id
                    yield events
                    continue
                try:
                    async with asyncio.timeout(COMMENT_S):
                        await woken.wait()
                except TimeoutError:
                    yield []
        finally:
            self._leave(job_id, woken)

    async def _read(self, job_id: str, after: int) -> list[Event]:
        """Read on; where the database is away, nothing has happened that anyone could know."""
        try:
            return await to_thread.run_sync(self.events.since, job_id, after, BATCH)
        except DatabaseAwayError:
            self._seen.pop(job_id, None)  # looks again as soon as it is back
            return []

    def _leave(self, job_id: str, woken: asyncio.Event) -> None:
        self._streams[job_id].discard(woken)
        if not self._streams[job_id]:
            del self._streams[job_id]
            self._seen.pop(job_id, None)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            if not self._streams:
                continue
            with suppress(SweepError):  # the database is away: streams wait
                newest = await to_thread.run_sync(self._newest, [*self._streams])
                self._wake(job for job, last in newest.items() if last > self._seen.get(job, 0))
                self._seen.update({job: newest[job] for job in newest if job in self._streams})

    def _newest(self, job_ids: list[str]) -> Mapping[str, int]:
        found: dict[str, int] = {}
        with self._database.reading() as connection:
            for start in range(0, len(job_ids), MANY_IDS):
                chosen = EVENTS.c.job_id.in_(job_ids[start : start + MANY_IDS])
                query = select(EVENTS.c.job_id, func.max(EVENTS.c.id)).where(chosen)
                rows = connection.execute(query.group_by(EVENTS.c.job_id))
                found |= {job_id: last for job_id, last in rows}
        return found

    def _wake(self, job_ids: Iterable[str]) -> None:
        for job_id in [*job_ids]:
            for woken in self._streams.get(job_id, ()):
                woken.set()


def as_text(events: list[Event]) -> str:
    """Write events as a stream's text; none of them as a comment."""
    if not events:
        return ": alive\n\n"
    return "".join(
        f"id: {event.id}\nevent: {event.kind}\n"
        f"data: {json.dumps({**event.data, 'time': event.created}, ensure_ascii=False)}\n\n"
        for event in events
    )
