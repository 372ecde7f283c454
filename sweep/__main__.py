"""The command line, `sweep` or `python -m sweep`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from sweep.errors import INTERRUPTED
from sweep.runtime import INTERRUPTS, interrupt, interruptible

KEY = "workers"  # of `training` in a study file


def main() -> None:
    """Run a command; an interrupt at any moment ends it with 130."""
    try:
        try:
            for number in INTERRUPTS:  # before the imports, which take longest
                signal.signal(number, interrupt)
            interruptible()
            _run()
        finally:
            _ignore_interrupts()
    except KeyboardInterrupt:  # before the command line itself minds it, or as it ends
        _end_interrupted()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _end_interrupted()
        raise


def _end_interrupted() -> NoReturn:
    """End at once, with what was printed.

    Where an interrupt has left code run by `exec`, as of a dataclass, Python would end itself by
    SIGINT, whatever the exit code.
    """
    _ignore_interrupts()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads on, or it is closed
            stream.flush()
    os._exit(INTERRUPTED)


def _run() -> None:
    """Run a command; and, from the first moment on, what may train a study beside it."""
    from sweep.engines.fork import leading

    with leading(wanted=_may_want_workers(sys.argv[1:])) as leader:
        # Read while the other imports torch.
        if leader and not _wants_workers(sys.argv[1:]):
            leader.end(at_once=True)
            leader = None
        from sweep.cli import app

        app.main(leader)


def _ignore_interrupts() -> None:
    """Let none of them matter any more: Python ends anyway, and would do so with a traceback."""
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)


def _may_want_workers(arguments: Sequence[str]) -> bool:
    """Tell whether a run may ask for more workers than one: whether the word is anywhere."""
    if arguments[:1] != ["run"]:
        return False
    if any(KEY in argument for argument in arguments):
        return True
    with suppress(Exception):  # whatever is wrong, the command says so later
        return KEY in _study_file(arguments).read_text(encoding="utf-8")
    return False


def _wants_workers(arguments: Sequence[str]) -> bool:
    """Tell whether a run asks for more workers than one, as its study file is read."""
    sets = [text for text in _values(arguments, "--set") if KEY in text]
    if sets and sets[-1].startswith(f"training.{KEY}="):  # it wins over the file
        return sets[-1].partition("=")[2].strip(" \"'") != "1"
    with suppress(Exception):
        from sweep.spec.tree import read_tree

        return bool(read_tree(_study_file(arguments), sets)["training"].get(KEY, 1) != 1)
    return False


def _study_file(arguments: Sequence[str]) -> Path:
    return Path(next(text for text in arguments if text.endswith((".yaml", ".yml"))))


def _values(arguments: Sequence[str], option: str) -> Iterator[str]:
    """Take the values of an option, in their order."""
    for before, argument in pairwise(["", *arguments]):
        if before == option:
            yield argument
        elif argument.startswith(f"{option}="):
            yield argument.removeprefix(f"{option}=")


if __name__ == "__main__":
    main()
