"""Tables too large for memory: columns of numbers of a Parquet file, whose rows are decoded once.

They lie one after another in a file without a name. What is learnt of a column alone is learnt
from the Parquet file, of some columns at a time, as from a table in memory: to the same bits.

| symbol | meaning |
|---|---|
| N, F | rows, or some of them; columns |
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.data.file_rows import BLOCK, FileRows, Header, Stamp, block_rows, refuse_changed
from sweep.data.refuse import LARGEST, refuse_first
from sweep.data.survey import Look, among, cannot_count, counts, may_count, one_pass
from sweep.data.unnamed import Unnamed, folder
from sweep.errors import UsageError

# pandas and pyarrow take a while to import: only what reads tables has them.
if TYPE_CHECKING:
    import pandas as pd
    from pyarrow.parquet import ParquetFile


AT_FIRST = 1 << 16  # rows of a column that tell whether it may count them


class NoRoomError(UsageError):
    """No disk has room for decoded rows."""


@dataclass(frozen=True)
class Origin:
    """Columns of numbers of a Parquet file.

    Attributes:
        path: of the file.
        where: what messages call it.
        stamp: of the file when it was first read; another one is refused.
        columns: their names.
        kind: what their numbers are kept as: float32 where all are such, else float64.
    """

    path: Path
    where: str
    stamp: Stamp
    columns: tuple[str, ...]
    kind: str

    def open(self) -> ParquetFile:
        """Open the file, to read some columns or rows of it.

        Raises:
            UsageError: it is not what it was.
        """
        from pyarrow.parquet import ParquetFile

        try:
            with self.path.open("rb") as file:
                if Stamp.of(file) != self.stamp:
                    refuse_changed(self.path, "a file that was written to")
            # Not a row group whole: that may be as large as the file.
            return ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 16)
        except OSError as error:
            refuse_changed(self.path, str(error))

    def rows(self, at_most: int = BLOCK) -> Iterator[tuple[int, np.ndarray]]:
        """Yield all rows in order, as the place of the first and some (B, F) float64."""
        size, start = min(at_most, block_rows((0, len(self.columns)))), 0
        names = [*self.columns]
        for batch in self.open().iter_batches(size, columns=names, use_threads=False):
            block = _numbers(batch, self.columns).to_numpy()
            yield start, block
            start += len(block)

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield all columns in order, some (N, B) at a time."""
        file = self.open()
        size = max(1, BLOCK // max(1, file.metadata.num_rows))
        for start in range(0, len(self.columns), size):
            names = self.columns[start : start + size]
            yield _numbers(file.read(columns=[*names], use_threads=False), names)


@dataclass(frozen=True, eq=False)
class DecodedRows(FileRows):
    """Rows of a Parquet file in a file without a name.

    Attributes:
        origin: what was decoded.
        unnamed: the file.
    """

    origin: Origin
    unnamed: Unnamed

    def __reduce__(self) -> tuple[Any, ...]:
        """Name the file; a process on another machine decodes its own."""
        path = self.unnamed.path_for_others
        return _again, (self.origin, path, self.header, self.stamp, self.rows)


def _again(
    origin: Origin, path: Path, header: Header, stamp: Stamp, rows: np.ndarray
) -> DecodedRows:
    try:
        unnamed = Unnamed(os.open(path, os.O_RDONLY))
    except OSError:
        return replace(_decoded_here(origin), rows=rows)
    with unnamed.path.open("rb") as file:
        if Stamp.of(file) != stamp:  # a process on this machine that has the same number
            return replace(_decoded_here(origin), rows=rows)
    return DecodedRows(unnamed.path, header, stamp, rows, origin, unnamed)


def _decoded_here(origin: Origin) -> DecodedRows:
    """Decode the copy of a file that another machine has: of another time, but as large."""
    try:
        with origin.path.open("rb") as file:
            stamp = Stamp.of(file)
    except OSError as error:
        refuse_changed(origin.path, str(error))
    if stamp.size_bytes != origin.stamp.size_bytes:
        refuse_changed(origin.path, "another file")
    return decoded(replace(origin, stamp=stamp))


@dataclass(frozen=True, eq=False)
class TableRows:
    """Rows of a table of numbers, (N, F), NaN where a cell is missing.

    Attributes:
        rows: reads them whole.
        gaps: (N,) bool, whether a cell of a row is missing.
    """

    rows: DecodedRows
    gaps: np.ndarray

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.rows.origin.columns

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, F)."""
        return self.rows.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return 2

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Read some of the rows, (B,) or a slice, in that order: (B, F) float64."""
        return self.rows[rows].astype(np.float64)

    def __array__(self, kind: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read all of them."""
        return self[:].astype(kind or np.float64, copy=False)

    def part(self, rows: np.ndarray) -> TableRows:
        """Return some of the rows (n,), in that order; nothing is read."""
        of_file = replace(self.rows, rows=self.rows.rows[rows])
        return TableRows(of_file, self.gaps[rows])

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the rows of some columns at a time, (N, B), as float64."""
        places = self.rows.rows
        for frame in self.rows.origin.frames():
            whole = len(places) == len(frame) and (np.diff(places) > 0).all()
            yield frame if whole else frame.iloc[places].reset_index(drop=True)


def decoded(origin: Origin, *looks: Look) -> DecodedRows:
    """Decode all rows of a file, one after another.

    Args:
        origin: the file.
        looks: what the rows are shown to, float64, NaN where a cell is missing.

    Raises:
        UsageError: in one line, where the disk is full or a number is none to train on.
    """
    n, kind = origin.open().metadata.num_rows, np.dtype(origin.kind)
    header = Header((n, len(origin.columns)), kind, False, 0)
    try:
        unnamed = Unnamed.of_size(header.size_bytes)
        with unnamed.path.open("r+b") as file:

            def write(_: int, block: np.ndarray) -> None:
                file.write(np.ascontiguousarray(block, dtype=kind).data)

            one_pass(origin.rows(), partial(_check, origin), *looks, write)
            file.flush()
            stamp = Stamp.of(file)
    except OSError as error:
        raise NoRoomError(
            f"data.source: must have room on a disk for its rows decoded, got {error.strerror} for"
            f" {header.size_bytes / 1e9:.3g} GB in {folder()} ({origin.where}). Make room there,"
            " or set TMPDIR to a folder on a larger disk"
        ) from error
    return DecodedRows(unnamed.path, header, stamp, np.arange(n), origin, unnamed)


def counting(origin: Origin, rows: np.ndarray) -> list[str]:
    """Name the columns that count rows (n,) of a file; others are not read to their end."""
    return [name for name in may_count(origin.columns, len(rows)) if _counts(origin, name, rows)]


def _counts(origin: Origin, name: str, rows: np.ndarray) -> bool:
    found: list[np.ndarray] = []
    take = among(rows, lambda _, values: found.append(values[:, 0]))
    for start, block in replace(origin, columns=(name,)).rows(AT_FIRST):
        take(start, block)
        if found and cannot_count(found[-1]):
            return False
    return counts(np.concatenate(found))


def _check(origin: Origin, start: int, values: np.ndarray) -> None:
    wrong = np.abs(values) >= LARGEST
    if wrong.any():
        column = int(wrong.any(0).argmax())
        rule = f"column {origin.columns[column]!r} must be finite and below 1e30"
        refuse_first(wrong[:, column], values[:, column], rule, origin.where, first=start)


def _numbers(table: Any, names: tuple[str, ...]) -> pd.DataFrame:
    """Read columns of Arrow as a table in memory has them: float64, NaN where missing."""
    import pandas as pd

    frame = table.to_pandas(ignore_metadata=True)
    columns = {name: frame[name].to_numpy(np.float64, na_value=np.nan) for name in names}
    return pd.DataFrame(columns)
