"""What is found out of all rows before they are divided: in one pass over them, block by block.

| symbol | meaning |
|---|---|
| N, F | rows; numbers of a row |
| B | rows of a block |
| P | features that may be constant |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweep.data.vocabulary import Tally, Vocabulary, as_codes

# pandas takes a while to import: only what looks at tables does.
if TYPE_CHECKING:
    import pandas as pd

MOST_ODD = 3  # rows that differ from all others in a column
FIRST = 2 * MOST_ODD + 1  # rows of which more than half are as usual
LEAST_ROWS = 10  # with fewer any column counts them by chance
ID = re.compile(r"(^|.*[^a-z])(id|idx|index|key|no|nr|number|row|rownum|unnamed: \d+)$", re.I)

Look = Callable[[int, np.ndarray], Any]  # at the place of a block's first row, and its rows


class Seen(NamedTuple):
    """What one pass over rows finds.

    Attributes:
        constants: features that may be constant.
        keys: (N,) what is equal where rows and their targets are.
        numbered: names of the columns that count rows, which keys leave out.
    """

    constants: Constants
    keys: np.ndarray
    numbered: Sequence[str] = ()


def one_pass(blocks: Iterable[tuple[int, np.ndarray]], *looks: Look) -> None:
    """Read rows once, and show each block to all that look."""
    for start, block in blocks:
        for look in looks:
            look(start, block)


def among(rows: np.ndarray, *looks: Look) -> Look:
    """Return what shows to others, of each block, the rows that are among some (n,), in order."""

    def look(start: int, block: np.ndarray) -> None:
        first, end = np.searchsorted(rows, (start, start + len(block)))
        if first < end:
            whole = end - first == len(block)
            some = block if whole else block[rows[first:end] - start]
            for each in looks:
                each(int(first), some)

    return look


class Keys:
    """Hashes the features and the target of each row.

    Args:
        y: (N,) or (N, T) targets.

    Attributes:
        found: (N,) int64.
    """

    def __init__(self, y: np.ndarray):
        self.found = np.empty(len(y), dtype=np.int64)
        self._y = of_targets(y)

    def look(self, start: int, block: np.ndarray) -> None:
        """Look at rows (B, *features)."""
        end = start + len(block)
        rows = np.ascontiguousarray(block.reshape(len(block), -1) + 0)  # which makes -0 to 0
        pairs = zip(rows, self._y[start:end].tolist(), strict=True)
        self.found[start:end] = [hash((row.tobytes(), target)) for row, target in pairs]


class TableSeen:
    """Hashes rows of a table, and finds gaps and constants in it, and counts texts.

    Args:
        columns: names of all columns.
        rows: (n,) which rows of the table are wanted, in order.
        numbered: names of the columns that count them.
        vocabularies: of the columns of texts, by name.

    Attributes:
        gaps: (n,) bool, whether a cell of a row is missing.
        hashes, apart: (n,) uint64 of rows, as pandas makes them: with all columns, and without
            those that count rows.
        constants: of the columns; those of texts have codes.
        tallies: of the columns of texts, by name.
    """

    def __init__(
        self, columns: Sequence[str], rows: np.ndarray, numbered: Sequence[str] = (),
        vocabularies: Mapping[str, Vocabulary] = MappingProxyType({}),
    ):  # fmt: skip
        self.columns, self.rows, self.numbered = columns, rows, numbered
        self.vocabularies = vocabularies
        self.tallies = {name: Tally(*np.zeros((2, 0), dtype=int)) for name in vocabularies}
        self.gaps = np.empty(len(rows), dtype=bool)
        self.hashes = np.empty(len(rows), dtype=np.uint64)
        self.apart = np.empty_like(self.hashes) if numbered else self.hashes
        self.constants = Constants(len(columns))

    def look(self, start: int, block: np.ndarray) -> None:
        """Look at rows (B, F), float64, texts as codes, NaN where a cell is missing."""
        among(self.rows, self._look)(start, block)

    def _look(self, start: int, block: np.ndarray) -> None:
        import pandas as pd

        some, gaps = slice(start, start + len(block)), np.isnan(block)
        self.gaps[some] = gaps.any(1)
        self.constants.look(start, block, gaps if self.gaps[some].any() else None)
        frame = pd.DataFrame(block, columns=[*self.columns])
        for name, vocabulary in self.vocabularies.items():
            codes = frame[name].to_numpy()
            self.tallies[name] = self.tallies[name].plus(start, as_codes(codes))
            frame[name] = vocabulary.column(codes)
        self.hashes[some] = row_hashes(frame)
        if self.numbered:
            self.apart[some] = row_hashes(frame.drop(columns=[*self.numbered]))


def row_hashes(table: pd.DataFrame) -> np.ndarray:
    """Return pandas' hash of each row of a table, (N,) uint64."""
    import pandas as pd

    found: np.ndarray = pd.util.hash_pandas_object(table, index=False).to_numpy()
    return found


