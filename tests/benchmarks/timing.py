"""Run one command to its end: wall time, CPU time, and the memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.machine import ROOT

POLL_S = 0.1
PAGE_MIB = (os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096) / 2**20


@dataclass(frozen=True)
class Run:
    """What one job took.

    Attributes:
        began: when its process was started, in seconds since 1970.
        seconds: until the process had ended.
        peak_mib: largest sum of the resident memory of the process and those it started; pages
            that several share count in each.
    """

    began: float
    seconds: float
    peak_mib: float
    output: str


def timed(command: Sequence[str], threads: int = 1, limit_s: float | None = None) -> Run:
    """Run a command with so many OpenMP threads.

    Raises:
        SystemExit: it failed, or was killed after `limit_s` seconds.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": path}
    began, begin = time.time(), time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    memory = _Memory(process.pid)
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
    seconds = time.perf_counter() - begin
    peak = memory.stop()
    if process.returncode:
        raise SystemExit(
            f"failed with {process.returncode}: {' '.join(command)}\n{errors[-2000:]}"
        )
    return Run(began, seconds, peak, output)


class _Memory:
    """The largest memory of a process and its descendants, looked at every POLL_S (Linux)."""

    def __init__(self, pid: int):
        self._pid, self._peak, self._done = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._done.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._done.wait(POLL_S):
            self._peak = max(self._peak, sum(map(_resident_mib, _family(self._pid))))


def _family(pid: int) -> Iterator[int]:
    """Name a process and all its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from _family(int(child))


def _resident_mib(pid: int) -> float:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MIB
    return 0.0
