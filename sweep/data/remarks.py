"""Rows that are right as they stand, but may lead a study astray: each is a note.

| what | why it is said |
|---|---|
| a column that counts the rows | it is a name of rows, no feature |
| a column that is constant but for very few rows | without them in training it is not scaled |
| rows that are copies of others | one may be trained on while its copy validates or tests |
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from sweep.data.features import Features, Held, blocks, held
from sweep.data.notes import Note, key_for
from sweep.data.survey import (
    FIRST,
    MOST_ODD,
    Constants,
    Keys,
    Seen,
    counts,
    may_count,
    one_pass,
    row_hashes,
    table_keys,
)
from sweep.data.table_rows import TableRows
from sweep.spec.data import DataSpec


def remarks(
    X: Features, y: np.ndarray, groups: np.ndarray | None,
    test: tuple[Features, np.ndarray] | None, data: DataSpec, seen: Seen | None = None,
) -> Iterator[Note]:  # fmt: skip
    """Yield all that is to be said of rows.

    Args:
        X, y: (N, *features) and (N,) or (N, T), rows and their targets.
        groups: (N,) their groups, or None.
        test: rows and targets that the source itself holds out, or None.
        data: the study's data section.
        seen: what one pass over rows of a file has found; None: rows are in memory.
    """
    numbered = seen.numbered if seen else counting(held(X))
    for name in numbered:
        text = "it counts the rows, and is a feature. To leave it out: "
        yield Note("counting", f"column {name!r}", text + key_for(name, "drop"))
    if data.scale == "standard":
        yield from _named(X, seen.constants) if seen else nearly_constant(held(X))
    keys = seen.keys if seen else hashes(held(X), y, numbered)
    of_test = test and hashes(held(test[0]), test[1], numbered)
    yield from copies(keys, groups, of_test, data.target is not None)


def counting(X: Held) -> list[str]:
    """Name the columns of a table that count the rows: the first, or one that is called so."""
    if isinstance(X, np.ndarray):
        return []
    named = may_count([*map(str, X)], len(X))
    return [name for name in named if X.dtypes[name] == np.float64 and counts(X[name].to_numpy())]


def nearly_constant(X: Held) -> Iterator[Note]:
    """Name the columns of numbers that are constant but for at most `MOST_ODD` rows in 20."""
    if isinstance(X, np.ndarray):
        constants = Constants(math.prod(X.shape[1:]))
        one_pass(blocks(X), constants.look)
        yield from _named(X, constants)
        return
    numbers = X.select_dtypes(np.float64)
    for name, values in ((name, numbers[name].to_numpy()) for name in numbers):
        rows = np.flatnonzero(~np.isnan(values))
        usual = np.median(values[rows[:FIRST]])  # more than half of these are usual
        odd = rows[values[rows] != usual]
        if len(odd):
            first = values[odd[0]], int(odd[0])
            yield from _odd(f"column {name!r}", usual, len(odd), len(rows), first)


def _named(X: Features, constants: Constants) -> Iterator[Note]:
    columns = X.columns if isinstance(X, TableRows) else None
    texts = X.vocabularies if isinstance(X, TableRows) else ()
    for place, usual, n_odd, n, first in constants.found():
        if columns and columns[place] in texts:
            continue
        name = f"column {columns[place]!r}" if columns else f"feature {place}"
        yield from _odd(name, usual, n_odd, n, first)


def _odd(name: str, usual: float, n_odd: int, n: int, first: tuple[float, int]) -> Iterator[Note]:
    """Name numbers that are constant but for very few rows; `first` of those: number, row."""
    if n_odd <= min(MOST_ODD, n / 20):
        text = (
            f"it is {usual:g} but in {n_odd} of {n} rows"
            f" ({first[0]:g} in row {first[1]}). Mend that, or drop it"
        )
        yield Note("constant", name, text)


def copies(
    keys: np.ndarray,
    groups: np.ndarray | None,
    test: np.ndarray | None = None,
    is_table: bool = True,
) -> Iterator[Note]:
    """Say how many rows are copies of another that is not of the same group.

    Args:
        keys: (N,) `hashes` of rows.
        groups: (N,) their groups, or None.
        test: (T,) hashes of rows that the source itself holds out, or None.
        is_table: whether columns of the source have names.
    """
    owners = np.arange(len(keys)) if groups is None else groups
    if test is not None:
        keys = np.concatenate([keys, test])
        owners = np.concatenate([owners, owners.max() + 1 + np.arange(len(test))])
    twice = np.flatnonzero(_repeated(keys))  # few, as a rule
    if not len(twice):
        return
    _, which = np.unique(keys[twice], return_inverse=True)
    n_owners = int(owners.max()) + 1
    pairs = np.unique(which * n_owners + owners[twice]) // n_owners
    found = np.flatnonzero((np.bincount(pairs) > 1)[which])
    if len(found):
        a, b = twice[np.flatnonzero(which == which[found[0]])[:2]]
        way_out = "name a column that they share in data.groups" if is_table else "return `groups`"
        yield Note(
            "copies", "",
            f"{len(found)} of {len(keys)} rows have a copy, features and target alike, as rows"
            f" {a} and {b}: one may be trained on while the other validates or tests. To keep"
            f" copies in one fold, {way_out}",
        )  # fmt: skip


def _repeated(keys: np.ndarray) -> np.ndarray:
    """Tell which keys (N,) stand there more than once: (N,) bool."""
    ordered = np.sort(keys)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(again):
        return np.zeros(len(keys), dtype=bool)
    at = np.minimum(np.searchsorted(again, keys), len(again) - 1)
    return np.asarray(again[at] == keys)


def hashes(X: Held, y: np.ndarray, without: Sequence[str] = ()) -> np.ndarray:
    """Return a hash (N,) of the features and the target of each row.

    Args:
        X: (N, *features) rows.
        y: (N,) or (N, T) their targets.
        without: columns of a table to leave out: a copy of a row has another number.
    """
    if not isinstance(X, np.ndarray):
        return table_keys(row_hashes(X.drop(columns=[*without])), y)
    keys = Keys(y)
    one_pass(blocks(X), keys.look)
    return keys.found
