"""The features of a problem whose rows are read from a file, as training wants them.

| symbol | meaning |
|---|---|
| M | rows of the problem, in P parts that are preprocessed alike |
| F | numbers of a row |
| L, B | lanes, rows of a batch |
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from sweep.data.coded import Coded
from sweep.data.features import as_float32
from sweep.data.file_rows import FileRows
from sweep.data.survey import among

AHEAD = 1 << 20  # numbers of rows that are read before the first of them is wanted


class Scaled(NamedTuple):
    """Rows of a file, and what to subtract from their numbers and divide them by.

    Attributes:
        rows: not read yet.
        mean, scale: (F,) each, or None: they stay as they are.
        fill: (F,) what missing cells become first, or None: none is missing.
        texts: what codes in other columns become, or None: there are no others.
    """

    rows: FileRows
    mean: np.ndarray | None = None
    scale: np.ndarray | None = None
    fill: np.ndarray | None = None
    texts: Coded | None = None


class Kept:
    """Rows of a file that are in memory as well, for as long as a study is planned.

    Args:
        X: (N, *features) rows of a file.
        rows: (K,) which of them, in order.
    """

    def __init__(self, X: FileRows, rows: np.ndarray):
        self._X, self._rows = X, rows
        self._values = np.empty((len(rows), *X.shape[1:]), X.dtype)
        self._n = 0  # rows that are there

    def look(self, start: int, block: np.ndarray) -> None:
        """Keep what is wanted of rows (B, *features) that are read one after another."""
        among(self._rows, self._keep)(start, block)

    def filled(self) -> Kept:
        """Read what nobody has shown."""
        if self._n < len(self._rows):
            self._keep(0, self._X[self._rows])
        return self

    def take(self, of_file: np.ndarray) -> np.ndarray | None:
        """Return rows (B,) of the file, (B, *features); None where one is not here."""
        here = self._X.rows[self._rows]
        if not len(here):
            return None
        at = np.minimum(np.searchsorted(here, of_file), len(here) - 1)
        return self._values[at] if np.array_equal(here[at], of_file) else None

    def _keep(self, start: int, block: np.ndarray) -> None:
        self._values[start : start + len(block)] = block
        self._n += len(block)


@dataclass(frozen=True, eq=False)
class Streamed:
    """Rows of a problem, (M, *features), each preprocessed as it is read.

    Attributes:
        rows: of the file, (M,).
        ends: (P,) where parts end.
        mean, scale, fill: (P, F) of each part, or None.
        texts: what codes in other columns become, or None: there are no others.
        kept: some that need not be read again.
    """

    rows: FileRows
    ends: np.ndarray
    mean: np.ndarray | None
    scale: np.ndarray | None
    fill: np.ndarray | None = None
    texts: Coded | None = None
    kept: Kept | None = None

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of a row's features."""
        if self.texts is None:
            return self.rows.shape[1:]
        return (len(self.texts.numbers) + self.texts.width,)

    def take(self, places: np.ndarray) -> np.ndarray:
        """Read rows at places (B,), or (L, B) of lanes: (B, *features) or (L, B, *features).

        Lanes with the same rows share what is read.

        Args:
            places: each line within one part.

        Raises:
            UsageError: the file is not what it was, or a number is not within float32.
        """
        if places.ndim == 1:
            return self._read(places)
        (found,) = self.batches([places])
        return found

    def batches(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Read rows for lanes, (L, B) each, as `take` does; those of several batches at once.

        A small row costs little but the call that reads it, and of many rows some lie side by
        side.
        """
        waiting: list[np.ndarray] = []
        room = 0
        for places in batches:
            if not room:
                n_lines = len(np.unique(places[:, 0]))  # about as many lines differ
                each = n_lines * places.shape[1] * math.prod(self.row_shape)
                room = max(1, AHEAD // max(1, each))
            waiting.append(places)
            if len(waiting) == room:
                yield from self._together(waiting)
                waiting, room = [], 0
        if waiting:
            yield from self._together(waiting)

    def _together(self, batches: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        lines = np.concatenate(batches, 1)
        places_of = {line.tobytes(): line for line in lines}
        read = {key: self._read(line) for key, line in places_of.items()}
        of_lanes, start = [read[line.tobytes()] for line in lines], 0
        for places in batches:
            end = start + places.shape[1]
            found = np.empty((*places.shape, *self.row_shape), dtype=np.float32)
            for lane, rows in zip(found, of_lanes, strict=True):
                lane[:] = rows[start:end]
            yield found
            start = end

    def _read(self, places: np.ndarray) -> np.ndarray:
        found = self.kept.take(self.rows.rows[places]) if self.kept else None
        found = self.rows[places] if found is None else found
        if self.mean is None and self.fill is None:
            return as_float32(found)
        # The very steps of scikit-learn's scaler: an array in memory comes to the same bits.
        flat = cells = found.astype(np.float64).reshape(len(places), -1)
        part = int(np.searchsorted(self.ends, places[0], side="right"))
        if self.texts is not None:
            flat = cells[:, self.texts.numbers]
        if self.fill is not None:
            flat = np.where(np.isnan(flat), self.fill[part], flat)
        if self.mean is not None and self.scale is not None:
            flat -= self.mean[part]
            flat /= self.scale[part]
        if self.texts is not None:
            return np.concatenate([as_float32(flat), self.texts.features(part, cells)], 1)
        return as_float32(flat.reshape(found.shape))


def joined_rows(parts: Sequence[np.ndarray | Scaled]) -> np.ndarray | Streamed:
    """Put preprocessed rows behind each other: all of them arrays, or all rows of one file."""
    of_file = [part for part in parts if isinstance(part, Scaled)]
    if not of_file:
        return np.concatenate([part for part in parts if not isinstance(part, Scaled)])
    rows = np.concatenate([part.rows.rows for part in of_file])
    whole = replace(of_file[0].rows, rows=rows)
    ends = np.cumsum([len(part.rows) for part in of_file])
    _, *learnt, texts = zip(*of_file, strict=True)
    mean, scale, fill = map(_stacked, learnt)
    first, *others = texts
    return Streamed(whole, ends, mean, scale, fill, first and first.beside(others))


def _stacked(of_parts: Sequence[Any]) -> np.ndarray | None:
    return None if of_parts[0] is None else np.stack(of_parts)
