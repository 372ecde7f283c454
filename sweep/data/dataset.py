"""The data of a study: all its rows on the host, checked once, the test rows held out.

Every mistake is one line, in which rows count from 0.

| symbol | meaning |
|---|---|
| N | rows of a source; of a data set the search rows, all but the test rows |
| T | test rows |
| C | classes |
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sweep.data.content import Content, add_features
from sweep.data.features import Features, as_features, form, held, take
from sweep.data.file_rows import FileRows
from sweep.data.folds import all_but, draw_share, lost_labels, strata
from sweep.data.guarded import guarded
from sweep.data.notes import Note, lines
from sweep.data.places import latest, read_places
from sweep.data.refuse import refuse
from sweep.data.remarks import remarks
from sweep.data.sources import NAMED, read_source
from sweep.data.table_rows import TableRows
from sweep.data.targets import (
    Encode,
    as_column,
    as_targets,
    coding,
    read_weights,
    with_targets,
)
from sweep.errors import UsageError
from sweep.spec.data import DataSpec, is_table
from sweep.spec.seeds import derive

_NO_TARGET = "Mend or drop it, or set data.drop_missing_target: true"


@dataclass(frozen=True, eq=False)
class Dataset:
    """All rows on the host, the test rows held out.

    Attributes:
        X: (N, *features) search rows. Arrays are finite; a table has float64 columns (NaN is a
            missing cell) and object columns of texts (None is a missing cell).
        y: (N,) int64 class index in 0..C-1, or float64 target; (N, T) of several targets.
        groups: (N,) int64; rows of one group stay in one fold. None: no groups.
        X_test, y_test: the held-out rows, of the same kinds; the search never sees them.
        task: what is predicted, as in the study file.
        classes: names of the classes by index, () where targets are numbers.
        content_hash: 16 hex digits of a hash of all the rows, search and test.
        group_names: of the groups by number, as the source writes them; () without groups.
        notes: lines on what was read in a way that a user should know, and on odd rows.
        order: (N,) int64 places in time, where rows are split by it.
        folds: (N,) int64 the user's own folds, where rows are split by them; -1 trains always.
        weight, weight_test: (N,), (T,) what the loss of each row counts; None: all the same.
        targets: names of several targets; () where there is one, or where they have no names.
    """

    X: Features
    y: np.ndarray
    groups: np.ndarray | None
    X_test: Features
    y_test: np.ndarray
    task: str
    classes: tuple[str, ...]
    content_hash: str
    group_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    order: np.ndarray | None = None
    folds: np.ndarray | None = None
    weight: np.ndarray | None = None
    weight_test: np.ndarray | None = None
    targets: tuple[str, ...] = ()

    @property
    def n_outputs(self) -> int:
        """What a network gives for a row: a number for each class or target."""
        if self.classes and self.task != "binary":
            return len(self.classes)
        return int(np.prod(self.y.shape[1:]))

    def name_of(self, place: int) -> str:
        """Name one of several targets in a message, in brackets; "" where there is one."""
        if self.y.ndim == 1:
            return ""
        return f" ({self.targets[place] if self.targets else f'target {place}'})"


def load_dataset(data: DataSpec, folder: Path, seed: int, *, in_time: bool = False) -> Dataset:
    """Read a source and hold its test rows out.

    Test rows are those that the source itself brings, or else a share of `test_fraction`:
    stratified by class, whole groups where there are groups.

    Args:
        data: the study's data section.
        folder: the study file's folder.
        seed: the study's seed.
        in_time: whether rows are split by time: test rows are the last ones.

    Raises:
        UsageError: in one line, when the rows break a rule.
    """
    rows = read_rows(data, folder)
    order, folds = rows.order, rows.folds
    if in_time and order is None:
        order = np.arange(len(rows.y))
    labels = strata(rows.y, rows.classes)
    X, y, groups, X_test, y_test = rows.X, rows.y, rows.groups, rows.X_test, rows.y_test
    weight, weight_test = rows.weight, rows.weight_test
    if X_test is None or y_test is None:
        test = _held_out(rows, order, labels, data.test_fraction, seed)
        search = all_but(test, len(y))
        X, X_test, y, y_test = take(X, search), take(X, test), y[search], y[test]
        groups, order, folds = (
            None if of is None else of[search] for of in (groups, order, folds)
        )
        if weight is not None:
            weight, weight_test = weight[search], weight[test]
    lost = lost_labels(labels, strata(y, rows.classes))
    if len(lost):
        name, key = rows.classes[lost[0]], "split" if data.split else "test"
        if rows.is_test is not None:
            raise UsageError(
                f"data.{key}: must have no class that other rows lack, got {name!r}"
                f" ({data.where}). Drop it, or add rows of it"
            )
        raise UsageError(
            f"data.test_fraction: must leave rows of every class, got {data.test_fraction:g}, "
            f"which leaves none of {name!r} ({data.where}). Lower it"
        )
    return Dataset(
        X, y, groups, X_test, y_test, data.task, rows.classes, rows.content_hash,
        rows.group_names, rows.notes, order, folds, weight, weight_test, rows.targets,
    )  # fmt: skip


def _held_out(
    rows: Rows, order: np.ndarray | None, labels: np.ndarray, fraction: float, seed: int
) -> np.ndarray:
    """Return the test rows: those that the table names, the latest, or a share that is drawn."""
    if rows.is_test is not None:
        return np.flatnonzero(rows.is_test)
    if order is not None:
        return latest(order, fraction)
    return draw_share(labels, rows.groups, fraction, derive(seed, "test"))


def noisy_labels(dataset: Dataset, share: float, study_seed: int) -> np.ndarray:
    """Copy y (N,), a share of it moved to one of the other classes, each as likely as the next.

    The copy depends on the study's seed and the row alone, never on split or replicate.
    """
    if not share:
        return dataset.y
    generator = np.random.default_rng(derive(study_seed, "noise"))
    n_classes = len(dataset.classes)
    wrong = generator.random(len(dataset.y)) < share
    moves = generator.integers(1, n_classes, len(dataset.y))
    return np.where(wrong, (dataset.y + moves) % n_classes, dataset.y)


# --- rows as a source holds them


@dataclass(frozen=True)
class Rows:
    """What a source holds, checked.

    Arrays are finite float32 or float64. Tables have float64 columns (NaN is a missing cell)
    and object columns of texts (None is a missing cell).

    Attributes:
        X: (N, *features), array or table.
        y: (N,) int64 class index, or float64 target; (N, T) of several targets.
        groups: (N,) int64, or None.
        X_test: (T, *features) of X's kind, or None; rows that the source itself holds out.
        y_test: (T,) of y's kind, or None.
        classes: names of the classes by index; () where targets are numbers.
        group_names: of the groups by number; () without groups.
        notes, content_hash, order, folds, targets: as of `Dataset`.
        is_test: (N,) bool, which rows are held out, where the table says so.
        weight, weight_test: (N,), (T,) finite and at least 0, or None.
    """

    X: Features
    y: np.ndarray
    groups: np.ndarray | None
    X_test: Features | None
    y_test: np.ndarray | None
    classes: tuple[str, ...]
    group_names: tuple[str, ...]
    notes: tuple[str, ...]
    content_hash: str
    order: np.ndarray | None = None
    folds: np.ndarray | None = None
    is_test: np.ndarray | None = None
    weight: np.ndarray | None = None
    weight_test: np.ndarray | None = None
    targets: tuple[str, ...] = ()


def read_rows(data: DataSpec, folder: Path) -> Rows:
    """Read all rows of `data.source` and check them.

    Args:
        data: the study's data section.
        folder: where relative paths and the user's own modules start.

    Raises:
        UsageError: in one line, naming the file, column and row at fault.
    """
    if not data.source.startswith("python:"):
        return _read(data, folder)
    # What a function returns may be of classes of the user's own, which run as they are read.
    line = "data.source: the function must return rows that can be read"
    return guarded(
        lambda: _read(data, folder),
        lambda got: f"{line}, got {got} ({data.source}). Return arrays of numbers",
    )


def _read(data: DataSpec, folder: Path) -> Rows:
    raw, where = read_source(data, folder), data.where
    notes: list[Note] = [*raw.get("notes", ())]
    X = as_features(raw["X"], "X", where, notes)
    if data.drop_missing_target and where not in NAMED and not is_table(data.source):
        X, raw = with_targets(X, raw, notes)
    y = as_targets(raw["y"], "y", data.task, where, _NO_TARGET)
    _same_length("X and y", X, y.values, where)
    encode, classes = coding(y, data.task, raw.get("names"), where)
    groups, group_names = _groups(raw.get("groups"), X, where)
    X_test, y_test = _test_rows(raw, X, encode, data.task, where)
    weight, weight_test = read_weights(raw, X, X_test, where)
    places, encoded, content = read_places(raw, where), encode(y), Content(classes)
    seen = add_features(content, raw, X, encoded, where)
    if where not in NAMED:  # in those there is nothing to mend
        test = None if X_test is None or y_test is None else (X_test, y_test)
        notes += remarks(X, encoded, groups, test, data, seen)
    for part in (encoded, groups, None if X_test is None else held(X_test), y_test):
        content.add(part)
    content_hash = content.ended(places, (weight, weight_test))
    return Rows(
        X, encoded, groups, X_test, y_test, classes, group_names, lines(notes), content_hash,
        *places, weight, weight_test, y.names,
    )  # fmt: skip


def _groups(values: Any, X: Features, where: str) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Number the groups, and name them by number."""
    if values is None:
        return None, ()
    import pandas as pd

    groups = as_column(values, "groups", where).values
    _same_length("X and groups", X, groups, where)
    numbers, different = pd.factorize(groups)
    if len(different) < 2:
        got = f"only {groups.tolist()[0]!r}"
        refuse("groups must be 2 or more", got, where, "Add rows of another")
    return numbers.astype(np.int64), tuple(map(str, different))


def _test_rows(
    raw: dict[str, Any], X: Features, encode: Encode, task: str, where: str
) -> tuple[Features | None, np.ndarray | None]:
    given = [key for key in ("X_test", "y_test") if raw.get(key) is not None]
    if not given:
        return None, None
    if len(given) == 1:
        refuse("must hold both X_test and y_test or neither", given[0], where, "Add the other")
    X_test, y_test = (
        as_features(raw["X_test"], "X_test", where),
        as_targets(raw["y_test"], "y_test", task, where),
    )
    _same_length("X_test and y_test", X_test, y_test.values, where)
    if form(X_test) != form(X):
        got = f"{form(X_test)} against {form(X)}"
        refuse("X_test must have the features of X", got, where, "Make them alike")
    if not isinstance(X, np.ndarray | FileRows | TableRows):
        assert not isinstance(X_test, np.ndarray | FileRows | TableRows)
        X_test = X_test[list(X.columns)]
    return X_test, encode(y_test)


def _same_length(what: str, a: Sized, b: Sized, where: str) -> None:
    if len(a) != len(b):
        refuse(f"{what} must have equally many rows", f"{len(a)} and {len(b)}", where, "Mend it")