def table_keys(of_rows: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return `Seen.keys` of a table from hashes (N,) of its rows and their targets."""
    import pandas as pd

    return of_rows ^ pd.util.hash_array(of_targets(y))


def of_targets(y: np.ndarray) -> np.ndarray:
    """Return targets (N,), of several (N, T) a number for each row of them."""
    if y.ndim == 1:
        return y
    return np.array([hash(row.tobytes()) for row in y + 0.0], dtype=np.int64)


class Constants:
    """Finds features that are constant but for at most `MOST_ODD` rows in 20.

    The first numbers of a feature say what is usual in it.

    Args:
        n_features: F.

    Attributes:
        present: (F,) numbers so far; missing cells are none.
    """

    def __init__(self, n_features: int):
        self.present = np.zeros(n_features, dtype=np.int64)
        self._head = np.zeros((FIRST, n_features))  # the first numbers, and their rows
        self._rows = np.zeros((FIRST, n_features), dtype=np.int64)
        self._places = np.arange(0)  # (P,)
        self._usual = np.zeros(n_features)
        self._n_odd = np.zeros(n_features, dtype=np.int64)
        self._first: dict[int, tuple[float, int]] = {}  # odd number of a feature, and its row

    def look(self, start: int, block: np.ndarray, gaps: np.ndarray | None = None) -> None:
        """Look at rows (B, *features).

        Args:
            start: the place of the first.
            block: the rows.
            gaps: (B, F) which cells are missing; None: none is.
        """
        values, rows = block.reshape(len(block), -1), start + np.arange(len(block))
        if (beginning := np.flatnonzero(self.present < FIRST)).size:
            self._begin(beginning, values, rows, gaps)
        self.present += len(values) if gaps is None else len(values) - gaps.sum(0)
        places = self._places
        found = values[:, places]
        odd = (found != self._usual[places]) & (rows[:, None] > self._rows[-1, places])
        if gaps is not None:
            odd &= ~gaps[:, places]
        self._add(places, odd, found, np.broadcast_to(rows[:, None], odd.shape))
        self._places = places[self._n_odd[places] <= MOST_ODD]

    def found(self) -> Iterator[tuple[int, float, int, int, tuple[float, int]]]:
        """Yield place, usual number, odd and all rows, the first odd number with its row."""
        for place in np.sort(self._places).tolist():
            if place in self._first:
                n_odd, n = int(self._n_odd[place]), int(self.present[place])
                yield place, float(self._usual[place]), n_odd, n, self._first[place]

    def _begin(
        self, places: np.ndarray, values: np.ndarray, rows: np.ndarray, gaps: np.ndarray | None
    ) -> None:
        """Add to the first numbers of some features; where they are all there, learn from them."""
        values = values[:, places]
        if gaps is None:
            firsts = np.repeat(np.arange(min(FIRST, len(values)))[:, None], len(places), 1)
            number = np.ones(firsts.shape, dtype=bool)
        else:
            firsts = np.argsort(gaps[:, places], axis=0, kind="stable")[:FIRST]
            number = ~np.take_along_axis(gaps[:, places], firsts, 0)
        at = self.present[places] + np.arange(len(firsts))[:, None]
        found = np.nonzero(number & (at < FIRST))
        to = at[found], places[found[1]]
        self._head[to], self._rows[to] = values[firsts[found], found[1]], rows[firsts[found]]
        full = places[self.present[places] + number.sum(0) >= FIRST]
        head = self._head[:, full]
        usual = np.median(head, axis=0)
        likely = (head == usual).sum(0) > FIRST / 2
        full, head, usual = full[likely], head[:, likely], usual[likely]
        self._usual[full] = usual
        self._add(full, head != usual, head, self._rows[:, full])
        self._places = np.append(self._places, full)

    def _add(
        self, places: np.ndarray, odd: np.ndarray, values: np.ndarray, rows: np.ndarray
    ) -> None:
        """Count odd numbers of features at places (P,); all others (B, P)."""
        self._n_odd[places] += odd.sum(0)
        for n in np.flatnonzero(odd.any(0)).tolist():
            at = int(odd[:, n].argmax()), n
            self._first.setdefault(int(places[n]), (float(values[at]), int(rows[at])))


def may_count(names: Sequence[str], n: int) -> list[str]:
    """Name the columns that may count n rows: the first, or one that is called so."""
    if n < LEAST_ROWS:
        return []
    return [name for name in names if name == names[0] or ID.fullmatch(name)]


def counts(values: np.ndarray) -> bool:
    """Tell whether numbers (N,) are those of rows, in whatever order."""
    return bool((np.diff(np.sort(values)) == 1).all() and values[0] % 1 == 0)


def cannot_count(values: np.ndarray) -> bool:
    """Tell from some of its numbers (B,) that a column does not count rows."""
    return not (np.diff(np.sort(values)) >= 1).all()  # NaN comes last, and is less than nothing
