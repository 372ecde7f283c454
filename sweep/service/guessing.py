"""The first study for an uploaded table: what `sweep init --from` guesses, in a child process.

The service itself never reads a user's rows. The child gets a copy of the file in a folder of its
own, a bound on its memory, and a minute.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sweep.errors import UsageError
from sweep.service.commands import run_command
from sweep.service.folder import put_copy
from sweep.service.problems import Problem
from sweep.service.sources import find_rows

GUESS_S = 60.0
_EDITOR = "# yaml-language-server:"


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
    if "\0" in (target or ""):  # which no process can be told
        raise Problem(422, f"target: must be the name of a column, got {target!r:.100}")
    with tempfile.TemporaryDirectory(prefix="sweep-guess-") as made:
        try:
            with find_rows(file, folders) as rows:
                put_copy(rows, Path(made) / file)
        except FileNotFoundError:
            line = f"file: must be an uploaded one, got {file}. Upload it first"
            raise Problem(404, line) from None
        return _ask(file, target, Path(made), memory_bytes)


def _ask(file: str, target: str | None, folder: Path, memory_bytes: int) -> dict[str, Any]:
    more = [] if target is None else [f"--target={target}"]
    arguments = ["init", "--from", file, "--json", *more]
    try:
        done = run_command(arguments, folder, GUESS_S, memory_bytes)
    except TimeoutError:
        line = f"file: must be read in {GUESS_S:g} s, got no end. Write a study file for it"
        raise Problem(503, line) from None
    if done.code == 0:
        found: dict[str, Any] = json.loads(done.out)
        if found["text"].startswith(_EDITOR):  # it names a file of this machine
            found["text"] = found["text"].partition("\n")[2]
        return found
    if done.code == UsageError.exit_code:
        raise Problem(422, done.line)
    line = f"file: must be one that can be read, got an end of the reader ({done.code})"
    raise Problem(422, f"{line}. Write a study file for it")
