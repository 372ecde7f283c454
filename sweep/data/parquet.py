"""Parquet files: read whole; or their targets alone, and the features as rows that lie in a file.

| symbol | meaning |
|---|---|
| N | rows of the file |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from sweep.data.features import dates_read, judged, refuse_empty
from sweep.data.file_rows import Stamp
from sweep.data.files import read_file
from sweep.data.guarded import describe
from sweep.data.kinds import Kinds, Lacking, kinds_of
from sweep.data.notes import Note
from sweep.data.npy import STREAMED_BYTES
from sweep.data.origin import Origin, Source
from sweep.data.parts import Table, check_alike, stacked
from sweep.data.refuse import refuse
from sweep.data.survey import TableSeen
from sweep.data.table_rows import TableRows, counting, decoded
from sweep.data.tables import ROW, named_columns, of_table
from sweep.data.vocabulary import NotInPartError
from sweep.errors import SweepError
from sweep.runtime import total_memory_bytes
from sweep.spec.data import DataSpec

# pandas and pyarrow take a while to import: only what reads tables has them.
if TYPE_CHECKING:
    import pandas as pd
    from pyarrow.parquet import ParquetFile


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a table that keeps its kinds of columns.

    Raises:
        ValueError: its columns, as the file says, are larger than the memory.
    """
    import pandas as pd
    from pyarrow import parquet

    about = parquet.read_metadata(path)
    _check_names(about.schema.to_arrow_schema().names)
    size = sum(about.row_group(at).total_byte_size for at in range(about.num_row_groups))
    if size > total_memory_bytes():
        raise ValueError(f"columns of {size / 1e9:.3g} GB, more than the memory")
    return _with_index(pd.read_parquet(path))


