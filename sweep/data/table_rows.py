"""Tables too large for memory: columns of Parquet files, whose rows are decoded once.

They lie one after another in a file without a name, texts as codes. What is learnt of a column
alone is learnt from the Parquet files, of some columns at a time, as from a table in memory: to
the same bits.

| symbol | meaning |
|---|---|
| N, F | rows, or some of them; columns |
| K | different texts of a column in the rows |
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.data.file_rows import FileRows, Header, Stamp, refuse_changed
from sweep.data.origin import Origin, Source
from sweep.data.refuse import LARGEST, refuse_first
from sweep.data.survey import Look, among, cannot_count, counts, may_count, one_pass
from sweep.data.unnamed import Unnamed, folder
from sweep.data.vocabulary import NotInPartError, Vocabulary

# pandas takes a while to import: only what reads tables has it.
if TYPE_CHECKING:
    import pandas as pd

AT_FIRST = 1 << 16  # rows of a column that tell whether it may count them


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
    return decoded(replace(origin, sources=tuple(map(_as_here, origin.sources))))


def _as_here(source: Source) -> Source:
    try:
        with source.path.open("rb") as file:
            stamp = Stamp.of(file)
    except OSError as error:
        refuse_changed(source.path, str(error))
    if stamp.size_bytes != source.stamp.size_bytes:
        refuse_changed(source.path, "another file")
    return source._replace(stamp=stamp)


@dataclass(frozen=True, eq=False)
class TableRows:
    """Rows of a table, (N, F), NaN where a cell is missing; texts are codes.

    Attributes:
        rows: reads them whole.
        gaps: (N,) bool, whether a cell of a row is missing.
    """

    rows: DecodedRows
    gaps: np.ndarray
    _texts: dict[str, list[str]] = field(default_factory=dict)  # what `codes` has found

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.rows.origin.columns

    @property
    def vocabularies(self) -> Mapping[str, Vocabulary]:
        """Those of the columns of texts, by name, in order."""
        return self.rows.origin.vocabularies

    @property
    def texts(self) -> dict[str, list[str]]:
        """The texts that the rows have, in order, by column."""
        if len(self._texts) < len(self.vocabularies):
            for _ in self.codes():
                pass
        return self._texts

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

    def codes(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield the columns of texts in order.

        Returns:
            Their names; the codes of all rows, (N,), -1 where a cell is missing; and those of the
            rows' different texts in order, (K,).
        """
        for name, codes in self.rows.origin.codes():
            codes = codes[self.rows.rows]
            texts = self.vocabularies[name].texts
            here = np.flatnonzero(np.bincount(codes + 1, minlength=1)[1:]).tolist()
            here.sort(key=texts.__getitem__)
            self._texts[name] = [texts[code] for code in here]
            yield name, codes, np.array(here, dtype=np.int64)


def decoded(origin: Origin, *looks: Look) -> DecodedRows:
    """Decode all rows of a file, one after another.

    Args:
        origin: the file.
        looks: what the rows are shown to, float64, NaN where a cell is missing.

    Raises:
        UsageError: in one line, where the disk is full or a number is none to train on.
    """
    n, kind = origin.n_rows, np.dtype(origin.kind)
    header = Header((n, len(origin.columns)), kind, False, 0)
    try:
        unnamed = Unnamed.of_size(header.size_bytes)
        with unnamed.path.open("r+b") as file:

            def write(_: int, block: np.ndarray) -> None:
                file.write(np.ascontiguousarray(block, dtype=kind).data)

            one_pass(origin.rows(), partial(_check, origin), *looks, write)
            file.flush()
            for vocabulary in origin.vocabularies.values():
                vocabulary.end()
            stamp = Stamp.of(file)
    except OSError as error:
        if error.errno is None:  # Arrow cannot decode them
            raise
        raise NotInPartError(
            f"data.source: must have room on a disk for its rows decoded, got {error.strerror} for"
            f" {header.size_bytes / 1e9:.3g} GB in {folder()} ({origin.where}). Make room there,"
            " or set TMPDIR to a folder on a larger disk"
        ) from error
    return DecodedRows(unnamed.path, header, stamp, np.arange(n), origin, unnamed)


def counting(origin: Origin, rows: np.ndarray) -> list[str]:
    """Name the columns that count rows (n,) of a file; others are not read to their end."""
    named = may_count(origin.columns, len(rows))
    numbers = [name for name in named if name not in origin.vocabularies]
    return [name for name in numbers if _counts(origin, name, rows)]


def _counts(origin: Origin, name: str, rows: np.ndarray) -> bool:
    found: list[np.ndarray] = []
    take = among(rows, lambda _, values: found.append(values[:, 0]))
    for start, block in replace(origin, columns=(name,), vocabularies={}).rows(AT_FIRST):
        take(start, block)
        if found and cannot_count(found[-1]):
            return False
    return counts(np.concatenate(found))


def _check(origin: Origin, start: int, values: np.ndarray) -> None:
    wrong = np.abs(values) >= LARGEST  # codes never are
    if wrong.any():
        column = int(wrong.any(0).argmax())
        rule = f"column {origin.columns[column]!r} must be finite and below 1e30"
        refuse_first(wrong[:, column], values[:, column], rule, origin.where, first=start)
