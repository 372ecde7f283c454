"""Columns of Parquet files as numbers: some rows, or some columns, at a time.

| symbol | meaning |
|---|---|
| N, F | rows; columns |
| B | rows or columns that are read together |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweep.data.dates import days_of
from sweep.data.file_rows import BLOCK, Stamp, block_rows, refuse_changed
from sweep.data.vocabulary import Vocabulary

# pandas and pyarrow take a while to import: only what reads tables has them.
if TYPE_CHECKING:
    import pandas as pd
    from pyarrow.parquet import FileMetaData, ParquetFile


class Source(NamedTuple):
    """A Parquet file, and its stamp when it was first read; another one is refused."""

    path: Path
    stamp: Stamp

    def open(self, texts: Iterable[str] = ()) -> ParquetFile:
        """Open the file, to read some columns or rows of it; `texts` are read as codes.

        Raises:
            UsageError: it is not what it was.
        """
        from pyarrow.parquet import ParquetFile

        try:
            with self.path.open("rb") as file:
                if Stamp.of(file) != self.stamp:
                    refuse_changed(self.path, "a file that was written to")
            # Not a row group whole: that may be as large as the file.
            read = partial(ParquetFile, self.path, pre_buffer=False, buffer_size=1 << 16)
            plain = _without_dictionary(read().metadata) if (names := {*texts}) else set()
            return read(read_dictionary=[*(names - plain)])
        except OSError as error:
            refuse_changed(self.path, str(error))


def _without_dictionary(about: FileMetaData) -> set[str]:
    """Name the columns whose texts Arrow cannot read as a dictionary: differences are kept."""
    groups = (about.row_group(at) for at in range(about.num_row_groups))
    columns = (group.column(at) for group in groups for at in range(group.num_columns))
    return {
        column.path_in_schema
        for column in columns
        if any(encoding.startswith("DELTA") for encoding in column.encodings)
    }


@dataclass(frozen=True)
class Origin:
    """Columns of Parquet files, whose rows follow each other.

    Attributes:
        sources: the files.
        where: what messages call them.
        columns: their names.
        kind: what their numbers are kept as: float32 where all are such, else float64.
        vocabularies: of the columns of texts, by name.
        days: names of columns of dates and moments.
    """

    sources: tuple[Source, ...]
    where: str
    columns: tuple[str, ...]
    kind: str
    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)
    days: frozenset[str] = frozenset()

    @property
    def n_rows(self) -> int:
        """N."""
        return sum(source.open().metadata.num_rows for source in self.sources)

    def rows(self, at_most: int = BLOCK) -> Iterator[tuple[int, np.ndarray]]:
        """Yield all rows in order, as the place of the first and some (B, F) float64.

        Texts are codes, and NaN where a cell is missing, as among numbers.
        """
        size, start = min(at_most, block_rows((0, len(self.columns)))), 0
        for source in self.sources:
            for vocabulary in self.vocabularies.values():
                vocabulary.begin_file()
            for batch in self._batches(source, self.columns, size):
                block = self._numbers(batch, self.columns).to_numpy()
                yield start, block
                start += len(block)

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield the columns of numbers in order, some (N, B) at a time."""
        import pandas as pd

        names = [name for name in self.columns if name not in self.vocabularies]
        files = [source.open() for source in self.sources]
        n = sum(file.metadata.num_rows for file in files)
        size = max(1, BLOCK // max(1, n))
        for start in range(0, len(names), size):
            some = names[start : start + size]
            parts = (file.read(columns=some, use_threads=False) for file in files)
            frames = [self._numbers(part, some) for part in parts]
            yield frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)

    def codes(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the columns of texts in order, by name: (N,) int32 codes, -1 where missing."""
        n = self.n_rows if self.vocabularies else 0
        for name, vocabulary in self.vocabularies.items():
            found, start = np.empty(n, dtype=np.int32), 0
            for source in self.sources:
                for batch in self._batches(source, (name,), BLOCK):
                    found[start : start + len(batch)] = vocabulary.codes(batch.column(name))
                    start += len(batch)
            yield name, found

    def _batches(self, source: Source, names: Sequence[str], size: int) -> Iterator[Any]:
        file = source.open(name for name in names if name in self.vocabularies)
        yield from file.iter_batches(size, columns=[*names], use_threads=False)

    def _numbers(self, table: Any, names: Sequence[str]) -> pd.DataFrame:
        """Read columns of Arrow as float64, NaN where a cell is missing."""
        import pandas as pd

        return pd.DataFrame({name: self._column(table.column(name), name) for name in names})

    def _column(self, cells: Any, name: str) -> np.ndarray:
        """Read a column of Arrow as a table in memory has it: (B,) float64."""
        if name in self.vocabularies:
            codes = self.vocabularies[name].codes(cells)
            return np.where(codes < 0, np.nan, codes)
        column = cells.to_pandas()
        column = days_of(column) if name in self.days else column
        found: np.ndarray = column.to_numpy(np.float64, na_value=np.nan)
        return found
