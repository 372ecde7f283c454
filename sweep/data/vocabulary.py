"""Columns of texts in a file of numbers: each different text is a code.

| symbol | meaning |
|---|---|
| B | rows that are read together |
| V | different texts of a column |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sweep.data.cells import BOOLEANS
from sweep.data.file_rows import refuse_changed
from sweep.data.notes import key_for
from sweep.errors import UsageError
from sweep.spec.columns import ColumnSpec

# pandas and pyarrow take a while to import: only what reads tables has them.
if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LARGEST_BYTES = 1 << 28  # of the different texts of a column
_EACH_BYTES = 100  # of a text beside its letters


class NotInPartError(UsageError):
    """A table cannot be read in part, though it may be read whole."""


class Tally(NamedTuple):
    """How many rows have each text of a column, (V,), and the first of them."""

    counts: np.ndarray
    first: np.ndarray

    def plus(self, start: int, codes: np.ndarray) -> Tally:
        """Add rows (B,); the first of them is at `start`."""
        present = np.flatnonzero(codes >= 0)
        which = codes[present]
        counts = np.bincount(which, minlength=len(self.counts))
        more = len(counts) - len(self.counts)
        first = np.append(self.first, np.full(more, -1))
        before = first.copy()
        first[which[::-1]] = start + present[::-1]  # the last that is written is the first row
        first[before >= 0] = before[before >= 0]
        counts[: len(self.counts)] += self.counts
        return Tally(counts, first)


class Vocabulary:
    """The different texts of a column, each with a code: its place among them.

    Args:
        name: of the column.
        spec: what the study file says of it: nothing, or that it has categories.
        where: the source.
        as_floats: whether its cells are whole numbers that a missing one has made floats.
        is_category: whether each file says that it has categories.
    """

    def __init__(
        self, name: str, spec: ColumnSpec, where: str, *,
        as_floats: bool = False, is_category: bool = False,
    ):  # fmt: skip
        self.name, self.where, self._spec, self._as_floats = name, where, spec, as_floats
        self._is_category = is_category
        self._places: dict[str, int] = {}
        self._n_bytes, self._is_whole = 0, False
        self._of_files: list[set[int]] = []

    @property
    def texts(self) -> list[str]:
        """The texts by code, (V,)."""
        return [*self._places]

    @property
    def may_be_odd(self) -> bool:
        """Whether nobody says that the texts are categories; files that differ do not."""
        alike = all(codes == self._of_files[0] for codes in self._of_files)
        return not self._spec.kind and not (self._is_category and alike)

    def begin_file(self) -> None:
        """Tell that the next cells are of another file."""
        if not self._is_whole:
            self._of_files.append(set())

    def end(self) -> None:
        """Tell that there are no more texts."""
        self._is_whole = True

    def codes(self, cells: pa.Array) -> np.ndarray:
        """Return the code of each cell, (B,) int64; -1 where it is missing.

        Raises:
            UsageError: there are more different texts than memory should hold, or a new one
                where there are no more.
        """
        import pyarrow as pa

        if not isinstance(cells, pa.DictionaryArray):
            cells = cells.dictionary_encode()
        found = [self._code(text) for text in self._read(cells.dictionary)]
        if self._is_category and not self._is_whole:
            self._of_files[-1].update(found)
        places = cells.indices.cast(pa.int64()).fill_null(-1).to_numpy()
        if (places >= len(found)).any():
            raise IndexError(f"text {places.max()} of {len(found)} in column {self.name!r}")
        codes: np.ndarray = np.array([*found, -1])[places]
        return codes

    def column(self, codes: np.ndarray) -> pd.Categorical:
        """Turn codes (B,), NaN where a cell is missing, into texts."""
        import pandas as pd

        return pd.Categorical.from_codes(as_codes(codes), pd.Index(self.texts, dtype=object))

    def check_words(self, tally: Tally) -> None:
        """Refuse words for true and false, which are read in one way: that takes all rows.

        Raises:
            NotInPartError: some are written in another way.
        """
        found = [text for text, n in zip(self.texts, tally.counts, strict=False) if n]
        if not self._spec.kind or not BOOLEANS.issuperset(found):
            return
        other = next((text for text in found if text != text.capitalize()), None)
        if other is not None:
            raise NotInPartError(
                f"data.source: column {self.name!r} must have True and False as such to be read in"
                f" part, got {other!r} ({self.where}). Write them so, or remove"
                f" {key_for(self.name, 'categorical')}"
            )

    def _read(self, values: pa.Array) -> list[str | None]:
        """Write different cells as texts, as a table in memory has them; None is missing."""
        cells = values.to_pandas()
        if self._as_floats:
            cells = cells.astype(np.float64)
        present = cells.notna()
        if not self._spec.kind:
            both = zip(cells, present, strict=True)
            return [str(cell) if is_there else None for cell, is_there in both]
        written = cells.astype(object).where(present, "").astype(str).tolist()
        missing = {"", *self._spec.missing}
        return [None if text.strip() in missing else text for text in written]

    def _code(self, text: str | None) -> int:
        if text is None:
            return -1
        code = self._places.get(text)
        if code is not None:
            return code
        if self._is_whole:
            refuse_changed(self.where, f"{text!r} in column {self.name!r}")
        self._n_bytes += _EACH_BYTES + len(text)
        if self._n_bytes > LARGEST_BYTES:
            n, first = len(self._places), next(iter(self._places))
            raise NotInPartError(
                f"data.source: column {self.name!r} must have few different texts to be read in"
                f" part, got more than {n}, such as {first!r} ({self.where}). Set"
                f" {key_for(self.name, 'drop')}"
            )
        self._places[text] = len(self._places)
        return self._places[text]


def as_codes(cells: np.ndarray) -> np.ndarray:
    """Read codes (B,) out of a file of numbers: -1 where a cell is missing."""
    found: np.ndarray = np.nan_to_num(cells, nan=-1).astype(np.int64)
    return found
