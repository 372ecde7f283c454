"""Rows of a source: read whole, checked once; every mistake one line, where rows count from 0."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sweep.data.features import Features, as_features, form
from sweep.data.refuse import refuse
from sweep.data.sources import read_source
from sweep.data.targets import Encode, as_column, coding
from sweep.spec.sections import DataSpec


@dataclass(frozen=True)
class Rows:
    """What a source holds, checked.

    Arrays are finite float32 or float64. Tables have float64 columns (NaN is a missing cell)
    and object columns of texts (None is a missing cell).

    Attributes:
        X: (N, *features), array or table.
        y: (N,) int64 class index, or float64 target.
        groups: (N,) int64, or None.
        X_test: (T, *features) of X's kind, or None; rows that the source itself holds out.
        y_test: (T,) of y's kind, or None.
        classes: names of the classes by index; () for regression.
    """

    X: Features
    y: np.ndarray
    groups: np.ndarray | None
    X_test: Features | None
    y_test: np.ndarray | None
    classes: tuple[str, ...]


def read_rows(data: DataSpec, folder: Path) -> Rows:
    """Read all rows of `data.source` and check them.

    Args:
        data: the study's data section.
        folder: where relative paths and the user's own modules start.

    Raises:
        UsageError: in one line, naming the file, column and row at fault.
    """
    raw, where = read_source(data, folder), data.source
    X, y = as_features(raw["X"], "X", where), as_column(raw["y"], "y", where)
    _same_length("X and y", X, y.values, where)
    encode, classes = coding(y, data.task, raw.get("names"), where)
    groups = _groups(raw.get("groups"), X, where)
    X_test, y_test = _test_rows(raw, X, encode, where)
    return Rows(X, encode(y), groups, X_test, y_test, classes)


def _groups(values: Any, X: Features, where: str) -> np.ndarray | None:
    if values is None:
        return None
    import pandas as pd

    groups = as_column(values, "groups", where).values
    _same_length("X and groups", X, groups, where)
    numbers, different = pd.factorize(groups)
    if len(different) < 2:
        got = f"only {groups.tolist()[0]!r}"
        refuse("groups must be 2 or more", got, where, "Add rows of another")
    return numbers.astype(np.int64)


def _test_rows(
    raw: dict[str, Any], X: Features, encode: Encode, where: str
) -> tuple[Features | None, np.ndarray | None]:
    given = [key for key in ("X_test", "y_test") if raw.get(key) is not None]
    if not given:
        return None, None
    if len(given) == 1:
        refuse("must hold both X_test and y_test or neither", given[0], where, "Add the other")
    X_test, y_test = (
        as_features(raw["X_test"], "X_test", where),
        as_column(raw["y_test"], "y_test", where),
    )
    _same_length("X_test and y_test", X_test, y_test.values, where)
    if form(X_test) != form(X):
        got = f"{form(X_test)} against {form(X)}"
        refuse("X_test must have the features of X", got, where, "Make them alike")
    if not isinstance(X, np.ndarray):
        X_test = X_test[list(X.columns)]
    return X_test, encode(y_test)


def _same_length(what: str, a: Sized, b: Sized, where: str) -> None:
    if len(a) != len(b):
        refuse(f"{what} must have equally many rows", f"{len(a)} and {len(b)}", where, "Mend it")
