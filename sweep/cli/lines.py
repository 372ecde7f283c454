"""What all words to the terminal have in common: one line for a mistake, tables."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from sweep.errors import hide_passwords

MOST_CHARACTERS = 300  # of a message


def one_line(message: str) -> str:
    """Return a message as one line that the terminal can show: the only way out for mistakes.

    Of a long message the middle is left out: its start names the key, its end says what to do.
    """
    text = whole_line(message)
    if len(text) <= MOST_CHARACTERS:
        return text
    half = (MOST_CHARACTERS - 3) // 2
    return f"{text[: half + 1].rstrip()} … {text[-half:].lstrip()}"


def whole_line(text: str) -> str:
    """Return a text as one line, however long: no passwords, nothing that steers a terminal."""
    text = " ".join(hide_passwords(text).split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def escape_what_cannot_be_shown() -> None:
    """Let half a character, or one that the terminal lacks, be printed as its number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table; a cell too long for its column is folded."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    for name in header:
        table.add_column(name, overflow="fold")  # a name is there to be typed
    for row in rows:
        table.add_row(*map(Text, row))  # which is no markup
    Console().print(table)
