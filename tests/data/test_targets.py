"""Targets become class indices or numbers; those that cannot are refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.sources import Case, X, Y, changed, csv, npz, read, refusal, returning, says


@pytest.mark.parametrize(
    ("y", "classes", "index"),
    [
        ([3, 1, 3, 1], ("1", "3"), [1, 0, 1, 0]),
        ([2.0, 10.0, 2.0, 10.0], ("2", "10"), [0, 1, 0, 1]),
        ([0.5, 1.5, 0.5, 1.5], ("0.5", "1.5"), [0, 1, 0, 1]),
        ([True, False, True, False], ("False", "True"), [1, 0, 1, 0]),
        (np.array([10, 9, 10, 9], dtype=object), ("9", "10"), [1, 0, 1, 0]),
        (
            np.array([2**64 - 1, 2**64 - 2] * 2, dtype=np.uint64),
            (str(2**64 - 2), str(2**64 - 1)),
            [1, 0, 1, 0],
        ),
        ([2**60, 2**60 + 1] * 2, (str(2**60), str(2**60 + 1)), [0, 1, 0, 1]),
    ],
    ids=str,
)
def test_classes_are_numbered_in_order(
    tmp_path: Path, y: Any, classes: tuple[str, ...], index: list[int]
) -> None:
    rows = read(tmp_path, returning(tmp_path, X=X[:4], y=y))
    assert (rows.classes, list(rows.y)) == (classes, index)


REFUSED: dict[str, Case] = {
    "gap_in_target": (
        csv(size=range(6), kind=["a", None, "b", "a", "b", "a"]),
        {"target": "kind"},
        "data.source: column 'kind' must have a value in every row, got nan in row 1 (t.csv). "
        "Mend or drop it, or set data.drop_missing_target: true",
    ),
    "one_hot_target": (
        npz(X=X, y=np.eye(8)),
        {},
        "data.source: y must be one value a row, got shape (8, 8) (a.npz). "
        "Give it the shape (rows,)",
    ),
    "nan_in_target": (
        npz(X=X, y=changed(np.nan, 4, Y * 1.0)),
        {},
        "data.source: y must have a value in every row, got nan in row 4 (a.npz). "
        "Mend or drop it, or set data.drop_missing_target: true",
    ),
    "inf_in_target": (
        npz(X=X, y=changed(np.inf, 4, Y * 1.0)),
        {"task": "regression"},
        "data.source: y must have a value in every row, got inf in row 4 (a.npz). Mend or drop it",
    ),
    "huge_target": (
        npz(X=X, y=changed(1e31, 4, Y * 1.0)),
        {"task": "regression"},
        "data.source: y must be finite and below 1e30, got 1e+31 in row 4 (a.npz). "
        "Mend or drop it",
    ),
    "complex_target": (
        npz(X=X, y=Y * 1j),
        {},
        "data.source: y must be numbers or texts, got complex128 (a.npz). Convert it",
    ),
    "rare_class": (
        npz(X=X, y=np.array(list("aabbbabc"))),
        {},
        "data.source: y must have 2 rows or more of each class, got 1 row of 'c' (a.npz). "
        "Drop or merge the class",
    ),
    "rare_number": (
        npz(X=X, y=np.arange(8)),
        {},
        "data.source: y must have 2 rows or more of each class, got 1 row of '0' (a.npz). "
        "Drop or merge the class, or set task: regression",
    ),
    "one_class": (
        npz(X=X, y=Y * 0),
        {},
        "data.source: y must have 2 classes or more, got only '0' (a.npz). "
        "Add rows of another class",
    ),
    "measurements": (
        npz(X=np.ones((120, 1)), y=np.repeat(np.arange(60) / 7, 2)),
        {},
        "data.source: y must be classes, got 60 different numbers (a.npz). "
        "Did you mean task: regression?",
    ),
    "text_for_regression": (
        csv(size=range(6), kind=["1", "2", "tall", "4", "5", "6"]),
        {"target": "kind", "task": "regression"},
        "data.source: column 'kind' must be numbers for task regression, got 'tall' in row 2 "
        "(t.csv). Mend or drop it",
    ),
    "constant": (
        npz(X=X, y=np.full(len(X), 2.5)),
        {"task": "regression"},
        "data.source: y must vary, got 2.5 in every row (a.npz). Name another target",
    ),
    "bool_for_regression": (
        npz(X=X, y=Y > 0),
        {"task": "regression"},
        "data.source: y must be numbers for task regression, got bool (a.npz). "
        "Use numbers, or task: classification",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_targets_that_break_a_rule_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    write, options, message = REFUSED[case]
    got = refusal(tmp_path, write(tmp_path), **options)
    assert says(got, message), got
