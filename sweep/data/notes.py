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
    simple = _SIMPLE.fullmatch(column) and column.lower() not in _NO_NAMES
    return f"data.columns: {{{column if simple else json.dumps(column)}: {value}}}"


def listed(names: Iterable[str]) -> str:
    """List names, as Python writes texts; of many only some."""
    found = [repr(name) for name in names]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def _line(first: Note, others: list[Note]) -> str:
    said = f"{first.what}: {first.text}" if first.what else first.text
    names = [other.what.removeprefix("column ") for other in others]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{said}; likewise {', '.join(names[:SHOWN])}{more}" if names else said
