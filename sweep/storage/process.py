"""Name a process of this machine so that no other one is ever taken for it."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process, as rows of a database name it.

    Attributes:
        host: the name of its machine.
        pid: its number there.
        started: the machine's boot, the pid namespace, and the start time of the process.
    """

    host: str
    pid: int
    started: str

    @classmethod
    def of(cls, pid: int | None = None) -> Process:
        """Name a process of this machine; by default this very one."""
        pid = os.getpid() if pid is None else pid
        return cls(socket.gethostname(), pid, _started(pid))

    @property
    def is_near(self) -> bool:
        """Whether it is or was one of this machine and pid namespace."""
        here = Process.of()
        return self.host == here.host and _namespace(self.started) == _namespace(here.started)

    @property
    def died_here(self) -> bool:
        """Whether it is known to be dead; of another machine's process nothing is known."""
        return self.is_near and _started(self.pid) != self.started


def _namespace(started: str) -> str:
    return started.rpartition("/")[0]


def _started(pid: int) -> str:
    """Name the machine's boot, the pid namespace and the start time of a process.

    The start time is empty for a process that is gone or, without /proc and ps, unknown. Two
    containers may share a host name, hence boot and namespace; a reused pid has another time.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return "/" + _started_by_ps(pid)
    return f"{boot}-{namespace}/{_started_by_proc(pid)}"


def _started_by_proc(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the name in parentheses may hold anything
    state, ticks = fields[0], fields[19]  # proc(5): fields 3 and 22
    return "" if state in "ZX" else ticks


def _started_by_ps(pid: int) -> str:
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C"})
    except OSError:
        return ""
    return done.stdout.strip()
