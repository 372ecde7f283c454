"""Tables: which of their columns are features, and what each column is.

A CSV file has texts, of which `columns` finds out what they are. A Parquet file knows the kinds of
its columns; only what the study file says of one changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.data.cells import MARKS
from sweep.data.columns import Read, read_feature, read_labels, read_number
from sweep.data.notes import Note, key_for
from sweep.data.refuse import refuse
from sweep.spec.columns import ColumnSpec
from sweep.spec.data import DataSpec
from sweep.spec.tasks import TASKS

# pandas takes a while to import: only the functions that read tables do.
if TYPE_CHECKING:
    import pandas as pd

Reader = Callable[["pd.Series", ColumnSpec, str], Read]


def settled(
    frame: pd.DataFrame, data: DataSpec, targets: Sequence[str], groups: str | None,
    notes: Iterable[Note], in_texts: bool,
) -> dict[str, Any]:  # fmt: skip
    """Part a table into features, targets, groups and weights, and settle what each column is.

    Args:
        frame: (N, columns); its columns have texts as names.
        data: the study's data section.
        targets, groups: names of columns.
        notes: what is said of the table already.
        in_texts: whether all cells are texts, an empty one an empty text.

    Returns:
        X, y, perhaps groups and weight; and `notes` with what is said of columns.

    Raises:
        UsageError: in one line, naming the column and the key that settles it.
    """
    import pandas as pd

    specs = data.columns or {}
    columns: dict[str, Read] = {}

    def column(name: str, reader: Reader) -> pd.Series:
        spec = specs.get(name, ColumnSpec())
        columns[name] = read_column(frame[name], spec, data.source, reader, in_texts)
        return columns[name].values

    features = {
        name: column(name, read_feature)
        for name in map(str, frame)
        if name not in (*targets, groups, data.weight)
        and specs.get(name, ColumnSpec()).kind != "drop"
    }
    of_target = read_labels if TASKS[data.task].has_classes else _numbers
    y = {name: column(name, of_target) for name in targets}
    found = {
        "X": pd.DataFrame(features, index=frame.index),
        "y": y[targets[0]] if len(y) == 1 else pd.DataFrame(y, index=frame.index),
    }
    if groups is not None:
        found["groups"] = column(groups, read_labels)
    if data.weight is not None:
        found["weight"] = column(data.weight, _numbers)
    _check_decimals(columns, data.source)
    return {
        **found,
        "notes": [*notes, *(note for read in columns.values() for note in read.notes)],
    }


def with_target(
    column: pd.Series, data: DataSpec, in_texts: bool
) -> tuple[np.ndarray, list[Note]]:
    """Return the rows (n,) that have a target, and say how many have none.

    Raises:
        UsageError: no row has one.
    """
    spec = (data.columns or {}).get(str(column.name), ColumnSpec())
    missing = column.isna()
    if in_texts:
        texts = column.astype(str).str.strip()
        marks = MARKS if spec.kind != "categorical" else frozenset()
        missing |= (texts == "") | texts.str.casefold().isin(marks) | texts.isin(spec.missing)
    rows = np.flatnonzero(~missing)
    n = len(column) - len(rows)
    if not len(rows):
        refuse(f"column {column.name!r} must have values", "none", data.source, "Name another")
    text = f"{n} of {len(column)} rows have no target and are left out"
    return rows, [Note("dropped", f"column {column.name!r}", text)] if n else []


def _check_decimals(columns: dict[str, Read], where: str) -> None:
    """Refuse dots that may stand between thousands, where another column has decimal commas."""
    other = next((name for name, read in columns.items() if read.commas), None)
    for name, read in columns.items():
        if other is not None and read.doubt is not None:
            refuse(
                f"column {name!r} must be numbers that can be read in one way",
                f"{read.doubt!r} where column {other!r} has decimal commas", where,
                "Set " + key_for(name, '{decimal: "."}') + ', or {thousands: "."}',
            )  # fmt: skip


def _numbers(column: pd.Series, spec: ColumnSpec, where: str) -> Read:
    """Read a target of numbers; texts that are none stay, to be refused."""
    return read_number(column, spec, where) or Read(column.where(column != ""), [])


def read_column(
    column: pd.Series, spec: ColumnSpec, where: str, reader: Reader, in_texts: bool
) -> Read:
    """Read a column; one of a typed table as it is, unless the study file says otherwise.

    Args:
        column: (N,) cells.
        spec: what the study file says of it.
        where: the source.
        reader: of columns of texts.
        in_texts: whether the table has texts alone.

    Raises:
        UsageError: in one line, where it is in doubt.
    """
    from pandas.api.types import is_numeric_dtype

    if in_texts and len(column):
        return reader(column, spec, where)
    texts = column.astype(object).where(column.notna(), "").astype(str)
    if is_numeric_dtype(column) and spec.kind in (None, "number"):
        return Read(column.mask(texts.isin(spec.missing)) if spec.missing else column, [])
    return Read(column, []) if spec == ColumnSpec() else reader(texts, spec, where)
