"""One pass over blocks of rows finds what is found in all of them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.data import table_rows
from sweep.data.dataset import load_dataset
from sweep.data.remarks import copies, counting, hashes, nearly_constant
from sweep.data.survey import Constants, TableSeen, among, one_pass
from sweep.spec.data import DataSpec


def in_blocks(X: np.ndarray, ends: list[int]) -> list[tuple[int, np.ndarray]]:
    starts = sorted({0, *(end % len(X) for end in ends)})
    return list(zip(starts, np.split(X, starts[1:]), strict=True))


@given(
    st.integers(0, 99),
    st.lists(st.integers(0, 69), max_size=4),
    st.lists(st.integers(1, 69), max_size=9),
    st.integers(0, 12),
)
def test_nearly_constant_columns_are_those_of_the_whole_table(
    seed: int, odd: list[int], ends: list[int], empty: int
) -> None:
    X = np.random.default_rng(seed).choice([1.0, 1.0, 1.0, 2.0, np.nan], (70, 3))
    X[:, 0] = 1.0
    X[odd, 0], X[:empty, 0], X[60::3, 0] = 2.0, np.nan, np.nan
    seen = TableSeen([f"x{n}" for n in range(X.shape[1])], np.arange(len(X)))
    one_pass(in_blocks(X, ends), seen.look)
    table = pd.DataFrame(X, columns=[*seen.columns])
    found = [
        f"column 'x{place}': it is {usual:g} but in {n_odd} of {n} rows ({value:g} in row {row})"
        for place, usual, n_odd, n, (value, row) in seen.constants.found()
        if n_odd <= min(3, n / 20)
    ]
    wanted = [f"{note.what}: {note.text.partition('. ')[0]}" for note in nearly_constant(table)]
    assert found == wanted
    assert seen.constants.present.tolist() == table.notna().sum().tolist()
    assert seen.gaps.tolist() == table.isna().any(axis=1).tolist()
    assert seen.hashes.tolist() == pd.util.hash_pandas_object(table, index=False).tolist()


@given(st.lists(st.integers(0, 30), unique=True), st.lists(st.integers(1, 30), max_size=6))
def test_only_wanted_rows_are_shown(rows: list[int], ends: list[int]) -> None:
    X, wanted = np.arange(31.0)[:, None], np.array(sorted(rows), dtype=np.int64)
    shown: list[tuple[int, list[float]]] = []
    one_pass(
        in_blocks(X, ends),
        among(wanted, lambda start, block: shown.append((start, block[:, 0].tolist()))),
    )
    assert [row for _, part in shown for row in part] == wanted.tolist()
    assert [start for start, _ in shown] == [
        sum(len(part) for _, part in shown[:n]) for n in range(len(shown))
    ]


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=30),
    st.lists(st.integers(0, 2), min_size=30, max_size=30),
    st.booleans(),
)
def test_copies_are_those_that_pairs_of_rows_show(
    keys: list[int], groups: list[int], grouped: bool
) -> None:
    owners = groups if grouped else range(30)
    alike = [
        [b for b, other in enumerate(keys) if other == key and owners[b] != owners[a]]
        for a, key in enumerate(keys)
    ]
    in_two = [n for n, others in enumerate(alike) if others]
    notes = [*copies(np.array(keys), np.array(groups[: len(keys)]) if grouped else None)]
    assert len(notes) == bool(in_two)
    for note in notes:
        a, b = [n for n, key in enumerate(keys) if key == keys[in_two[0]]][:2]
        assert note.text.startswith(f"{len(in_two)} of {len(keys)} rows have a copy, features")
        assert f"as rows {a} and {b}:" in note.text


@pytest.mark.parametrize(
    ("column", "counts"),
    [
        (np.append(np.zeros(30), np.random.default_rng(0).permutation(60)), True),
        (np.arange(90)[::-1] + 7, True),
        (np.arange(90) % 89, False), (np.arange(90) / 2, False), (np.arange(90) * 2, False),
        (np.where(np.arange(90) == 80, np.nan, np.arange(90)), False),
        (np.where(np.arange(90) < 30, np.nan, np.arange(90)), True),  # rows without a target
    ],
)  # fmt: skip
def test_a_column_that_counts_the_rows_is_found_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: np.ndarray, counts: bool
) -> None:
    monkeypatch.setattr(table_rows, "AT_FIRST", 20)
    y = np.where(np.arange(90) < 30, np.nan, np.arange(90) ** 0.5)
    table = pd.DataFrame({"x": 1.0 + np.arange(90) % 7, "row_id": column.astype(float), "y": y})
    table.to_parquet(tmp_path / "t.parquet")
    notes = [
        load_dataset(
            DataSpec(source="t.parquet", target="y", task="regression", stream=stream,
                     drop_missing_target=True),
            tmp_path, 0,
        ).notes
        for stream in (False, True)
    ]  # fmt: skip
    assert any("it counts the rows" in note for note in notes[0]) == counts
    assert [note for note in notes[1] if "batch by batch" not in note] == [*notes[0]]


def test_rows_of_an_array_are_looked_at_in_any_blocks() -> None:
    X = np.full((40, 2, 2), 3.0)
    X[33, 1, 0] = 8
    constants = Constants(4)
    one_pass(in_blocks(X, [1, 2, 3, 5, 34]), constants.look)
    assert [*constants.found()] == [(2, 3.0, 1, 40, (8.0, 33))]


def test_a_key_tells_rows_by_features_and_target() -> None:
    keys: Any = hashes(np.array([[0.0], [-0.0], [1.0], [0.0]]), np.array([1, 1, 1, 2]))
    assert keys[0] == keys[1] and len({*keys}) == 3
    assert counting(np.zeros((20, 1))) == []
