"""Rows that are right as they stand, but may lead a study astray: each is a note.

| what | why it is said |
|---|---|
| a column that counts the rows | it is a name of rows, no feature |
| a column that is constant but for very few rows | without them in training it is not scaled |
| rows that are copies of others | one may be trained on while its copy validates or tests |
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from sweep.data.features import Features, blocks, hashed
from sweep.data.file_rows import FileRows
from sweep.data.notes import Note, key_for
from sweep.data.table_rows import TableRows
from sweep.spec.data import DataSpec

MOST_ODD = 3  # rows that differ from all others in a column
LEAST_ROWS = 10  # with fewer any column counts them by chance
_FIRST = 2 * MOST_ODD + 1  # rows of which more than half are as usual
ID = re.compile(r"(^|.*[^a-z])(id|idx|index|key|no|nr|number|row|rownum|unnamed: \d+)$", re.I)


def remarks(
    X: Features, y: np.ndarray, groups: np.ndarray | None,
    test: tuple[Features, np.ndarray] | None, data: DataSpec,
) -> Iterator[Note]:  # fmt: skip
    """Yield all that is to be said of rows; arguments as of `copies`, and the data section."""
    numbered = counting(X)
    for name in numbered:
        text = "it counts the rows, and is a feature. To leave it out: "
        yield Note("counting", f"column {name!r}", text + key_for(name, "drop"))
    if data.scale == "standard":
        yield from nearly_constant(X)
    rest = test and (_without(test[0], numbered), test[1])
    yield from copies(_without(X, numbered), y, groups, rest, data.target is not None)


def counting(X: Features) -> list[str]:
    """Name the columns of a table that count the rows: the first, or one that is called so."""
    if isinstance(X, np.ndarray | FileRows) or len(X) < LEAST_ROWS:
        return []
    if isinstance(X, TableRows):
        named = [name for name in X.columns if name == X.columns[0] or ID.fullmatch(name)]
        return [name for name in named if _counts(X.column(name))]
    numbers = [str(name) for name, kind in X.dtypes.items() if kind == np.float64]
    named = [name for name in numbers if name == X.columns[0] or ID.fullmatch(name)]
    return [name for name in named if _counts(X[name].to_numpy())]


def _counts(values: np.ndarray) -> bool:
    return bool((np.diff(np.sort(values)) == 1).all() and values[0] % 1 == 0)


def _without(X: Features, names: list[str]) -> Features:
    """Leave columns of a table out: a copy of a row has another number."""
    if isinstance(X, np.ndarray | FileRows):
        return X
    return X.hashed_without(names) if isinstance(X, TableRows) else X.drop(columns=names)


def nearly_constant(X: Features) -> Iterator[Note]:
    """Name the columns of numbers that are constant but for at most `MOST_ODD` rows in 20."""
    if isinstance(X, np.ndarray | FileRows):
        yield from _nearly_constant(X)
        return
    if isinstance(X, TableRows):
        for frame in X.frames():
            yield from nearly_constant(frame)
        return
    numbers = X.select_dtypes(np.float64)
    for name, values in ((name, numbers[name].to_numpy()) for name in numbers):
        rows = np.flatnonzero(~np.isnan(values))
        usual = np.median(values[rows[:_FIRST]])  # more than half of these are usual
        odd = rows[values[rows] != usual]
        if len(odd):
            first = values[odd[0]], int(odd[0])
            yield from _odd(f"column {name!r}", usual, len(odd), len(rows), first)


def _nearly_constant(X: np.ndarray | FileRows) -> Iterator[Note]:
    """Look at the features of an array block by block: counts, and the first odd row of each."""
    head = X[:_FIRST].reshape(-1, math.prod(X.shape[1:]))
    usual = np.median(head, axis=0)
    places = np.flatnonzero((head == usual).sum(0) > len(head) / 2)
    usual, counts = usual[places], np.zeros(len(places), dtype=np.int64)
    firsts: dict[int, tuple[float, int]] = {}
    for start, rows in blocks(X):
        block = rows.reshape(len(rows), -1)
        odd = block[:, places] != usual
        counts += odd.sum(0)
        for n in np.flatnonzero(odd.any(0)).tolist():
            row = int(odd[:, n].argmax())
            firsts.setdefault(n, (block[row, places[n]], start + row))
    for n, first in sorted(firsts.items()):
        yield from _odd(f"feature {places[n]}", usual[n], int(counts[n]), len(X), first)


def _odd(name: str, usual: float, n_odd: int, n: int, first: tuple[float, int]) -> Iterator[Note]:
    """Name numbers that are constant but for very few rows; `first` of those: number, row."""
    if n_odd <= min(MOST_ODD, n / 20):
        text = (
            f"it is {usual:g} but in {n_odd} of {n} rows"
            f" ({first[0]:g} in row {first[1]}). Mend that, or drop it"
        )
        yield Note("constant", name, text)


def copies(
    X: Features,
    y: np.ndarray,
    groups: np.ndarray | None,
    test: tuple[Features, np.ndarray] | None = None,
    is_table: bool = True,
) -> Iterator[Note]:
    """Say how many rows are copies of another that is not of the same group.

    Args:
        X: (N, *features) rows.
        y: (N,) or (N, T) their targets.
        groups: (N,) their groups, or None.
        test: (T, *features) and (T,) rows that the source itself holds out, or None.
        is_table: whether columns of the source have names.
    """
    keys = _hashes(X, y)
    owners = np.arange(len(keys)) if groups is None else groups
    if test is not None:
        keys = np.concatenate([keys, _hashes(*test)])
        owners = np.concatenate([owners, owners.max() + 1 + np.arange(len(test[1]))])
    _, which = np.unique(keys, return_inverse=True)
    n_owners = int(owners.max()) + 1
    pairs = np.unique(which * n_owners + owners) // n_owners
    found = np.flatnonzero((np.bincount(pairs) > 1)[which])
    if len(found):
        a, b = np.flatnonzero(which == which[found[0]])[:2]
        way_out = "name a column that they share in data.groups" if is_table else "return `groups`"
        yield Note(
            "copies", "",
            f"{len(found)} of {len(keys)} rows have a copy, features and target alike, as rows"
            f" {a} and {b}: one may be trained on while the other validates or tests. To keep"
            f" copies in one fold, {way_out}",
        )  # fmt: skip


def _hashes(X: Features, y: np.ndarray) -> np.ndarray:
    """Return a hash (N,) of each row's features and targets."""
    if y.ndim == 2:
        y = np.array([hash(row.tobytes()) for row in y + 0.0], dtype=np.int64)
    if not isinstance(X, np.ndarray | FileRows):
        import pandas as pd

        return hashed(X) ^ pd.util.hash_array(y)
    found = np.empty(len(X), dtype=np.int64)
    for start, block in blocks(X):
        end = start + len(block)
        rows = np.ascontiguousarray(block.reshape(len(block), -1) + 0)  # which makes -0 to 0
        pairs = zip(rows, y[start:end].tolist(), strict=True)
        found[start:end] = [hash((row.tobytes(), target)) for row, target in pairs]
    return found
