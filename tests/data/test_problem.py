"""Replicates as tensors, each preprocessed by its own training rows alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from sklearn.preprocessing import StandardScaler

from sweep.data.dataset import Dataset, load_dataset
from sweep.data.preprocessing import preprocessor, target_scale
from sweep.data.problem import Problem, make_problem
from sweep.data.replicates import split_rows
from sweep.spec.study import StudySpec
from tests.support.datasets import (
    CLASSES,
    PROPERTY,
    SPLITS,
    dataset,
    measured,
    numbered,
    parts,
    regression,
    study,
    table,
)


def equal(a: Problem, b: Problem) -> bool:
    tensors = [name for name, value in vars(a).items() if isinstance(value, torch.Tensor)]
    others = [name for name in vars(a) if name not in tensors]
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in tensors) and all(
        getattr(a, name) == getattr(b, name) for name in others
    )


# --- layout


@PROPERTY
@given(y=CLASSES, spec=SPLITS)
def test_each_replicate_has_the_rows_of_its_split(y: np.ndarray, spec: StudySpec) -> None:
    problem = make_problem(spec, numbered(y))
    replicates, splits = split_rows(spec, numbered(y))
    assert problem.replicates == replicates
    assert problem.val_size.max() == problem.val.shape[1]
    for (train, val), drawn, held in zip(splits, *parts(problem, "X"), strict=True):
        np.testing.assert_array_equal(drawn, train)
        np.testing.assert_array_equal(held, val)


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_smaller_folds_are_padded_by_their_first_row(scale: str) -> None:
    problem = make_problem(study(n_folds=3, scale=scale), numbered([0, 1] * 20))
    assert sorted(problem.val_size.tolist()) == [13, 13, 14]
    for row, size in zip(problem.val, problem.val_size, strict=True):
        assert (row[size:] == row[0]).all()


def test_a_regression_has_one_output_and_float_targets() -> None:
    problem = make_problem(study(task="regression"), regression())
    assert problem.n_outputs == 1 and problem.y.dtype == torch.float32


def test_rows_stand_once_where_preprocessing_is_the_same_for_all() -> None:
    rows = measured()
    problem = make_problem(study(scale="none", n_seeds=2), rows)
    np.testing.assert_array_equal(problem.X, np.asarray(rows.X, dtype=np.float32))
    complete = table()
    complete = replace(complete, X=complete.X[["count"]])
    assert make_problem(study(scale="none"), complete).X.shape == (60, 1)
    assert make_problem(study(scale="standard"), complete).X.shape == (240, 1)
    assert make_problem(study(scale="none"), table()).X.shape == (240, 5)


def test_images_keep_their_shape() -> None:
    images = np.random.default_rng(0).random((40, 2, 3, 3)).astype(np.float32)
    for scale in ("none", "standard"):
        problem = make_problem(study(scale=scale), dataset(images, np.arange(40) % 2))
        assert problem.feature_shape == problem.X.shape[1:] == (2, 3, 3)
        assert problem.X.dtype == torch.float32


def test_a_problem_moves_floats_to_a_dtype_and_keeps_indices() -> None:
    problem = make_problem(study(task="regression"), regression()).to("cpu", torch.float64)
    floats = {name for name, v in vars(problem).items() if getattr(v, "dtype", 0) == torch.float64}
    assert floats == {"X", "y", "y_clean", "y_scale", "y_mean"}
    assert {t.dtype for t in (problem.train, problem.val, problem.val_size)} == {torch.int64}
    classes = make_problem(study(), measured()).to("cpu", torch.float64)
    assert classes.y.dtype == classes.y_clean.dtype == torch.int64


def test_a_problem_shares_no_memory_with_its_dataset() -> None:
    rows = numbered([0, 1] * 20)
    problem = make_problem(study(scale="none"), rows)
    problem.X.zero_(), problem.y.zero_(), problem.y_clean.zero_()
    assert isinstance(rows.X, np.ndarray) and rows.X[-1] == 39 and rows.y[-1] == 1


@pytest.mark.parametrize("make", [measured, table, regression])
def test_the_same_seed_gives_the_same_problem_and_no_global_stream_is_touched(
    make: Callable[[], Dataset], tmp_path: Path
) -> None:
    task = "classification" if make().classes else "regression"
    noise = 0.1 if make().classes else 0.0
    spec, other = (study(seed, task=task, label_noise=noise, n_seeds=2) for seed in (0, 1))
    before = random.getstate(), str(np.random.get_state()), torch.get_rng_state()
    first = make_problem(spec, make())
    assert equal(first, make_problem(spec, make()))
    assert not equal(first, make_problem(other, make()))
    assert (random.getstate(), str(np.random.get_state())) == before[:2]
    assert torch.equal(torch.get_rng_state(), before[2])


# --- scales


def test_scaling_is_by_the_training_rows_and_spares_constant_columns() -> None:
    spec, rows = study(train_rows=30), measured()
    assert isinstance(rows.X, np.ndarray)
    problem = make_problem(spec, rows)
    splits = split_rows(spec, rows)[1]
    for (train, val), got, held in zip(splits, *parts(problem, "X"), strict=True):
        scaler = StandardScaler().fit(rows.X[train])
        np.testing.assert_array_equal(got, scaler.transform(rows.X[train]).astype(np.float32))
        np.testing.assert_array_equal(held, scaler.transform(rows.X[val]).astype(np.float32))
        np.testing.assert_allclose(got.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(got.std(0), [1, 1, 0, 1], rtol=1e-5)


def test_targets_are_scaled_by_the_training_rows_and_back() -> None:
    spec, rows = study(task="regression", n_seeds=2), regression()
    problem = make_problem(spec, rows)
    for r, (train, val) in enumerate(split_rows(spec, rows)[1]):
        mean, deviation = rows.y[train].mean(), rows.y[train].std()
        y, held = (parts(problem, "y_clean")[i][r] for i in (0, 1))
        np.testing.assert_allclose(y * problem.y_scale[r].item() + mean, rows.y[train], rtol=1e-5)
        np.testing.assert_allclose(held, (rows.y[val] - mean) / deviation, rtol=1e-4, atol=1e-5)
        assert problem.y_scale[r] == pytest.approx(deviation)


def test_targets_are_left_alone_without_scaling_or_when_constant() -> None:
    spec, rows = study(task="regression", scale="none"), regression()
    problem = make_problem(spec, rows)
    np.testing.assert_array_equal(problem.y, rows.y.astype(np.float32))
    assert (problem.y_scale == 1).all()
    assert [*map(float, target_scale("standard", np.full(60, 3.0)))] == [3.0, 1.0]


# --- leaks


def leaks(make: Callable[[], Dataset], spec: StudySpec) -> bool:
    """Say whether the validation rows of a replicate reach what it trains on."""
    for r, (train, val) in enumerate(split_rows(spec, make())[1]):
        before, changed = make(), make()
        if isinstance(changed.X, pd.DataFrame):
            changed.X.loc[val, ["size", "count"]] = 1e4
            changed.X.loc[val, "colour"] = "blue"
        elif isinstance(changed.X, np.ndarray):
            changed.X[val] += 1e4
        if not changed.classes:
            changed.y[val] -= 1e4
        a, b = make_problem(spec, before), make_problem(spec, changed)
        for name in ("X", "y"):
            if not np.array_equal(parts(a, name)[0][r], parts(b, name)[0][r]):
                return True
        if not torch.equal(a.y_scale[r], b.y_scale[r]) or set(train) & set(val):
            return True
    return False


@pytest.mark.parametrize("make", [measured, table, regression])
@pytest.mark.parametrize("train_rows", [None, 30])
def test_validation_rows_reach_nothing_that_is_trained_on(
    make: Callable[[], Dataset], train_rows: int | None
) -> None:
    task = "classification" if make().classes else "regression"
    assert not leaks(make, study(task=task, train_rows=train_rows))


@pytest.mark.parametrize("make", [measured, table])
def test_a_planted_leak_of_all_rows_statistics_is_seen(
    make: Callable[[], Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sweep.data.problem.preprocessors",
        lambda scale, X, fits, embed: [preprocessor(scale, X, X, embed=embed) for _ in fits],
    )
    assert leaks(make, study())


def test_a_planted_leak_of_the_targets_scale_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    all_y = regression().y
    monkeypatch.setattr(
        "sweep.data.problem.target_scale", lambda scale, y: target_scale(scale, all_y)
    )
    spec, rows = study(task="regression"), regression()
    scales = make_problem(spec, rows).y_scale
    assert len(set(scales.tolist())) == 1  # what the leak looks like, and the real code does not
    monkeypatch.undo()
    assert len(set(make_problem(spec, rows).y_scale.tolist())) == 4


def test_a_planted_leak_of_a_folds_rows_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(*args: Any) -> Any:
        replicates, splits = split_rows(*args)
        return replicates, [(np.append(t[:-1], v[0]), v) for t, v in splits]

    monkeypatch.setattr("sweep.data.problem.split_rows", planted)
    assert leaks(measured, study())


def test_changing_test_rows_changes_nothing_in_the_problem(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    spec = study(source="t.csv", target="y", task="regression")
    frame = pd.DataFrame(generator.normal(size=(80, 3)), columns=["a", "b", "y"])
    frame["row"], frame["word"] = np.arange(80), generator.choice(["u", "v"], 80)

    def load(frame: pd.DataFrame) -> Dataset:
        frame.to_csv(tmp_path / "t.csv", index=False)
        return load_dataset(spec.data, tmp_path, spec.seed)

    before = load(frame)
    assert isinstance(before.X_test, pd.DataFrame)
    test = before.X_test["row"].astype(int)
    frame.loc[test, ["a", "b", "y"]] = generator.normal(1e6, 1, (len(test), 3))
    frame.loc[test, "word"] = "new"
    frame.loc[test.iloc[:5], "b"] = np.nan
    after = load(frame)
    assert equal(make_problem(spec, before), make_problem(spec, after))
    assert before.content_hash != after.content_hash


# --- label noise

NOISY = np.arange(4000) % 4


def noisy(seed: int = 0, **options: Any) -> Problem:
    return make_problem(study(seed, label_noise=0.2, **options), numbered(NOISY))


def test_there_is_one_noisy_copy_for_all_replicates_and_layouts() -> None:
    shared, blocks = noisy(scale="none"), noisy(scale="standard", n_seeds=2)
    np.testing.assert_array_equal(shared.y_clean, NOISY)
    spec = study(label_noise=0.2, n_seeds=2)
    for (train, val), own in zip(split_rows(spec, numbered(NOISY))[1], blocks.train, strict=True):
        np.testing.assert_array_equal(blocks.y[own], shared.y[train])
        np.testing.assert_array_equal(blocks.y_clean[own], NOISY[train])
        assert len(val)
    assert not torch.equal(shared.y, noisy(1, scale="none").y)


def test_validation_reads_the_clean_classes_and_splits_ignore_the_noise() -> None:
    clean = make_problem(study(), numbered(NOISY))
    assert torch.equal(noisy().val, clean.val) and torch.equal(noisy().train, clean.train)
    assert torch.equal(noisy().y_clean, clean.y_clean)
    assert torch.equal(clean.y, clean.y_clean)
