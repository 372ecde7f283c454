"""Odd rows are named: copies, columns that count rows, columns constant but for a few rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.data.remarks import copies, counting, hashes, nearly_constant
from tests.support.sources import read, returning

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 3))
Y = np.arange(40) % 2
THRICE = np.tile(np.arange(40), 3)


def said(X: Any, y: Any, groups: Any = None, test: Any = None) -> list[str]:
    of_test = None if test is None else hashes(*test)
    return [note.text for note in copies(hashes(X, y), groups, of_test)]


@pytest.mark.parametrize("as_table", [False, True])
def test_copies_of_rows_are_counted_and_groups_named_as_the_way_out(as_table: bool) -> None:
    rows: Any = pd.DataFrame(X[THRICE], columns=list("abc")) if as_table else X[THRICE]
    (text,) = said(rows, Y[THRICE])
    assert text.startswith("120 of 120 rows have a copy, features and target alike, as rows 0 and")
    assert text.endswith("name a column that they share in data.groups")


def test_copies_in_one_group_are_no_fault() -> None:
    assert said(X[THRICE], Y[THRICE], THRICE) == []
    groups = np.where(np.arange(120) == 119, 99, THRICE)  # one of them in another group
    assert said(X[THRICE], Y[THRICE], groups)[0].startswith("3 of 120 rows have a copy")


def test_rows_alike_but_for_their_target_are_no_copies() -> None:
    assert said(X[THRICE], np.arange(120.0)) == []
    assert said(X, Y) == []


def test_a_copy_among_the_rows_to_test_on_is_found() -> None:
    (text,) = said(X, Y, None, (X[3:5], Y[3:5]))
    assert text.startswith("4 of 42 rows have a copy, features and target alike, as rows 3 and 40")


def test_rows_of_a_source_are_compared_with_those_it_tests_on(tmp_path: Path) -> None:
    source = returning(tmp_path, X=X, y=Y, X_test=X[3:5], y_test=Y[3:5])
    (note,) = read(tmp_path, source).notes
    assert note.startswith("4 of 42 rows have a copy")


def test_nothing_is_said_of_data_sets_that_come_with_packages(tmp_path: Path) -> None:
    rows = read(tmp_path, "sklearn:iris")  # which has two rows alike
    assert rows.notes == () and said(rows.X, rows.y)


def test_zero_is_one_number() -> None:
    assert said(np.array([[0.0], [-0.0]]), np.zeros(2, dtype=int))


def test_copies_are_found_behind_a_number_of_the_row(tmp_path: Path) -> None:
    table = pd.DataFrame(X[THRICE], columns=list("abc")).assign(id=np.arange(120))
    rows = read(tmp_path, returning(tmp_path, X=table, y=Y[THRICE]))
    assert rows.notes[1].endswith("To keep copies in one fold, return `groups`")
    assert [note.partition(":")[0] for note in rows.notes] == [
        "column 'id'", "120 of 120 rows have a copy, features and target alike, as rows 0 and 40",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"a": range(5, 25), "b": range(20)}, ["a"]),  # the first
        ({"a": [0] * 20, "Patient_ID": range(20)}, ["Patient_ID"]),
        ({"a": [0] * 20, "paid": range(20), "row": range(20)}, ["row"]),
        ({"a": GENERATOR.permutation(20)}, ["a"]),
        ({"a": np.arange(20) * 2}, []),
        ({"a": np.arange(20) + 0.5}, []),
        ({"a": [*range(19), 18]}, []),
        ({"a": [*range(19), np.nan]}, []),
        ({"a": range(9)}, []),  # too few to tell
    ],
)
def test_a_column_that_counts_rows_is_named(columns: dict[str, Any], named: list[str]) -> None:
    assert counting(pd.DataFrame(columns).astype(float)) == named


@pytest.mark.parametrize("as_table", [False, True])
@pytest.mark.parametrize(
    ("n", "odd", "is_named"),
    [
        (40, {3: 5000}, True), (40, {0: 5000}, True), (40, {}, False), (19, {3: 1}, False),
        (40, {1: 9, 2: 8}, True), (40, {1: 9, 2: 8, 3: 6}, False), (60, {1: 9, 2: 9, 3: 9}, True),
        (400, {1: 9, 2: 9, 3: 9, 4: 9}, False),
    ],
)  # fmt: skip
def test_a_column_constant_but_for_very_few_rows_is_named(
    n: int, odd: dict[int, float], is_named: bool, as_table: bool
) -> None:
    values = np.full(n, 7.0)
    values[list(odd)] = list(odd.values())
    rows: Any = np.stack([np.arange(n) / 3, values], 1)
    rows = pd.DataFrame(rows, columns=["a", "b"]) if as_table else rows
    found = [*nearly_constant(rows)]
    assert len(found) == is_named
    if found:
        row = min(odd)
        assert found[0].what == ("column 'b'" if as_table else "feature 1")
        assert f"it is 7 but in {len(odd)} of {n} rows ({odd[row]} in row {row})" in found[0].text


def test_missing_cells_are_no_odd_rows() -> None:
    column = np.full(40, 7.0)
    column[:12] = np.nan
    assert [*nearly_constant(pd.DataFrame({"a": column}))] == []
    column[20] = 8
    (note,) = nearly_constant(pd.DataFrame({"a": column}))
    assert note.text.startswith("it is 7 but in 1 of 28 rows (8 in row 20)")


def test_rare_pixels_that_are_not_scaled_are_not_named(tmp_path: Path) -> None:
    pixels = np.zeros((40, 2))
    pixels[:, 0], pixels[5, 1] = np.arange(40) / 40, 1
    np.savez(tmp_path / "a.npz", X=pixels, y=np.arange(40) % 2)
    assert read(tmp_path, "a.npz", scale="none").notes == ()
    assert len(read(tmp_path, "a.npz", scale="standard").notes) == 1