def _check_names(names: list[str]) -> None:
    """Raise ValueError where two columns have the same name."""
    name, n = Counter(names).most_common(1)[0] if names else ("", 0)
    if n > 1:
        raise ValueError(f"{n} columns of the name {name!r}")


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Make columns of an index that has names: those are columns of the file, which pandas wrote.

    An index that only counts the rows is no column of it.
    """
    import pandas as pd

    if isinstance(frame.index, pd.RangeIndex) or None in frame.index.names:
        return frame.reset_index(drop=True)
    return frame.reset_index()


class _Opened(NamedTuple):
    """A file of which nothing is read but what it says of itself.

    Attributes:
        source: where it lies.
        file: it.
        frame: its columns as a table in memory has them, without rows.
        key: of the study file, that names it.
    """

    source: Source
    file: ParquetFile
    frame: pd.DataFrame
    key: str


class _Found(NamedTuple):
    """What there is in files that may be read in part.

    Attributes:
        beside: names of the columns that are no features.
        names: of those that are.
        kinds: what features are; or why they cannot be read in part.
        size_bytes: of the features decoded.
    """

    beside: list[str]
    names: list[str]
    kinds: Kinds | Lacking
    size_bytes: int


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
    opened = _opened(data, folder)
    found = _look(opened, data) if opened else None
    if found is None or not (data.stream or found.size_bytes > STREAMED_BYTES):
        return None
    needed = found.size_bytes > total_memory_bytes()
    try:
        if isinstance(found.kinds, Lacking):
            _refuse(found.kinds, data, "" if needed else ", or remove data.stream")
        return _in_part(found, found.kinds, opened, data, folder)
    except NotInPartError:
        if data.stream or needed:
            raise
        return None


def _refuse(lacking: Lacking, data: DataSpec, way_out: str) -> NoReturn:
    raise NotInPartError(
        f"data.source: {lacking.rule} to be read in part, got {lacking.got} ({data.where})."
        f" {lacking.hint}{way_out}"
    )


def _opened(data: DataSpec, folder: Path) -> list[_Opened]:
    """Open all files; none where they are not to be read in part, or not all of this kind."""
    suffixes = {Path(file).suffix.lower() for file in data.files.values()}
    if data.stream is False or suffixes != {".parquet"}:
        return []
    return [
        read_file(partial(_open, key=key), folder / file, f"data.{key}")
        for key, file in data.files.items()
    ]


def _open(path: Path, key: str) -> _Opened:
    from pyarrow.parquet import ParquetFile

    with path.open("rb") as file:
        stamp = Stamp.of(file)
    found = ParquetFile(path)
    _check_names(found.schema_arrow.names)
    frame = _with_index(found.schema_arrow.empty_table().to_pandas()).rename(columns=str)
    return _Opened(Source(path, stamp), found, frame, key)


def _look(opened: list[_Opened], data: DataSpec) -> _Found | None:
    """Find out from schemas what is to be read of files; None: they are small, or empty."""
    about = [each.file.metadata for each in opened]
    most = sum(8 * each.num_rows * each.num_columns for each in about)
    if not most or (not data.stream and most <= STREAMED_BYTES):
        return None
    beside, names = _columns(opened, data)
    kinds = _kinds(opened, names, data)
    width = 8 if isinstance(kinds, Lacking) else np.dtype(kinds.number).itemsize
    size = width * len(names) * sum(each.num_rows for each in about)
    return _Found(beside, names, kinds, size)


def _columns(opened: list[_Opened], data: DataSpec) -> tuple[list[str], list[str]]:
    """Name the columns that are no features, and those that are.

    Raises:
        UsageError: in one line, where a key names a column that is not there or not fit, or the
            files have different columns.
    """
    first, target = opened[0], next(iter(data.targets), None)
    table = Table(first.frame, (), False)
    for other in opened[1:]:
        mine = table._replace(frame=other.frame)
        check_alike(other.key, mine, table, data.files, target)
    beside = named_columns(first.frame, data)
    dropped = {name for name, spec in (data.columns or {}).items() if spec.kind == "drop"}
    names = [name for name in map(str, first.frame) if name not in (*beside, *dropped)]
    return beside, names


def _kinds(opened: list[_Opened], names: list[str], data: DataSpec) -> Kinds | Lacking:
    """Find out from schemas what features are, or why files cannot be read in part."""
    if data.images is not None:
        return Lacking("rows must lie in one file", "data.images", "Remove data.images")
    if not names:
        return Lacking("there must be columns of features", "none", "Add some")
    return kinds_of([each.file for each in opened], [each.frame for each in opened], names, data)


def _in_part(
    found: _Found, kinds: Kinds, opened: list[_Opened], data: DataSpec, folder: Path
) -> dict[str, Any]:
    sources = tuple(each.source for each in opened)
    origin = Origin(sources, data.where, tuple(found.names), *kinds)
    tables = {}
    for each in opened:
        read = partial(_beside, source=each.source, names=found.beside)
        tables[each.key] = read_file(read, each.source.path, f"data.{each.key}")
    target = next(iter(data.targets), None)
    table = stacked(tables, data.files, target) if len(tables) > 1 else tables["source"]
    columns = {name: spec for name, spec in (data.columns or {}).items() if name in found.beside}
    narrow = data.model_copy(update={"columns": columns or None})
    frame = table.frame.assign(**{ROW: np.arange(len(table.frame))})
    rows = of_table(table._replace(frame=frame), narrow, (folder / data.source).parent)
    X, seen = _surveyed(origin, rows.pop(ROW).to_numpy())
    text = f"rows of {data.where} are decoded into a file, {found.size_bytes / 1e9:.3g} GB, and"
    note = Note("streamed", "", f"{text} read batch by batch")
    return rows | {"X": X, "seen": seen, "notes": [note, *rows["notes"], *_said(X, seen)]}


def _beside(_: Path, source: Source, names: list[str]) -> Table:
    """Read the columns of a file that are no features."""
    frame = _with_index(source.open().read(columns=names).to_pandas())
    return Table(frame.rename(columns=str)[names], (), False)


def _surveyed(origin: Origin, rows: np.ndarray) -> tuple[TableRows, TableSeen]:
    """Decode all rows, and look at those (n,) that are wanted as they pass by.

    Raises:
        UsageError: a row cannot be decoded, or see `decoded`.
    """
    try:
        seen = TableSeen(origin.columns, rows, counting(origin, rows), origin.vocabularies)
        of_file = decoded(origin, seen.look)
    except (SweepError, MemoryError):
        raise
    except Exception as error:  # Arrow has many, and IndexError is ours
        refuse("must be a readable .parquet file", describe(error), origin.where,
               "Write it anew", error)  # fmt: skip
    return TableRows(replace(of_file, rows=rows), seen.gaps), seen


def _said(X: TableRows, seen: TableSeen) -> Iterator[Note]:
    """Refuse columns that are empty or hardly categories; say how others were read."""
    import pandas as pd

    origin = X.rows.origin
    for name, n in zip(X.columns, seen.constants.present.tolist(), strict=True):
        if not n:
            refuse_empty(name, origin.where)
        if name in origin.days:
            yield dates_read(name)
        if name not in X.vocabularies:
            continue
        vocabulary, tally = X.vocabularies[name], seen.tallies[name]
        vocabulary.check_words(tally)
        if vocabulary.may_be_odd:
            first = pd.Series(tally.first, vocabulary.texts[: len(tally.first)])
            first = first[first >= 0].sort_values()
            counts = pd.Series(tally.counts, vocabulary.texts[: len(tally.counts)])[first.index]
            often = counts.sort_values(ascending=False, kind="stable")
            yield from judged(often, name, origin.where, first.__getitem__)
