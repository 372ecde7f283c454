"""Features, targets, groups and test rows of a source fit together, or are refused in a line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.support.sources import (
    AB,
    PLACE,
    TABLE,
    Case,
    X,
    Y,
    changed,
    csv,
    npz,
    own,
    read,
    refusal,
    returning,
    says,
)


def test_test_rows_of_a_table_may_lack_classes_but_not_columns(tmp_path: Path) -> None:
    features = TABLE[["size", "colour"]]
    source = returning(
        tmp_path,
        X=features,
        y=TABLE["kind"],
        X_test=features[["colour", "size"]],
        y_test=["dog"] * 6,
    )
    rows = read(tmp_path, source)
    assert isinstance(rows.X_test, pd.DataFrame) and list(rows.X_test) == ["size", "colour"]
    assert rows.y_test is not None and set(rows.y_test) == {1}


REFUSED: dict[str, Case] = {
    "unequal_lengths": (
        npz(X=X, y=Y[:7]),
        {},
        "data.source: X and y must have equally many rows, got 8 and 7 (a.npz). Mend it",
    ),
    "unequal_groups": (
        npz(X=X, y=Y, groups=Y[:7]),
        {},
        "data.source: X and groups must have equally many rows, got 8 and 7 (a.npz). Mend it",
    ),
    "gap_in_groups": (
        csv(size=range(6), kind=AB, who=[1, 2, None, 3, 4, 5]),
        {"target": "kind", "groups": "who"},
        "data.source: column 'who' must have a value in every row, got nan in row 2 (t.csv). "
        "Mend or drop it",
    ),
    "one_group": (
        npz(X=X, y=Y, groups=Y * 0),
        {},
        "data.source: groups must be 2 or more, got only 0 (a.npz). Add rows of another",
    ),
    "only_test_features": (
        npz(X=X, y=Y, X_test=X),
        {},
        "data.source: must hold both X_test and y_test or neither, got X_test (a.npz). "
        "Add the other",
    ),
    "other_test_features": (
        npz(X=X, y=Y, X_test=X[:, :2], y_test=Y),
        {},
        "data.source: X_test must have the features of X, got (2,) against (3,) (a.npz). "
        "Make them alike",
    ),
    "other_test_columns": (
        own(X=TABLE[["size"]], y=TABLE["kind"], X_test=TABLE[["colour"]], y_test=TABLE["kind"]),
        {},
        "data.source: X_test must have the features of X, got {'colour': 'text'} against "
        f"{{'size': 'number'}} {PLACE}. Make them alike",
    ),
    "other_test_class": (
        npz(X=X, y=Y, X_test=X, y_test=changed(2, 5, Y)),
        {},
        "data.source: y_test must have only classes that y has, got 2 in row 5 (a.npz). "
        "Mend or drop it",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_rows_that_break_a_rule_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    write, options, message = REFUSED[case]
    got = refusal(tmp_path, write(tmp_path), **options)
    assert says(got, message), got
