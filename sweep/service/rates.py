"""How much one token may ask: requests a minute, and streams open at once."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable

from sweep.service.problems import Problem

FORGOTTEN = 10_000  # callers of whom an account is kept


class Rates:
    """A bucket of requests for each caller: it fills at an even rate and holds a minute's worth.

    Args:
        per_minute: requests.
        streams: open at once.
        clock: seconds.
    """

    def __init__(
        self, per_minute: int, streams: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._streams, self._clock = per_minute, streams, clock
        self._left: dict[str, tuple[float, float]] = {}  # requests left, at which time
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def n_streams(self) -> int:
        """How many streams are open."""
        return self._open.total()

    def take(self, caller: str) -> None:
        """Count a request; raises Problem 429 where the bucket is empty."""
        rate = self._most / 60.0
        with self._lock:
            now = self._clock()
            left, then = self._left.pop(caller, (float(self._most), now))
            left = min(self._most, left + (now - then) * rate)
            allowed = left >= 1
            self._left[caller] = (left - 1 if allowed else left, now)
            if len(self._left) > FORGOTTEN:  # the one that has asked least recently
                self._left.pop(next(iter(self._left)))
        if not allowed:
            wait_s = math.ceil((1 - left) / rate)
            raise _too_many(f"requests: must be at most {self._most} a minute, got more", wait_s)

    def open_stream(self, caller: str) -> None:
        """Count a stream that opens; raises Problem 429 where there are too many."""
        with self._lock:
            if self._open[caller] >= self._streams:
                line = f"streams: must be at most {self._streams} a token, got more"
                raise _too_many(line, 30)
            self._open[caller] += 1

    def close_stream(self, caller: str) -> None:
        """Count a stream that has ended."""
        with self._lock:
            self._open[caller] -= 1
            self._open += Counter()  # drops those at 0


def _too_many(line: str, wait_s: int) -> Problem:
    return Problem(429, f"{line}. Wait {wait_s} s", {"Retry-After": str(wait_s)})
