"""What is said of a source's rows without refusing them: a line for each kind of thing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

SHOWN = 3  # columns that a line names beside the first
_SIMPLE = re.compile(r"[A-Za-z_]\w*")
_NO_NAMES = ("true", "false", "null")


class Note(NamedTuple):
    """Something that a user should know.

    Attributes:
        kind: what notes of one kind are gathered by.
        what: the column or the like that it is about; "" where it is about all rows.
        text: what is said of it.
    """

    kind: str
    what: str
    text: str


def lines(notes: Iterable[Note]) -> tuple[str, ...]:
    """Write notes as lines, one for each kind: the first in full, of the others the name."""
    by_kind: dict[str, list[Note]] = {}
    for note in notes:
        by_kind.setdefault(note.kind, []).append(note)
    return tuple(_line(first, others) for first, *others in by_kind.values())


def key_for(column: str, value: str) -> str:
    """Write the key of the study file that settles a column."""
    return f"data.columns: {{{as_key(column)}: {value}}}"


def as_key(column: str) -> str:
    """Write the name of a column as a key of YAML, in quotes where it needs them."""
    simple = _SIMPLE.fullmatch(column) and column.lower() not in _NO_NAMES
    return column if simple else _quoted(column)


def missing_key(texts: Iterable[str]) -> str:
    """Write the value of a key that has texts read as missing."""
    return f"{{missing: [{', '.join(map(_quoted, texts))}]}}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _line(first: Note, others: list[Note]) -> str:
    said = f"{first.what}: {first.text}" if first.what else first.text
    names = [other.what.removeprefix("column ") for other in others]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{said}; likewise {', '.join(names[:SHOWN])}{more}" if names else said
