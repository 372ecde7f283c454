"""The rows of a study: test rows held out, noise in the labels, a hash of them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

from sweep.data.dataset import load_dataset, noisy_labels
from sweep.errors import UsageError
from sweep.spec.data import DataSpec
from tests.support.datasets import numbered
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

# --- test rows


def save(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "a.npz", **arrays)
    return folder


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_test_rows_are_stratified_and_disjoint(tmp_path: Path, fraction: float) -> None:
    y = np.array([0] * 70 + [1] * 30)
    save(tmp_path, X=np.arange(100.0)[:, None], y=y)
    rows = load_dataset(DataSpec(source="a.npz", test_fraction=fraction), tmp_path, 0)
    assert isinstance(rows.X, np.ndarray) and isinstance(rows.X_test, np.ndarray)
    assert sorted(np.concatenate([rows.X, rows.X_test])[:, 0]) == list(range(100))
    assert list(np.bincount(rows.y_test)) == [70 * fraction, 30 * fraction]
    np.testing.assert_array_equal(rows.y, y[rows.X[:, 0].astype(int)])
    np.testing.assert_array_equal(rows.y_test, y[rows.X_test[:, 0].astype(int)])


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("seed", range(5))
def test_test_rows_are_whole_groups(tmp_path: Path, task: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    groups, y = generator.integers(0, 25, 200), generator.integers(0, 2, 200)
    save(tmp_path, X=groups[:, None], y=y, groups=groups)
    rows = load_dataset(DataSpec(source="a.npz", task=task), tmp_path, seed)  # type: ignore[arg-type]
    assert not set(np.ravel(rows.X)) & set(np.ravel(rows.X_test))
    assert abs(len(rows.X_test) - 40) <= 8
    if task == "classification":
        assert np.abs(np.bincount(rows.y_test) - np.bincount(y) * 0.2).max() <= 8


def test_a_few_large_groups_leave_rows_on_both_sides(tmp_path: Path) -> None:
    for fraction in (0.05, 0.2, 0.9):
        save(tmp_path, X=np.ones((12, 1)), y=[0, 1] * 6, groups=[0] * 6 + [1] * 6)
        rows = load_dataset(DataSpec(source="a.npz", test_fraction=fraction), tmp_path, 0)
        assert len(rows.X) == len(rows.X_test) == 6


def test_the_seed_chooses_the_test_rows(tmp_path: Path) -> None:
    save(tmp_path, X=np.arange(40.0)[:, None], y=[0, 1] * 20)
    tests = [load_dataset(DataSpec(source="a.npz"), tmp_path, seed).X_test for seed in (0, 0, 1)]
    assert np.array_equal(tests[0], tests[1]) and not np.array_equal(tests[0], tests[2])


def test_the_sources_own_test_rows_are_used(tmp_path: Path) -> None:
    X, y = np.arange(20.0)[:, None], np.array([0, 1] * 10)
    save(tmp_path, X=X, y=y, X_test=-X[:3], y_test=y[:3])
    rows = load_dataset(DataSpec(source="a.npz"), tmp_path, 0)
    np.testing.assert_array_equal(rows.X, X)
    np.testing.assert_array_equal(rows.X_test, -X[:3])


def test_no_test_rows_are_held_out_when_none_are_wanted(tmp_path: Path) -> None:
    save(tmp_path, X=np.ones((8, 2)), y=[0, 1] * 4)
    rows = load_dataset(DataSpec(source="a.npz", test_fraction=0.0), tmp_path, 0)
    assert len(rows.X) == 8 and len(rows.X_test) == 0


def test_a_test_fraction_that_takes_a_whole_class_is_refused(tmp_path: Path) -> None:
    save(tmp_path, X=np.ones((42, 1)), y=np.array(["a"] * 20 + ["b"] * 20 + ["c"] * 2))
    with pytest.raises(UsageError) as caught:
        load_dataset(DataSpec(source="a.npz", test_fraction=0.9), tmp_path, 0)
    assert str(caught.value) == (
        "data.test_fraction: must leave rows of every class, got 0.9, which leaves none of 'c' "
        "(a.npz). Lower it"
    )


# --- rows as a source holds them


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


# --- label noise


def test_label_noise_moves_its_share_to_the_other_classes_alike() -> None:
    clean = np.arange(4000) % 4
    y = noisy_labels(numbered(clean), 0.2, 0)
    wrong = y != clean
    assert wrong.mean() == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / 4000) ** 0.5)
    moves = np.bincount((y - clean)[wrong] % 4, minlength=4)
    assert moves[0] == 0 and np.abs(moves[1:] - 800 / 3).max() < 60
    assert y.min() == 0 and y.max() == 3


# --- content hash


def test_the_content_hash_is_of_all_rows_whatever_the_split(tmp_path: Path) -> None:
    def content(seed: int = 0, fraction: float = 0.2, **arrays: Any) -> str:
        values = {"X": np.arange(40.0).reshape(20, 2), "y": np.array([0, 1] * 10), **arrays}
        save(tmp_path, **values)
        source = DataSpec(source="a.npz", test_fraction=fraction)
        return load_dataset(source, tmp_path, seed).content_hash

    base, X = content(), np.arange(40.0).reshape(20, 2)
    assert len(base) == 16 and base == content(seed=1) == content(fraction=0.5)
    others = {
        content(X=np.where(X == 39, 38, X)),
        content(y=np.array([1, 0] * 10)),
        content(groups=np.arange(20)),
        content(X_test=X, y_test=np.array([0, 1] * 10)),
        content(X_test=X, y_test=np.array([1, 0] * 10)),
    }
    assert len(others | {base}) == 6


def test_the_content_hash_of_a_table_sees_cells_and_columns(tmp_path: Path) -> None:
    def content(**columns: Any) -> str:
        cells = {"a": [1, 2, None, 4], "b": ["x", None, "y", "x"], "y": ["u", "v"] * 2, **columns}
        pd.DataFrame(cells).to_csv(tmp_path / "t.csv", index=False)
        return load_dataset(DataSpec(source="t.csv", target="y"), tmp_path, 0).content_hash

    base = content()
    others = {content(a=[1, 2, 3, 4]), content(b=["x", "x", "y", "x"]), content(c=[0, 0, 0, 1])}
    assert base == content() and len(others | {base}) == 4


# --- the shipped table

STUDIES = Path(__file__).parents[2] / "studies"


def test_the_shipped_table_is_the_diabetes_data_that_its_module_describes() -> None:
    whole = load_diabetes(as_frame=True, scaled=False).frame
    shipped = pd.read_csv(STUDIES / "own_model.csv")
    whole.columns = shipped.columns
    whole["sex"] = whole["sex"].map({1.0: "a", 2.0: "b"})
    whole["glucose"] = pd.qcut(whole["glucose"], 3, labels=["low", "mid", "high"]).astype(object)
    blank = np.random.default_rng(0).random((442, 10)) < 0.03
    np.testing.assert_array_equal(shipped.iloc[:, :10].isna(), blank)
    filled = shipped.where(shipped.notna(), whole)
    pd.testing.assert_frame_equal(filled, whole, check_dtype=False)


def test_the_shipped_table_is_read_as_ever_and_nothing_is_said_of_it() -> None:
    """Stored studies of it go on: their rows have this hash."""
    data = DataSpec(source="own_model.csv", target="progression", task="regression")
    rows = load_dataset(data, STUDIES, 0)
    assert (rows.content_hash, rows.notes) == ("25221f252a8d1b5d", ())
