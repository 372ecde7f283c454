"""Features become finite arrays or tables of numbers and texts; others are refused in a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
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
    parquet,
    read,
    refusal,
    says,
    text,
)

WORDS = [f"{i}" for i in range(60)]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_becomes_numbers_and_texts(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    TABLE.to_csv(path, index=False) if suffix == ".csv" else TABLE.to_parquet(path)
    rows = read(tmp_path, path.name, target="kind", groups="who")
    assert isinstance(rows.X, pd.DataFrame)
    assert list(rows.X.columns) == ["size", "colour", "new"]
    assert [str(kind) for kind in rows.X.dtypes] == ["float64", "object", "object"]
    np.testing.assert_array_equal(rows.X["size"], TABLE["size"])
    assert list(rows.X["colour"]) == ["red", "blue", None, "red", "blue", "red"]
    assert list(rows.X["new"][:2]) == ["True", "False"]
    assert rows.classes == ("cat", "dog") and list(rows.y) == [0, 1, 0, 1, 0, 1]
    assert rows.groups is not None and list(rows.groups) == [0, 0, 1, 1, 2, 2]


def test_pandas_own_kinds_of_columns_are_read(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3, 4], dtype="Int64"),
            "flag": pd.array([True, None, False, True], dtype="boolean"),
            "size": pd.Categorical(["s", "m", None, "s"]),
            "y": pd.Categorical(["b", "a", "b", "a"]),
        }
    )
    table.to_parquet(tmp_path / "t.parquet")
    rows = read(tmp_path, "t.parquet", target="y")
    assert isinstance(rows.X, pd.DataFrame)
    np.testing.assert_array_equal(rows.X["whole"], [1, np.nan, 3, 4])
    assert list(rows.X["flag"]) == ["True", None, "False", "True"]
    assert list(rows.X["size"]) == ["s", "m", None, "s"]
    assert list(rows.y) == [1, 0, 1, 0]


REFUSED: dict[str, Case] = {
    # tables
    "empty_table": (
        text("t.csv", "a,b\n"),
        {"target": "b"},
        "data.source: X must have rows and columns of features, got 0 rows and 1 columns (t.csv). "
        "Add some",
    ),
    "only_target": (
        csv(y=AB),
        {"target": "y"},
        "data.source: X must have rows and columns of features, got 6 rows and 0 columns (t.csv). "
        "Add some",
    ),
    "double_column": (
        own(X=pd.DataFrame([[1, 2]] * 8, columns=["a", "a"]), y=Y),
        {},
        f"data.source: X must have different column names, got 'a' twice {PLACE}. Rename",
    ),
    "empty_column": (
        csv(size=[None] * 6, kind=AB),
        {"target": "kind"},
        "data.source: column 'size' must have values, got only empty cells (t.csv). "
        "Set data.columns: {size: drop}",
    ),
    "empty_column_of_a_function": (
        own(X=pd.DataFrame({"size": [None] * 6, "b": range(6)}), y=AB),
        {},
        f"data.source: column 'size' must have values, got only empty cells {PLACE}. "
        "Drop the column",
    ),
    "inf_in_table": (
        csv(size=[1, 2, 3, np.inf, 5, 6], kind=AB),
        {"target": "kind"},
        "data.source: column 'size' must be finite and below 1e30, got inf in row 3 (t.csv). "
        "Mend or drop it",
    ),
    "huge_in_table": (
        csv(size=[1, 2, 3, -2e30, 5, 6], kind=AB),
        {"target": "kind"},
        "data.source: column 'size' must be finite and below 1e30, got -2e+30 in row 3 (t.csv). "
        "Mend or drop it",
    ),
    "durations": (
        parquet(took=pd.to_timedelta(range(6), unit="s"), kind=AB),
        {"target": "kind"},
        "data.source: column 'took' must be numbers or texts, got timedelta64[*] (t.parquet). "
        "Drop or convert it",
    ),
    "stray_text_among_numbers": (
        csv(size=[*WORDS, "tall"], kind=["a", *["a", "b"] * 30]),
        {"target": "kind"},
        "data.source: column 'size' must be all numbers or few texts, got 'tall' in row 60 "
        '(t.csv). Mend it, or have it read as missing: data.columns: {size: {missing: ["tall"]}}',
    ),
    "names_of_rows_in_a_frame": (
        own(X=pd.DataFrame({"name": [f"n{i}" for i in range(60)]}), y=[0, 1] * 30),
        {},
        "data.source: column 'name' must be numbers or few texts, got 60 different texts in 60 "
        f"rows, such as 'n0' {PLACE}. Drop it, or convert it to numbers or to pandas' category",
    ),
    # arrays
    "nan_in_array": (
        npz(X=changed(np.nan, (2, 1)), y=Y),
        {},
        "data.source: X must be finite and below 1e30, got nan in row 2, feature 1 (a.npz). "
        "Mend or drop it",
    ),
    "inf_in_image": (
        npz(X=changed(-np.inf, (2, 0, 1), X.reshape(8, 1, 3)), y=Y),
        {},
        "data.source: X must be finite and below 1e30, got -inf in row 2, feature 0, 1 (a.npz). "
        "Mend or drop it",
    ),
    "text_in_array": (
        npz(X=X.astype(str), y=Y),
        {},
        "data.source: X must be numbers, got '0.0' in row 0, feature 0 (a.npz). Mend or drop it",
    ),
    "text_among_numbers": (
        own(X=changed("tall", (3, 2)), y=Y),
        {},
        f"data.source: X must be numbers, got 'tall' in row 3, feature 2 {PLACE}. Mend or drop it",
    ),
    "complex_array": (
        npz(X=X * 1j, y=Y),
        {},
        "data.source: X must be numbers, got 0j in row 0, feature 0 (a.npz). Mend or drop it",
    ),
    "flat_array": (
        npz(X=X[:, 0], y=Y),
        {},
        "data.source: X must have rows and features, got shape (8,) (a.npz). "
        "Give it the shape (rows, features)",
    ),
    "ragged_array": (
        own(X=[[1, 2], [3]], y=[0, 1]),
        {},
        "data.source: X must be an array, got ValueError: setting an array element with a "
        f"sequence.* {PLACE}. Give its rows one shape",
    ),
    "no_rows": (
        npz(X=X[:0], y=Y[:0]),
        {},
        "data.source: X must have rows and features, got shape (0, 3) (a.npz). "
        "Give it the shape (rows, features)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_features_that_break_a_rule_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    write, options, message = REFUSED[case]
    got = refusal(tmp_path, write(tmp_path), **options)
    assert says(got, message), got
