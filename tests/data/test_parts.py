"""Rows to train on, to validate on and test rows may lie in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.data.dataset import Dataset, load_dataset
from sweep.data.replicates import split_rows
from sweep.errors import UsageError
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec

SIZES = {"train": 40, "validation": 12, "test": 9}
ONE = {"n_folds": 1}
FILES = {"source": "train.csv", "validation": "validation.csv", "test": "test.csv"}


def rows() -> pd.DataFrame:
    draw, n = np.random.default_rng(0), sum(SIZES.values())
    return pd.DataFrame(
        {
            "a": draw.normal(size=n).round(3),
            "colour": draw.choice(["red", "blue", ""], n),
            "y": ["no", "yes"] * (n // 2) + ["no"] * (n % 2),
            "part": np.repeat([*SIZES], [*SIZES.values()]),
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frame = rows()
    frame.to_csv(tmp_path / "all.csv", index=False)
    for part, some in frame.groupby("part"):
        some.drop(columns="part").to_csv(tmp_path / f"{part}.csv", index=False)
        some.drop(columns="part").to_parquet(tmp_path / f"{part}.parquet", index=False)
    return tmp_path


def study(folder: Path, data: dict[str, Any], **sections: Any) -> StudySpec:
    tree = {"study_name": "x", "data": {"target": "y", **data}, **sections}
    return parse_spec(tree, "x.yaml", folder)


def read(spec: StudySpec) -> Dataset:
    return load_dataset(spec.data, spec.folder, spec.seed)


def same(a: Dataset, b: Dataset) -> bool:
    pd.testing.assert_frame_equal(pd.DataFrame(a.X), pd.DataFrame(b.X))  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(pd.DataFrame(a.X_test), pd.DataFrame(b.X_test))  # type: ignore[arg-type]
    return a.content_hash == b.content_hash and a.y.tolist() == b.y.tolist()


def test_three_files_are_one_with_a_column_of_parts(folder: Path) -> None:
    three = study(folder, FILES, replicates=ONE)
    one = study(folder, {"source": "all.csv", "split": "part"}, replicates=ONE)
    assert same(read(three), read(one))
    ((train, val),), ((train_1, val_1),) = (
        split_rows(spec, read(spec))[1] for spec in (three, one)
    )
    assert train.tolist() == train_1.tolist() and val.tolist() == val_1.tolist()
    assert (len(train), len(val), len(read(three).y_test)) == (40, 12, 9)


def test_the_order_of_columns_does_not_matter(folder: Path) -> None:
    before = read(study(folder, FILES, replicates=ONE))
    frame = pd.read_csv(folder / "test.csv", keep_default_na=False)
    frame[["y", "colour", "a"]].to_csv(folder / "test.csv", index=False)
    assert same(read(study(folder, FILES, replicates=ONE)), before)


def test_moments_of_other_zones_and_gaps_in_true_and_false_are_no_other_kind(
    tmp_path: Path,
) -> None:
    """In the test rows times are of another zone, and a cell is missing."""
    times = pd.date_range("2024-01-01", periods=60, freq="h", tz="UTC")
    frame = pd.DataFrame({"when": times, "is": np.arange(60) % 3 == 0, "y": np.arange(60) % 2})
    train, test = frame[:40], frame[40:].astype({"is": object})
    test = test.assign(when=test["when"].dt.tz_convert("Asia/Tokyo"))
    test.loc[45, "is"] = None
    train.to_parquet(tmp_path / "train.parquet")
    test.to_parquet(tmp_path / "test.parquet")
    dataset = read(study(tmp_path, {"source": "train.parquet", "test": "test.parquet"}))
    assert isinstance(dataset.X_test, pd.DataFrame)
    hours = 24 * dataset.X_test["when"].to_numpy()
    assert (np.diff(hours).round(6) == 1).all()
    assert dataset.X_test["is"].isna().sum() == 1


def test_with_test_rows_alone_folds_are_drawn(folder: Path) -> None:
    spec = study(folder, {"source": "train.csv", "test": "test.csv"}, replicates={"n_folds": 4})
    dataset = read(spec)
    assert (len(dataset.y), len(dataset.y_test)) == (40, 9)
    vals = [val for _, val in split_rows(spec, dataset)[1]]
    assert sorted(np.concatenate(vals)) == list(range(40))


def test_with_validation_rows_alone_there_are_no_test_rows(folder: Path) -> None:
    data = {"source": "train.csv", "validation": "validation.csv"}
    dataset = read(study(folder, data, replicates=ONE))
    assert (len(dataset.y), len(dataset.y_test)) == (52, 0)


def test_parquet_files_may_have_parts_too(folder: Path) -> None:
    data = {key: file.replace("csv", "parquet") for key, file in FILES.items()}
    dataset = read(study(folder, data, replicates=ONE))
    assert (len(dataset.y), len(dataset.y_test)) == (52, 9)


def test_rows_without_a_target_are_left_out_of_each_file(folder: Path) -> None:
    for name in ("train.csv", "test.csv"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace(",yes\n", ",\n", 2))
    dataset = read(study(folder, {**FILES, "drop_missing_target": True}, replicates=ONE))
    assert (len(dataset.y), len(dataset.y_test)) == (50, 7)
    assert "column 'y': 4 of 61 rows have no target and are left out" in dataset.notes


def changed(folder: Path, part: str, **columns: Any) -> None:
    frame = pd.read_csv(folder / f"{part}.csv", keep_default_na=False)
    frame.drop(columns=[c for c, v in columns.items() if v is None]).assign(
        **{c: v for c, v in columns.items() if v is not None}
    ).to_csv(folder / f"{part}.csv", index=False)


@pytest.mark.parametrize(
    ("part", "columns", "line"),
    [
        ("test", {"a": None}, "data.test: must have the columns of train.csv, got no 'a' (test"),
        ("test", {"y": None}, "got no 'y' (test.csv). Rows without a target are of no use here"),
        ("validation", {"b": 1},
         "data.validation: must have the columns of train.csv, got another, 'b' (validation.csv)"),
        ("test", {"y": "maybe"}, "data.test: must have no class that other rows lack, got"),
        ("validation", {"y": "maybe"},
         "data.validation: every class must have rows to train on in each fold, got none of 'm"),
    ],
)  # fmt: skip
def test_other_columns_are_refused_in_one_line(
    folder: Path, part: str, columns: dict[str, Any], line: str
) -> None:
    changed(folder, part, **columns)
    with pytest.raises(UsageError) as caught:
        spec = study(folder, FILES, replicates=ONE)
        split_rows(spec, read(spec))
    assert line in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tree", "line"),
    [
        ({"data": {"source": "a.npz", "test": "b.csv"}},
         "data.test: only a source that is a .csv or .parquet table has such a file, got 'b.csv'"),
        ({"data": {**FILES, "test": "b.npz"}, "replicates": ONE},
         "data.test: must be a .csv or .parquet table, got 'b.npz'"),
        ({"data": FILES}, "replicates.n_folds: must be 1 with data.validation, which is one"),
        ({"data": {**FILES, "split": "part"}, "replicates": ONE},
         "data.validation: must be null with data.split"),
        ({"data": {"source": "a.csv", "test": "b.csv", "fold": "part"}},
         "data.test: must be null with data.fold"),
        ({"data": {**FILES, "groups": "g"}, "replicates": ONE},
         "data.groups: must be null with data.validation, which gives the folds"),
        ({"data": FILES, "replicates": {**ONE, "scheme": "kfold"}},
         "replicates.scheme: must be own with data.validation, got kfold"),
        ({"data": {**FILES, "test": "train.csv"}, "replicates": ONE},
         "data.test: must be a file of its own, got 'train.csv' twice"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(tree: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_spec({"study_name": "x", **tree}, "x.yaml", Path("."))
    assert line in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"test": "gone.csv"}, "data.test: must be a file that exists, got"),
        ({"validation": "train.parquet"}, "data.validation: must be a file like train.csv, got"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_its_key(
    folder: Path, files: dict[str, str], line: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(study(folder, {**FILES, **files}, replicates=ONE))
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_without_rows_is_refused(folder: Path) -> None:
    (folder / "test.csv").write_text("a,colour,y\n")
    with pytest.raises(UsageError, match=r"data.test: must have rows, got none \(test.csv\)"):
        read(study(folder, FILES, replicates=ONE))


def test_a_column_of_another_kind_in_a_parquet_file_is_refused(folder: Path) -> None:
    frame = pd.read_parquet(folder / "test.parquet")
    frame.assign(a=frame.a.astype(str)).to_parquet(folder / "test.parquet")
    data = {"source": "train.parquet", "test": "test.parquet"}
    with pytest.raises(UsageError) as caught:
        read(study(folder, data, replicates={"n_folds": 4}))
    assert "got texts in column 'a', which are numbers there (test.parquet)" in str(caught.value)
