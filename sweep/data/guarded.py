"""Code of the user's own, run so that whatever it does ends in a result or in one line."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import sweep
from sweep.errors import SweepError, UsageError
from sweep.runtime import stdout_to_stderr

PACKAGE = str(Path(sweep.__file__).parent)
LONGEST = 120  # letters of a message that is not ours

T = TypeVar("T")


class _InterruptedError(KeyboardInterrupt):
    """Report the user's own interrupt, so that one guard around another can tell it."""


def guarded(work: Callable[[], T], refused: Callable[[str], str], file: str | None = None) -> T:
    """Run code of the user's own; what it prints goes to stderr, and its folder changes end.

    Args:
        work: calls the code.
        refused: the line that refuses it, given what it raised.
        file: where the code stands: the line there is told.

    Raises:
        UsageError: whatever it raised, exits included; our own errors pass.
        KeyboardInterrupt: the user interrupted it.
    """
    with stdout_to_stderr(), _same_folder(), _interrupts() as interrupted:
        try:
            return work()
        except BaseException as error:
            if interrupted:
                raise _InterruptedError from None
            if isinstance(error, _InterruptedError) or _is_ours(error):
                raise
            raise UsageError(refused(describe(error, file))) from error


def describe(error: BaseException, file: str | None = None) -> str:
    """Say in one short line what went wrong, and where in `file` if it was there.

    The error may be of a class of the user's own, which fails when it is asked.
    """
    kind = type.__dict__["__name__"].__get__(type(error))
    text = shown(error.msg if isinstance(error, SyntaxError) else error).rstrip(". ")
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f.lineno for f in frames if file and Path(f.filename) == Path(file).absolute()]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    place = f" at line {line} of {file}" if file and line else ""
    return f"{kind}: {text}{place}" if text else kind + place


def shown(value: Any) -> str:
    """Return the first line of a text that is not ours, without what a terminal would obey."""
    try:
        text = str(value).strip()
    except BaseException:  # a __str__ of the user's own
        return "an error that cannot be shown"
    first = (text.splitlines() or [""])[0]
    first = "".join(letter if letter.isprintable() else "?" for letter in first)
    return first if len(first) <= LONGEST else first[:LONGEST] + "…"


def _is_ours(error: BaseException) -> bool:
    """Tell a line of this package's own from one that the user's code raised."""
    step = error.__traceback__
    while step and step.tb_next:
        step = step.tb_next
    file = step.tb_frame.f_code.co_filename if step else ""
    return isinstance(error, SweepError) and file.startswith(PACKAGE)


@contextmanager
def _same_folder() -> Iterator[None]:
    """Come back to the working folder: where a study is stored may be relative to it."""
    before = os.getcwd()
    try:
        yield
    finally:
        with suppress(OSError):
            os.chdir(before)


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Interrupt what runs inside at once when the user asks for an end, and note that it was so.

    Code may raise KeyboardInterrupt itself, and turn the user's into anything else.
    """
    came: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler is not None}
    for number, handler in before.items():
        if callable(handler):  # what is ignored, or ends the process, does so here too
            signal.signal(number, interrupt)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
