"""Tables as files have them, and rows that lie in several: to train, to validate, to test on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweep.data.notes import Note
from sweep.errors import UsageError

# pandas takes a while to import: only what reads tables does.
if TYPE_CHECKING:
    import pandas as pd

PART = "\0part"  # the column that says which file a row is of: no file has one of that name
_NAMES = {"source": 0, "validation": 1, "test": 2}


class Table(NamedTuple):
    """A table as a file has it.

    Attributes:
        frame: (N, columns); names of columns are texts.
        notes: what a user should know of how it was read.
        in_texts: whether all cells are texts, an empty one an empty text.
    """

    frame: pd.DataFrame
    notes: Sequence[Note]
    in_texts: bool


def stacked(tables: Mapping[str, Table], files: Mapping[str, str], target: str | None) -> Table:
    """Put the rows of several files below each other, with a column that says of which each is.

    Args:
        tables: by the key of `data` that names the file, the rows to train on first.
        files: their names, by the same keys.
        target: the column to predict, for messages.

    Raises:
        UsageError: in one line, where a file has other columns than the first, or no rows.
    """
    import pandas as pd

    first = tables["source"]
    frames = []
    for key, table in tables.items():
        if not len(table.frame):
            raise UsageError(f"data.{key}: must have rows, got none ({files[key]}). Add some")
        check_alike(key, table, first, files, target)
        frames.append(table.frame[list(first.frame)].assign(**{PART: _NAMES[key]}))
    notes = {note: None for table in tables.values() for note in table.notes}
    return first._replace(frame=pd.concat(frames, ignore_index=True), notes=[*notes])


def places(parts: Any) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the folds of rows by their `PART`, (N,), and which are test rows.

    Returns:
        (N,) int64, 0 for rows to validate on and -1 for others, None where folds are drawn; and
        (N,) bool.
    """
    numbers = np.asarray(parts)
    validates = numbers == _NAMES["validation"]
    folds = np.where(validates, 0, -1).astype(np.int64) if validates.any() else None
    return folds, numbers == _NAMES["test"]


def check_alike(
    key: str, table: Table, first: Table, files: Mapping[str, str], target: str | None
) -> None:
    """Refuse a table that has other columns than the first; arguments as of `stacked`."""
    mine, others, whose = list(table.frame), list(first.frame), files["source"]
    rule = f"data.{key}: must have the columns of {whose}, got"
    if table.in_texts != first.in_texts:
        raise UsageError(
            f"data.{key}: must be a file like {whose}, got one of another kind ({files[key]})."
            " Write both as CSV, or both as Parquet"
        )
    if lacking := [name for name in others if name not in mine]:
        hint = "Add it"
        if target in lacking:
            lacking, hint = (
                [target],
                "Rows without a target are of no use here: leave the file out",
            )
        raise UsageError(f"{rule} no {lacking[0]!r} ({files[key]}). {hint}")
    if more := [name for name in mine if name not in others]:
        raise UsageError(f"{rule} another, {more[0]!r} ({files[key]}). Remove it there")
    for name in others:
        kinds = _kind(first.frame[name]), _kind(table.frame[name])
        if kinds[0] != kinds[1]:
            got = f"{kinds[1]} in column {name!r}, which are {kinds[0]} there"
            raise UsageError(f"{rule} {got} ({files[key]}). Write them alike")


def _kind(column: pd.Series) -> str:
    from pandas.api.types import infer_dtype, is_bool_dtype, is_numeric_dtype

    if column.dtype.kind in "mM":
        return "times"
    if is_bool_dtype(column) or infer_dtype(column, skipna=True) == "boolean":
        return "true and false"
    return "numbers" if is_numeric_dtype(column) else "texts"
