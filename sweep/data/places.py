"""Columns that say where rows belong: their fold, their part, their place in time.

| symbol | meaning |
|---|---|
| N | rows of a source |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.data.parts import places
from sweep.errors import UsageError

# pandas takes a while to import: only what reads columns does.
if TYPE_CHECKING:
    import pandas as pd


def latest(order: np.ndarray, fraction: float) -> np.ndarray:
    """Return the last share of rows, in order; rows of one moment stay together."""
    if not fraction:
        return np.arange(0)
    first = np.sort(order)[-min(max(1, round(fraction * len(order))), len(order) - 1)]
    return np.flatnonzero(order > first if first == order.min() else order >= first)


def read_places(
    raw: Mapping[str, Any], where: str
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Read where rows belong: order, folds, and which are test rows, (N,) each; None: not said.

    Raises:
        UsageError: in one line, as below.
    """
    order = read_time(raw["time"], where) if "time" in raw else None
    if "part" in raw:
        return order, *places(raw["part"])
    if "split" in raw:
        return order, *read_parts(raw["split"], where)
    return order, read_folds(raw["fold"], where) if "fold" in raw else None, None


def read_folds(values: Any, where: str) -> np.ndarray:
    """Number the folds that a column names, (N,), in the order of their names.

    Raises:
        UsageError: a row has none, or there is one alone.
    """
    import pandas as pd

    column = _whole(pd.Series(values).reset_index(drop=True), "fold", where)
    numbers, names = pd.factorize(column, sort=True)
    if len(names) < 2:
        raise UsageError(
            f"data.fold: must name 2 folds or more, got only {names[0]!r} ({where}). Name another"
            " column"
        )
    return np.asarray(numbers, dtype=np.int64)


PARTS = ("train", "validation", "test")


def read_parts(values: Any, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the folds of rows by the part that each is in, (N,), and which are test rows.

    Raises:
        UsageError: a row is in no part, or there are none to train or to validate on.
    """
    import pandas as pd

    column = _whole(pd.Series(values).reset_index(drop=True), "split", where).astype(str)
    wrong = ~column.isin(PARTS)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise UsageError(
            f"data.split: must be train, validation or test in every row, got {column[row]!r} in"
            f" row {row} ({where}). Mend it"
        )
    for part in PARTS[:2]:
        if not (column == part).any():
            raise UsageError(
                f"data.split: must have rows of {part}, got none ({where}). Name some"
            )
    folds = np.where(column == "validation", 0, -1).astype(np.int64)
    return folds, np.asarray(column == "test")


def read_time(values: Any, where: str) -> np.ndarray:
    """Return the place in time of each row, (N,): numbers, or dates that begin with the year.

    Raises:
        UsageError: a row has neither.
    """
    import pandas as pd

    column = _whole(pd.Series(values).reset_index(drop=True), "time", where)
    moments: pd.Series = column
    if not pd.api.types.is_numeric_dtype(column) and column.dtype.kind not in "mM":
        moments = pd.to_numeric(column, errors="coerce")
        if moments.isna().any():
            moments = pd.to_datetime(
                column.astype(str), format="ISO8601", errors="coerce", utc=True
            )
    wrong = moments.isna()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise UsageError(
            f"data.time: must be numbers, or dates such as 2024-01-31, in every row, got"
            f" {column[row]!r} in row {row} ({where}). Mend it"
        )
    order = np.unique(moments.to_numpy(), return_inverse=True)[1].astype(np.int64)
    if not order.any():
        raise UsageError(
            f"data.time: must differ between rows, got {column[0]!r} in all ({where}). Name"
            " another column"
        )
    return order


def _whole(column: pd.Series, key: str, where: str) -> pd.Series:
    empty = column.isna() | (column.astype(str).str.strip() == "")
    if empty.any():
        row = int(np.flatnonzero(empty)[0])
        raise UsageError(
            f"data.{key}: must have a value in every row, got none in row {row} ({where})."
            " Mend or drop it"
        )
    import pandas as pd

    is_texts = pd.api.types.is_string_dtype(column) or column.dtype == object
    return column.astype(str).str.strip() if is_texts else column
