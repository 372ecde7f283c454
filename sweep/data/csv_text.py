"""CSV files as texts: their encoding, what separates their cells, and that no row is cut short."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.data.notes import Note
from sweep.data.refuse import refuse

# pandas takes a while to import: only the functions that read tables do.
if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BOMS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
MOST_NAMES = 1_000_000  # letters that the names of columns may take
_HINT = re.compile(r'"?sep=(.)"?\r?\n')  # the first line, of a spreadsheet


def read_csv(path: Path, target: str | None, where: str) -> tuple[pd.DataFrame, list[Note]]:
    """Read a table of texts, each cell as it is written; an empty cell is an empty text.

    Args:
        path: the file: UTF-8, or with the mark of UTF-16 or UTF-32 at its start.
        target: a column that it must have; it tells which separator is right.
        where: what messages call it.

    Raises:
        UsageError: in one line, when the names of columns or the cells of a row do not fit.
        UnicodeError, ValueError: it is no such text.
    """
    import pandas as pd

    content = path.read_bytes()
    encoding = next((name for mark, name in _BOMS.items() if content.startswith(mark)), "utf-8")
    text = content.decode(encoding)
    if "\0" in text:
        raise UnicodeError("NUL characters, as UTF-16 has them")
    hint = _HINT.match(text)
    text = text[hint.end() :] if hint else text
    separator = hint[1] if hint else _separator(text[:MOST_NAMES], target)
    _check(text, separator, where)
    frame: pd.DataFrame = pd.read_csv(
        io.StringIO(text), sep=separator, dtype=object, na_filter=False, index_col=False,
        low_memory=False,
    ).rename(columns=str.strip)  # fmt: skip
    notes = []
    if separator != ",":
        between = SEPARATORS.get(separator, repr(separator))
        notes.append(Note("separator", "", f"{where} is read with {between} between its cells"))
    if encoding not in ("utf-8", "utf-8-sig"):
        notes.append(Note("encoding", "", f"{where} is read as {encoding.upper()}"))
    return frame, notes


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    """Yield the cells of each line that has any."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    return (cells for cells in lines if any(cell.strip() for cell in cells[:1]) or len(cells) > 1)


def _names(rows: Iterator[list[str]]) -> list[str]:
    """Take the first line: the names of the columns."""
    return [name.strip() for name in next(rows, [])]


def _separator(text: str, target: str | None) -> str:
    """Choose what separates the names of the columns: the target is one of them.

    Where that is so for several, or for none, the one that makes the most columns.
    """
    names = {mark: _names(_rows(text, mark)) for mark in SEPARATORS}
    fitting = [mark for mark in SEPARATORS if target in names[mark]] or list(SEPARATORS)
    return max(fitting, key=lambda mark: len(names[mark]))


def _check(text: str, separator: str, where: str) -> None:
    """Refuse two columns of one name, and rows with more or fewer cells than there are names.

    Pandas would rename a column, fill up a row that was cut off, and take the first column for
    the names of the rows where all rows have a cell more.
    """
    names = _names(_rows(text[:MOST_NAMES], separator))
    every = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    twice = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
    if twice is not None:
        refuse("must have different column names", f"{twice!r} twice", where, "Rename")
    if {0, len(names)}.issuperset(map(len, every)):
        return
    for row, cells in enumerate(_rows(text, separator), -1):  # after the names
        if len(cells) != len(names):
            rule = f"must have {len(names)} cells in every row, as many as columns have names"
            hint = "Mend that row, or put texts that hold a separator in quotes"
            refuse(rule, f"{len(cells)} in row {row}", where, hint)
