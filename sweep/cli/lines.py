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
    """Print a table without its empty columns.

    A cell too long for its column is folded between words. Where a word would have to break,
    each row is printed as a block of lines, one for a column.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    kept = [i for i in range(len(header)) if not rows or any(row[i] for row in rows)]
    table = Table(box=box.SIMPLE)
    for i in kept:
        table.add_column(header[i], overflow="fold")  # a name is there to be typed
    for row in rows:
        table.add_row(*(Text(row[i]) for i in kept))  # which is no markup
    console = Console()
    with console.capture() as drawn:
        console.print(table)
    if {word for row in rows for i in kept for word in row[i].split()} <= {*drawn.get().split()}:
        print(drawn.get(), end="")
    else:
        print("\n" + "\n".join(_block([(header[i], row[i]) for i in kept]) for row in rows))


def _block(cells: Sequence[tuple[str, str]]) -> str:
    """Return a line for each cell that is there."""
    width = max(len(name) for name, _ in cells)
    return "".join(f"{name:{width}}  {cell}\n" for name, cell in cells if cell)
