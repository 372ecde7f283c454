"""Tables: which of their columns are features, and what each column is.

A CSV file has texts, of which `columns` finds out what they are. A Parquet file knows the kinds of
its columns; only what the study file says of one changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.data.cells import MARKS
from sweep.data.columns import Read, read_feature, read_labels, read_number
from sweep.data.images import read_images
from sweep.data.notes import Note, key_for
from sweep.data.parts import PART, Table
from sweep.data.refuse import refuse
from sweep.errors import UsageError, did_you_mean
from sweep.spec.columns import ColumnSpec
from sweep.spec.data import DataSpec
from sweep.spec.tasks import TASKS

# pandas takes a while to import: only the functions that read tables do.
if TYPE_CHECKING:
    import pandas as pd

ROW = "\0row"  # a column of numbers of rows, where only some columns were read
Reader = Callable[["pd.Series", ColumnSpec, str], Read]


def of_table(table: Table, data: DataSpec, folder: Path) -> dict[str, Any]:
    """Settle what each column of a table is, and which rows are read.

    Args:
        table: as it is in its files.
        data: the study's data section.
        folder: of the table, where paths in it start.

    Returns:
        What `read_source` returns of it.

    Raises:
        UsageError: in one line, naming the column and the key that settles it.
    """
    frame, notes, in_texts = table
    targets, groups, weight, own = _roles(frame, data)
    if data.drop_missing_target:
        for target in targets:
            rows, dropped = with_target(frame[target], data, in_texts)
            frame, notes = frame.iloc[rows].reset_index(drop=True), [*notes, *dropped]
    rest = frame.drop(columns=list(own.values()))
    if data.images is not None:
        named = [name for name in (*targets, groups, weight) if name is not None]
        rest, notes = rest[named], [*notes, *_left_out(rest, data.images, named)]
    found = settled(rest, data, targets, groups, notes, in_texts)
    if data.images is not None:
        found["X"] = read_images(frame[data.images], folder, data.where)
    return found | {key: frame[name] for key, name in own.items() if key != "images"}


def named_columns(frame: pd.DataFrame, data: DataSpec) -> list[str]:
    """Return the columns of a table that are no features, as its file has them in order.

    Args:
        frame: the table, or one without rows.
        data: the study's data section.

    Raises:
        UsageError: in one line, where a key names a column that is not there or not fit.
    """
    targets, groups, weight, own = _roles(frame, data)
    named = {*targets, groups, weight, *own.values()}
    return [name for name in map(str, frame) if name in named]


def _roles(
    frame: pd.DataFrame, data: DataSpec
) -> tuple[list[str], str | None, str | None, dict[str, str]]:
    """Name the targets, the groups, the weights, and by key what says where rows belong."""
    targets = [_named(frame, "target", name, data.where) for name in data.targets or (None,)]
    groups = None if data.groups is None else _named(frame, "groups", data.groups, data.where)
    weight = None if data.weight is None else _named(frame, "weight", data.weight, data.where)
    for key, name, others in (("groups", groups, targets), ("weight", weight, [*targets, groups])):
        if name is not None and name in others:
            what = "groups" if name == groups and key == "weight" else "target"
            raise UsageError(
                f"data.{key}: must be another column than the {what}, got {name!r} "
                f"({data.where}). Name the column of the {key}, or null"
            )
    _check_columns(frame, data)
    return targets, groups, weight, _own_columns(frame, data, (*targets, groups, weight))


def _left_out(frame: pd.DataFrame, images: str, named: Sequence[str]) -> list[Note]:
    """Say which columns are no features, where images are all of them."""
    others = [repr(name) for name in map(str, frame) if name not in (images, *named)]
    text = f"the features are the images of column {images!r}; left out: {', '.join(others[:9])}"
    return [Note("images", "", text)] if others else []


def _own_columns(
    frame: pd.DataFrame, data: DataSpec, taken: tuple[str | None, ...]
) -> dict[str, str]:
    """Return the columns that say where rows belong, by key: they are no features."""
    given = {
        "fold": data.fold, "split": data.split, "time": data.time, "images": data.images,
    }  # fmt: skip
    given = {key: name for key, name in given.items() if name is not None}
    own = {key: _named(frame, key, name, data.where) for key, name in given.items()}
    own |= {key: name for key, name in (("part", PART), (ROW, ROW)) if name in frame}
    for key, name in own.items():
        if name in taken or [*own.values()].count(name) > 1:
            raise UsageError(
                f"data.{key}: must be a column of its own, got {name!r}, which is named twice"
                f" ({data.where}). Name another"
            )
    return own


def _check_columns(frame: pd.DataFrame, data: DataSpec) -> None:
    """Refuse keys for columns that are not there, and to drop one that is needed."""
    for name, spec in (data.columns or {}).items():
        if name not in frame:
            hint = did_you_mean(name, frame.columns)
            raise UsageError(
                f"data.columns: must name columns, got {name!r} ({data.where}). {hint}"
            )
        uses = dict.fromkeys(data.targets, "targets")
        uses |= {data.groups or "": "groups", data.weight or "": "weights"}
        if spec.kind == "drop" and name in uses:
            raise UsageError(
                f"data.columns.{name}: must not be dropped, got drop for the column of"
                f" {uses[name]} ({data.where}). Remove it"
            )


def _named(frame: pd.DataFrame, key: str, name: str | None, where: str) -> str:
    if name is None or name not in frame:
        got = "null" if name is None else repr(name)
        raise UsageError(
            f"data.{key}: must name a column, got {got} ({where}). "
            f"{did_you_mean(name or '', frame.columns)}"
        )
    return name


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
        columns[name] = read_column(frame[name], spec, data.where, reader, in_texts)
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
    _check_decimals(columns, data.where)
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
        refuse(f"column {column.name!r} must have values", "none", data.where, "Name another")
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
    is_number = is_numeric_dtype(column) and spec.kind in (None, "number")
    if is_number and not spec.missing:
        return Read(column, [])
    texts = column.astype(object).where(column.notna(), "").astype(str)
    if is_number:
        return Read(column.mask(texts.isin(spec.missing)), [])
    return Read(column, []) if spec == ColumnSpec() else reader(texts, spec, where)
