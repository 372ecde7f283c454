"""Parquet files: read whole; or their targets alone, and the features as rows that lie in a file.

| symbol | meaning |
|---|---|
| N | rows of the file |
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweep.data.features import refuse_empty
from sweep.data.file_rows import Stamp
from sweep.data.files import read_file
from sweep.data.notes import Note, key_for
from sweep.data.npy import STREAMED_BYTES
from sweep.data.parts import Table
from sweep.data.refuse import refuse
from sweep.data.survey import TableSeen
from sweep.data.table_rows import NoRoomError, Origin, TableRows, counting, decoded
from sweep.data.tables import ROW, named_columns, of_table
from sweep.runtime import total_memory_bytes
from sweep.spec.columns import ColumnSpec
from sweep.spec.data import DataSpec

# pandas and pyarrow take a while to import: only what reads tables has them.
if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a table that keeps its kinds of columns.

    Raises:
        ValueError: its columns, as the file says, are larger than the memory.
    """
    import pandas as pd
    from pyarrow import parquet

    about = parquet.read_metadata(path)
    size = sum(about.row_group(at).total_byte_size for at in range(about.num_row_groups))
    if size > total_memory_bytes():
        raise ValueError(f"columns of {size / 1e9:.3g} GB, more than the memory")
    return pd.read_parquet(path)


class _Found(NamedTuple):
    """A file that may be read in part.

    Attributes:
        origin: its features.
        beside: names of the columns that are none.
        size_bytes: of the features decoded.
        lacking: the rule that it breaks, what it has instead and what to do; None: none.
    """

    origin: Origin
    beside: list[str]
    size_bytes: int
    lacking: tuple[str, str, str] | None


def read_in_part(data: DataSpec, folder: Path) -> dict[str, Any] | None:
    """Read what is no feature, and decode the features into a file that is read row by row.

    Args:
        data: the study's data section.
        folder: where relative paths start.

    Returns:
        What `read_source` does; None: the table is to be read whole.

    Raises:
        UsageError: in one line, naming the file, the column and the key that settles it.
    """
    path = folder / data.source
    found: _Found | None = read_file(partial(_look, data=data), path)
    if found is None or not (data.stream or found.size_bytes > STREAMED_BYTES):
        return None
    needed = found.size_bytes > total_memory_bytes()
    if found.lacking:
        if data.stream or needed:
            rule, got, hint = found.lacking
            way_out = "" if needed else ", or remove data.stream"
            refuse(f"{rule} to be read in part", got, data.source, hint + way_out)
        return None
    try:
        return _in_part(found, data, path)
    except NoRoomError:
        if data.stream or needed:
            raise
        return None


def _in_part(found: _Found, data: DataSpec, path: Path) -> dict[str, Any]:
    def read(_: Path) -> pd.DataFrame:
        columns, file = found.beside, found.origin.open()
        frame: pd.DataFrame = file.read(columns=columns).to_pandas().reset_index(drop=True)
        return frame.rename(columns=str)[columns]

    frame = read_file(read, path)
    columns = {name: spec for name, spec in (data.columns or {}).items() if name in found.beside}
    narrow = data.model_copy(update={"columns": columns or None})
    table = Table(frame.assign(**{ROW: np.arange(len(frame))}), (), False)
    rows = of_table(table, narrow, path.parent)
    X, seen = _surveyed(found.origin, rows.pop(ROW).to_numpy())
    text = f"rows of {data.source} are decoded into a file, {found.size_bytes / 1e9:.3g} GB, and"
    note = Note("streamed", "", f"{text} read batch by batch")
    return rows | {"X": X, "seen": seen, "notes": [note, *rows["notes"]]}


def _surveyed(origin: Origin, rows: np.ndarray) -> tuple[TableRows, TableSeen]:
    """Decode all rows, and look at those (n,) that are wanted as they pass by."""
    seen = TableSeen(origin.columns, rows, counting(origin, rows))
    of_file = decoded(origin, seen.look)
    empty = np.flatnonzero(seen.constants.present == 0)
    if len(empty):
        refuse_empty(origin.columns[empty[0]], origin.where)
    return TableRows(replace(of_file, rows=rows), seen.gaps), seen


def _look(path: Path, data: DataSpec) -> _Found | None:
    """Find out from its schema what is to be read of a file; None: it is small."""
    from pyarrow.parquet import ParquetFile

    with path.open("rb") as opened:
        stamp = Stamp.of(opened)
    file = ParquetFile(path)
    most = 8 * file.metadata.num_rows * file.metadata.num_columns
    if not data.stream and (data.stream is False or most <= STREAMED_BYTES):
        return None
    schema = file.schema_arrow
    bare = schema.empty_table().to_pandas().rename(columns=str)
    beside = named_columns(bare, data)
    specs = data.columns or {}
    names = [
        name
        for name in map(str, bare)
        if name not in beside and specs.get(name, ColumnSpec()).kind != "drop"
    ]
    lacking = _lacking(schema, names, data)
    kinds = [] if lacking else [schema.field(name).type.to_pandas_dtype() for name in names]
    kind = "<f4" if kinds and all(np.dtype(one).name in _SINGLE for one in kinds) else "<f8"
    size = file.metadata.num_rows * len(names) * np.dtype(kind).itemsize
    origin = Origin(path, data.source, stamp, tuple(names), kind)
    return _Found(origin, beside, size, lacking)


_SINGLE = ("float16", "float32")


def _lacking(schema: pa.Schema, names: list[str], data: DataSpec) -> tuple[str, str, str] | None:
    """Say why a file cannot be read in part, if it cannot."""
    from pyarrow import types

    for key in ("validation", "test", "images"):
        if getattr(data, key) is not None:
            rule, hint = "rows must lie in one file", f"Remove data.{key}"
            return rule, f"data.{key}", hint
    if not names or len({*schema.names}) < len(schema.names):
        return "columns of features must have names of their own", "others", "Rename them"
    for name in names:
        spec = (data.columns or {}).get(name, ColumnSpec())
        kind = schema.field(name).type
        hint = f"Set {key_for(name, 'drop')}, or write numbers"
        if not (types.is_integer(kind) or types.is_floating(kind)):
            return "columns of features must be numbers", f"{kind} in column {name!r}", hint
        if spec.kind not in (None, "number") or spec.missing:
            got = f"other keys for column {name!r}"
            return "columns of features must be numbers as they are", got, hint
    return None
