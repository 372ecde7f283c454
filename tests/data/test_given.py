"""Folds that are given: windows of time, folds of one's own, one's own split."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sweep
from sweep.data.dataset import Dataset, load_dataset
from sweep.data.replicates import split_rows
from sweep.errors import UsageError
from sweep.plan.plan import make_plan
from sweep.spec.splits import scheme_of
from sweep.spec.study import StudySpec
from tests.support.datasets import PROPERTY, numbered
from tests.support.studies import parse, refused

TIME: dict[str, Any] = {"replicates": {"scheme": "time", "n_folds": 4}, "data": {"scale": "none"}}


def in_time(order: Any, y: Any) -> Dataset:
    return replace(numbered(y), order=np.asarray(order))


@PROPERTY
@given(
    order=st.lists(st.integers(0, 30), min_size=40, max_size=90),
    n_folds=st.integers(1, 5), n_seeds=st.integers(1, 2), data=st.data(),
)  # fmt: skip
def test_no_training_row_is_as_late_as_a_validation_row(
    order: list[int], n_folds: int, n_seeds: int, data: st.DataObject
) -> None:
    y = np.array([0, 1] * (len(order) // 2) + [0] * (len(order) % 2))
    replicates = {"scheme": "time", "n_folds": n_folds, "n_seeds": n_seeds}
    spec = parse(replicates=replicates, data={"scale": "none"})
    try:
        names, splits = split_rows(spec, in_time(order, y))
    except UsageError as error:  # moments with many rows may leave a window without any
        assert str(error).startswith("replicates.")
        return
    at = np.array(order)
    assert len(splits) == n_folds * n_seeds
    for train, val in splits:
        assert at[train].max() < at[val].min()
        assert len(train) == len(set(train)) == len(splits[0][0])
    vals = [val for (fold, seed), (_, val) in zip(names, splits, strict=True) if seed == 0]
    together = np.concatenate(vals)
    assert len(set(together)) == len(together)  # a row validates once
    for before, after in itertools.pairwise(vals):
        assert at[before].max() < at[after].min()
    assert at[together].max() == at.max()  # up to the last row


def test_windows_by_the_order_of_the_rows() -> None:
    spec = parse(**TIME)
    _, splits = split_rows(spec, in_time(np.arange(80), [0, 1] * 40))
    assert [val.tolist() for _, val in splits] == [
        list(range(first, first + 10)) for first in (40, 50, 60, 70)
    ]
    assert all(len(train) == 40 for train, _ in splits)


def table(folder: Path, rows: int = 60, **columns: Any) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=rows), "y": ["a", "b"] * (rows // 2), **columns})
    frame.to_csv(folder / "t.csv", index=False)


def study(folder: Path, data: dict[str, Any], **more: Any) -> StudySpec:
    spec = parse(data={"source": "t.csv", "target": "y", **data}, **more)
    spec._folder = folder
    return spec


def read(spec: StudySpec) -> Dataset:
    in_time = scheme_of(spec) == "time"
    return load_dataset(spec.data, spec.folder, spec.seed, in_time=in_time)


def message(spec: StudySpec) -> str:
    with pytest.raises(UsageError) as error:
        split_rows(spec, read(spec))
    assert "\n" not in str(error.value) and "t.csv" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("way", ["dates", "numbers"])
def test_a_column_orders_rows_and_the_last_ones_are_the_test_rows(
    tmp_path: Path, way: str
) -> None:
    shuffled = np.random.default_rng(1).permutation(60)
    day = pd.Series(pd.date_range("2024-01-01", periods=60)).dt.strftime("%Y-%m-%d").to_numpy()
    when = day[shuffled] if way == "dates" else shuffled * 0.5
    table(tmp_path, when=when, place=shuffled)
    dataset = read(study(tmp_path, {"time": "when"}, replicates={"scheme": "time"}))
    assert list(dataset.X.columns) == ["x", "place"]  # type: ignore[union-attr]
    assert dataset.X_test["place"].min() > dataset.X["place"].max()
    assert len(dataset.y_test) == 12


def test_folds_of_a_column_validate_once_each(tmp_path: Path) -> None:
    names = np.array(["north", "south", "west"])[np.arange(60) % 3]
    table(tmp_path, part=names)
    spec = study(tmp_path, {"fold": "part", "test_fraction": 0.0}, replicates={"n_folds": 3})
    dataset = read(spec)
    assert list(dataset.X.columns) == ["x"]  # type: ignore[union-attr]
    _, splits = split_rows(spec, dataset)
    for fold, (train, val) in enumerate(splits):
        assert (val % 3 == fold).all() and (train % 3 != fold).all()
    assert sorted(np.concatenate([val for _, val in splits])) == list(range(60))


def test_a_split_of_ones_own_is_one_replicate(tmp_path: Path) -> None:
    parts = np.array(["train"] * 36 + ["validation"] * 12 + ["test"] * 12)
    table(tmp_path, part=parts)
    spec = study(tmp_path, {"split": "part"}, replicates={"n_folds": 1})
    dataset = read(spec)
    assert len(dataset.y_test) == 12
    ((train, val),) = split_rows(spec, dataset)[1]
    assert train.tolist() == list(range(36)) and val.tolist() == list(range(36, 48))


@pytest.mark.parametrize(
    ("columns", "data", "more", "said"),
    [
        ({"f": [1, 2, 3] * 20}, {"fold": "f"}, {}, "replicates.n_folds: must be 3, as many"),
        ({"f": ["a"] * 60}, {"fold": "f"}, {}, "data.fold: must name 2 folds or more"),
        ({"f": ["a", ""] * 30}, {"fold": "f"}, {}, "data.fold: must have a value in every row"),
        ({"f": ["a", "b"] * 30}, {"fold": "f"}, {"replicates": {"n_folds": 2}},
         "data.fold: every class must have rows to train on in each fold, got none of"),
        ({"s": ["train", "dev"] * 30}, {"split": "s"}, {"replicates": {"n_folds": 1}},
         "data.split: must be train, validation or test in every row, got 'dev' in row 1"),
        ({"s": ["train", "test"] * 30}, {"split": "s"}, {"replicates": {"n_folds": 1}},
         "data.split: must have rows of validation, got none"),
        ({"w": ["soon"] * 60}, {"time": "w"}, {"replicates": {"scheme": "time"}},
         "data.time: must be numbers, or dates"),
        ({"w": [3] * 60}, {"time": "w"}, {"replicates": {"scheme": "time"}},
         "data.time: must differ between rows"),
        ({"w": [1] * 50 + [2] * 10}, {"time": "w", "test_fraction": 0.0},
         {"replicates": {"scheme": "time"}}, "replicates.n_folds: must be windows with rows"),
        ({}, {"fold": "f"}, {}, "data.fold: must name a column, got 'f'"),
        ({}, {"fold": "y"}, {}, "data.fold: must be a column of its own, got 'y'"),
    ],
)  # fmt: skip
def test_columns_that_give_no_folds_are_refused(
    tmp_path: Path, columns: dict[str, Any], data: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    table(tmp_path, **columns)
    assert message(study(tmp_path, data, **more)).startswith(said)


CSV = {"source": "t.csv", "target": "y"}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"data": {**CSV, "fold": "a", "split": "b"}}, "data.split: must be null with data.fold"),
        ({"data": {**CSV, "fold": "a"}, "replicates": {"scheme": "kfold"}},
         "replicates.scheme: must be own with data.fold, got kfold"),
        ({"replicates": {"scheme": "own"}}, "replicates.scheme: own must have data.fold, "),
        ({"data": {**CSV, "time": "a"}}, "data.time: only replicates.scheme time has it"),
        ({"data": CSV, "replicates": {"scheme": "group"}},
         "replicates.scheme: group must have data.groups"),
        ({"data": {**CSV, "groups": "g"}, "replicates": {"scheme": "kfold"}},
         "replicates.scheme: must be group with data.groups, got kfold"),
        ({"data": {**CSV, "task": "regression"}, "replicates": {"scheme": "stratified"}},
         "replicates.scheme: stratified takes classes, got task regression"),
        ({"data": {**CSV, "split": "s"}},
         "replicates.n_folds: must be 1 with data.split, which is one split, got 8"),
        ({"data": {**CSV, "fold": "f"}, "replicates": {"n_repeats": 2}},
         "replicates.n_repeats: must be 1 with data.fold"),
        ({"data": {**CSV, "groups": "g"}, "replicates": {"scheme": "time"}},
         "data.groups: must be null with replicates.scheme time"),
    ],
)  # fmt: skip
def test_keys_that_do_not_go_together_are_one_line(tree: dict[str, Any], said: str) -> None:
    assert refused(**tree).startswith(said)


def test_columns_of_folds_need_a_table() -> None:
    spec = parse(data={"fold": "f"})
    with pytest.raises(UsageError, match=r"data\.fold: only a \.csv or \.parquet table"):
        make_plan(spec)


@pytest.mark.parametrize("scheme", ["kfold", "stratified"])
def test_folds_are_drawn_as_the_scheme_says(scheme: str) -> None:
    y = np.repeat([0, 1], [80, 20])
    spec = parse(replicates={"scheme": scheme, "n_folds": 4}, data={"scale": "none"})
    shares = {int(y[val].sum()) for _, val in split_rows(spec, numbered(y))[1]}
    assert (shares == {5}) == (scheme == "stratified")
    plain = parse(replicates={"n_folds": 4}, data={"scale": "none"})
    same = all(
        np.array_equal(a, b)
        for (_, a), (_, b) in zip(
            split_rows(spec, numbered(y))[1], split_rows(plain, numbered(y))[1], strict=True
        )
    )
    assert same == (scheme == "stratified")


def test_a_scheme_of_groups_needs_groups() -> None:
    spec = parse(replicates={"scheme": "group", "n_folds": 3}, data={"scale": "none"})
    with pytest.raises(UsageError, match=r"replicates\.scheme: must be group where there are"):
        split_rows(spec, numbered([0, 1] * 20))
    split_rows(spec, numbered([0, 1] * 20, np.arange(40) // 4))


# --- whole studies

SMALL: dict[str, Any] = {
    "device": "cpu", "model": {"hidden": [4]}, "training": {"epochs": 2, "batch_size": 20},
    "search": {"n_trials": 3, "in_flight": 2, "space": {"alpha": {"low": 1e-3, "high": 1e-1}}},
}  # fmt: skip


@pytest.mark.parametrize("way", ["split", "time"])
def test_a_study_of_given_folds_claims_nothing_on_fresh_ones(tmp_path: Path, way: str) -> None:
    parts = np.array((["train"] * 3 + ["validation", "test"]) * 12)
    table(tmp_path, part=parts)
    ways: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "split": ({"split": "part"}, {"n_folds": 1}),
        "time": ({"columns": {"part": "drop"}}, {"scheme": "time", "n_folds": 3}),
    }
    data, replicates = ways[way]
    storage = f"sqlite:///{tmp_path}/s.db"
    spec = study(tmp_path, data, replicates=replicates, storage=storage, **SMALL)
    result = sweep.run(spec)
    assert "confirmation" not in result.study.user_attrs
    assert not result.finished.confirmed
    if way == "split":
        assert "on this one split, which cannot show" in result.verdict
    else:
        assert "they are given, so that there are no fresh ones" in result.verdict
    assert sweep.report(result, tmp_path / "s.html").stat().st_size
    config = result.export(tmp_path / "config.yaml")
    assert sweep.load_config(config).alpha == result.best.at


# --- rows without a target


def test_rows_without_a_target_are_left_out_where_that_is_said(tmp_path: Path) -> None:
    y = ["a", "b", "", "NA"] * 15
    table(tmp_path)
    frame = pd.read_csv(tmp_path / "t.csv").assign(y=y, row=np.arange(60))
    frame.to_csv(tmp_path / "t.csv", index=False)
    dataset = read(study(tmp_path, {"drop_missing_target": True, "test_fraction": 0.0}))
    assert dataset.classes == ("a", "b") and len(dataset.y) == 30
    assert set(dataset.X["row"] % 4) == {0, 1}
    assert "column 'y': 30 of 60 rows have no target and are left out" in dataset.notes
    frame["y"] = frame["y"].replace("NA", "")
    frame.to_csv(tmp_path / "t.csv", index=False)
    said = message(study(tmp_path, {}))
    assert said.endswith("Mend or drop it, or set data.drop_missing_target: true")


def test_arrays_without_targets_are_left_out_too(tmp_path: Path) -> None:
    y = np.arange(40.0)
    y[::4] = np.nan
    np.savez(tmp_path / "a.npz", X=np.arange(80.0).reshape(40, 2), y=y, groups=np.arange(40) // 4)
    spec = parse(data={"source": "a.npz", "task": "regression", "drop_missing_target": True,
                       "test_fraction": 0.0})  # fmt: skip
    spec._folder = tmp_path
    dataset = load_dataset(spec.data, tmp_path, 0)
    assert len(dataset.y) == 30 and dataset.groups is not None and len(dataset.groups) == 30
    np.testing.assert_array_equal(dataset.X[:, 0], 2 * dataset.y)
    assert "10 of 40 rows have no target and are left out" in dataset.notes
