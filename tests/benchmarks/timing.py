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

import numpy as np

from tests.benchmarks.machine import ROOT

POLL_S = 0.1
PAGE_MIB = (os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096) / 2**20
TICK_S = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01


@dataclass(frozen=True)
class Run:
    """What one job took.

    Attributes:
        began: when its process was started, in seconds since 1970.
        seconds: until the process had ended.
        peak_mib: largest sum of the resident memory of the process and those it started; pages
            that several share count in each.
        cpu: what they had used of the CPU so far, as (seconds since it began, CPU seconds).
    """

    began: float
    seconds: float
    peak_mib: float
    output: str
    cpu: Sequence[tuple[float, float]] = ()

    def cpu_until(self, seconds: float) -> float:
        """Return the CPU seconds used from the start to a time after it."""
        at, used = zip((0.0, 0.0), *self.cpu, strict=True)
        return float(np.interp(seconds, at, used))


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
    watch = _Watch(process.pid, begin)
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
    seconds = time.perf_counter() - begin
    watch.stop()
    if process.returncode:
        raise SystemExit(
            f"failed with {process.returncode}: {' '.join(command)}\n{errors[-2000:]}"
        )
    return Run(began, seconds, watch.peak_mib, output, watch.cpu)


class _Watch:
    """The memory and CPU time of a process and its descendants, looked at every POLL_S (Linux)."""

    def __init__(self, pid: int, begin: float):
        self.peak_mib = 0.0
        self.cpu: list[tuple[float, float]] = []
        self._pid, self._begin, self._done = pid, begin, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(POLL_S):
            family = [*_family(self._pid)]
            self.peak_mib = max(self.peak_mib, sum(map(_resident_mib, family)))
            # What a process used is lost with it, unless its parent waits for it.
            used = max(sum(map(_cpu_s, family)), self.cpu[-1][1] if self.cpu else 0.0)
            self.cpu.append((time.perf_counter() - self._begin, used))


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


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process and of those that it waited for (proc(5): 14 to 17)."""
    with suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return TICK_S * sum(map(int, fields[11:15]))
    return 0.0
