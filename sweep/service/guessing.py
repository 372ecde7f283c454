"""The first study for an uploaded table: what `sweep init --from` guesses, in a child process.

The service itself never reads a user's rows. The child gets a copy of the file in a folder of its
own, a bound on its memory, and a minute.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sweep.service.folder import put_copy
from sweep.service.problems import Problem
from sweep.service.sources import find_rows

GUESS_S = 60.0
AT_ONCE = 2

_guessing = threading.Semaphore(AT_ONCE)


def guess_of(
    file: str, target: str | None, folders: Iterable[Path], memory_bytes: int
) -> dict[str, Any]:
    """Return what `sweep init --from FILE --json` prints.

    Args:
        file: the plain name of an uploaded file.
        target: the column to predict; None chooses one.
        folders: where files lie, in this order.
        memory_bytes: address space of the child.

    Raises:
        Problem: 404 without such a file, 422 where there is nothing to guess, 503 where that
            takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="sweep-guess-") as made:
        try:
            with find_rows(file, folders) as rows:
                put_copy(rows, Path(made) / file)
        except FileNotFoundError:
            line = f"file: must be an uploaded one, got {file}. Upload it first"
            raise Problem(404, line) from None
        with _guessing:
            return _ask(file, target, Path(made), memory_bytes)


def _ask(file: str, target: str | None, folder: Path, memory_bytes: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "sweep", "init", "--from", file, "--json"]
    child = subprocess.Popen(
        [*command, *([] if target is None else [f"--target={target}"])],
        cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    with suppress(ProcessLookupError):  # it has a good while to go before it reads rows
        resource.prlimit(child.pid, resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    try:
        told, said = child.communicate(timeout=GUESS_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        line = f"file: must be read in {GUESS_S:g} s, got no end. Write a study file for it"
        raise Problem(503, line) from None
    if child.returncode == 0:
        found: dict[str, Any] = json.loads(told)
        return found
    lines = [line for line in said.splitlines() if line.startswith("sweep: ")]
    if child.returncode == 2 and lines:
        raise Problem(422, lines[-1].removeprefix("sweep: "))
    line = f"file: must be one that can be read, got an end of the reader ({child.returncode})"
    raise Problem(422, f"{line}. Write a study file for it")
