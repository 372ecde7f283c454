"""Commands of sweep that the service runs as children: what they import, they take along."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sweep.service.problems import Problem
from sweep.service.supervisor import environment

AT_ONCE = 2
PATIENCE_S = 5.0
_free = threading.Semaphore(AT_ONCE)


class Done(NamedTuple):
    """What a command left."""

    code: int
    out: str
    line: str  # its last one on stderr, without the name of the program


def run_command(
    arguments: Sequence[str],
    folder: Path,
    timeout_s: float,
    memory_bytes: int | None,
    more: Mapping[str, str] | None = None,
) -> Done:
    """Run `sweep ARGUMENTS`, two at a time, each with a process group of its own.

    Args:
        arguments: of the command; everyone on the machine may list them.
        folder: where it runs.
        timeout_s: after which it is ended by force.
        memory_bytes: of address space; None: as much as there is.
        more: of its environment, which nobody else may read.

    Raises:
        TimeoutError: it was ended.
        Problem: 503 where others run; whoever waited longer would keep a thread of the routes.
    """
    if not _free.acquire(timeout=PATIENCE_S):
        line = f"service: must have a process free, got {AT_ONCE} that work for others"
        raise Problem(503, f"{line}. Try later", {"Retry-After": "10"})
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "sweep", *arguments], cwd=folder, text=True, errors="replace",
            env={**environment(1), **(more or {})}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        if memory_bytes is not None:
            with suppress(ProcessLookupError):
                resource.prlimit(child.pid, resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        try:
            out, said = child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            raise TimeoutError from None
    finally:
        _free.release()
    lines = [line for line in said.splitlines() if line.strip()] or [
        f"exit code {child.returncode}"
    ]
    return Done(child.returncode, out, lines[-1].removeprefix("sweep: "))
