"""What a running study tells the queue: that it lives, how far it is, what it has found."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sweep.errors import SweepError
from sweep.runner.progress import Progress
from sweep.service.claims import Claims
from sweep.service.events import Events, Kind
from sweep.service.job import FencedError, Job

BEAT_S = 1.0  # the least time between two looks at what is wanted, and between two reports

log = logging.getLogger("sweep.service.child")


@dataclass(frozen=True)
class _News:
    """What was not told yet, and what is known once it is."""

    progress: Progress | None
    n_lines: int
    n_points: int
    stale: Counter[tuple[float, float]]
    happened: list[tuple[Kind, Mapping[str, Any]]]


class Pulse:
    """Renews the claim on a running study in a thread, and passes on what it hears.

    Where the database is away, it tells later.

    Attributes:
        should_stop: whether the run is to end in good order.
        fenced: whether the claim is another process's by now.
    """

    def __init__(self, claims: Claims, job: Job, token: str):
        self._claims, self._job, self._token = claims, job, token
        self._progress: Progress | None = None
        self._told: Progress | None = None
        self._lines: list[str] = []
        self._n_points = 0  # of the curve, that were told
        self._stale = Counter(  # points that earlier runs have told, and this one has in its curve
            (event.data["at"], event.data["value"])
            for event in Events(claims.database).since(job.id, limit=1_000_000)
            if event.kind == "trial"
        )
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self.should_stop, self.fenced = job.stopping, False

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Renew the claim, and tell what is new, while the block runs."""
        self._thread.start()
        try:
            yield
        finally:
            self._done.set()
            self._thread.join()

    def hear(self, progress: Progress) -> None:
        """Take in how far the run is."""
        self._progress = progress

    def say(self, *lines: str) -> None:
        """Take in lines for people."""
        for line in lines:
            log.info("%s", line)
        self._lines += lines

    def untold(self) -> list[tuple[Kind, Mapping[str, Any]]]:
        """Return the events that were not stored, once the thread has ended."""
        return self._news().happened

    def _beat(self) -> None:
        beats, most = 0, max(1.0, self._claims.pace.life_s / 3 / BEAT_S)
        while not self._done.wait(BEAT_S):
            beats += 1
            new = self._lines or self._progress is not self._told
            if (new or beats >= most) and self._tell():
                beats = 0

    def _tell(self) -> bool:
        """Renew the claim and store what is new; return whether that was done."""
        news = self._news()
        try:
            want = self._claims.renew(self._job.id, self._token, news.happened)
        except FencedError:
            self.fenced = self.should_stop = True
            return True
        except SweepError as error:
            log.warning("%s", error)
            return False
        self._told, self._n_points, self._stale = news.progress, news.n_points, news.stale
        del self._lines[: news.n_lines]
        self.should_stop |= bool(want)
        return True

    def _news(self) -> _News:
        progress, lines, stale = self._progress, [*self._lines], self._stale.copy()
        happened: list[tuple[Kind, Mapping[str, Any]]]
        happened = [("log", {"line": line}) for line in lines]
        n_points = self._n_points
        if progress is not None and progress is not self._told:
            new = progress.curve[n_points:]
            n_points += len(new)
            for point in new:
                if stale[point] > 0:
                    stale[point] -= 1
                else:
                    happened.append(("trial", dict(zip(("at", "value"), point, strict=True))))
            happened.append(("progress", _data(progress)))
        return _News(progress, len(lines), n_points, stale, happened)


def _data(progress: Progress) -> dict[str, Any]:
    """Return how far a run is, as the data of an event."""
    best = progress.best
    return {
        "n_results": progress.n_results, "n_trials": progress.n_trials,
        "fraction": progress.fraction, "strength": progress.strength,
        "span": list(progress.span), "sign": progress.sign,
        "best": best and {"at": best.at, "value": best.value, "value_se": best.value_se},
    }  # fmt: skip
