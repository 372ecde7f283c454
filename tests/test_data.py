"""Test rows held out, replicates split, each preprocessed by its own training rows alone."""

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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sweep import data
from sweep.data import (
    Dataset,
    Problem,
    draw_folds,
    load_dataset,
    make_problem,
    preprocessor,
    target_scale,
)
from sweep.errors import UsageError
from sweep.spec import DataSpec, ReplicatesSpec, SamplerSpec, SearchSpec, StudySpec
from sweep.studyfile import load_spec

FOLDER = Path(__file__).parent
STUDIES = FOLDER.parent / "studies"


def study(seed: int = 0, n_folds: int = 4, n_seeds: int = 1, **data: Any) -> StudySpec:
    holdout = data.pop("holdout", 0.25)
    return StudySpec(
        study_name="t",
        data=DataSpec(**data),
        search=SearchSpec(sampler=SamplerSpec(seed=seed)),
        replicates=ReplicatesSpec(n_folds=n_folds, n_seeds=n_seeds, holdout=holdout),
    )


def dataset(
    X: Any, y: Any, groups: Any = None, classes: tuple[str, ...] = ("a", "b"), test: Any = None
) -> Dataset:
    """Make a dataset directly, without test rows of its own unless given."""
    X_test = X[:0] if test is None else test
    return Dataset(X, np.asarray(y), groups, X_test, np.asarray(y)[: len(X_test)], classes, "")


def numbered(y: Any, groups: Any = None) -> Dataset:
    """Make a dataset whose only feature is the number of the row."""
    y = np.asarray(y)
    classes = () if y.dtype.kind == "f" else tuple(map(str, range(y.max() + 1)))
    return dataset(np.arange(float(len(y)))[:, None], y, groups, classes)


def measured(n: int = 60, seed: int = 0) -> Dataset:
    """Make a dataset of two classes with features of odd scales, one of them constant."""
    generator = np.random.default_rng(seed)
    X = generator.normal([5, -300, 7, 0], [2, 90, 0, 1e-3], (n, 4))
    return dataset(X, np.arange(n) % 2)


def table(n: int = 60, seed: int = 0) -> Dataset:
    """Make a dataset of numbers and texts with missing cells."""
    generator = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "size": np.where(generator.random(n) < 0.1, np.nan, generator.normal(9, 3, n)),
            "colour": generator.choice(np.array(["red", "green", "blue", None]), n),
            "count": generator.integers(0, 9, n).astype(float),
        }
    )
    return dataset(X, np.arange(n) % 2)


def rows_of(spec: StudySpec, rows: Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
    """Say which search rows each replicate trains and validates on."""
    plain = spec.model_copy(update={"data": spec.data.model_copy(update={"scale": "none"})})
    problem = make_problem(plain, numbered(rows.y, rows.groups))
    return [(train, val) for train, val in zip(*parts(problem, "X"), strict=True)]


def parts(problem: Problem, name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return X or y of the training and of the validation rows of each replicate."""
    values = getattr(problem, name).numpy()
    values = values[:, 0].astype(int) if name == "X" and values.shape[1] == 1 else values
    pairs = zip(problem.val.numpy(), problem.val_size.tolist(), strict=True)
    return [values[rows] for rows in problem.train.numpy()], [
        values[rows[:size]] for rows, size in pairs
    ]


def equal(a: Problem, b: Problem) -> bool:
    tensors = [name for name, value in vars(a).items() if isinstance(value, torch.Tensor)]
    others = [name for name in vars(a) if name not in tensors]
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in tensors) and all(
        getattr(a, name) == getattr(b, name) for name in others
    )


# --- splits

CLASSES = st.lists(st.integers(0, 2), min_size=12, max_size=60).map(
    lambda y: np.array([0, 1, 2] * 4 + y)
)
SPLITS = st.builds(
    study,
    seed=st.integers(0, 2**40),
    n_folds=st.integers(1, 4),
    n_seeds=st.integers(1, 3),
    holdout=st.floats(0.1, 0.9),
    scale=st.just("none"),
)
PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PROPERTY
@given(y=CLASSES, spec=SPLITS)
def test_replicates_split_the_search_rows(y: np.ndarray, spec: StudySpec) -> None:
    problem = make_problem(spec, numbered(y))
    trains, vals = parts(problem, "X")
    n_folds, n_seeds = spec.replicates.n_folds, spec.replicates.n_seeds
    assert problem.replicates == tuple((f, s) for f in range(n_folds) for s in range(n_seeds))
    for train, val in zip(trains, vals, strict=True):
        assert not set(train) & set(val)
        assert len(set(train)) == len(train) and len(set(val)) == len(val)
    for r, (fold, _) in enumerate(problem.replicates):
        np.testing.assert_array_equal(vals[r], vals[fold * n_seeds])  # the same for all seeds
    if n_folds > 1:
        assert sorted(np.concatenate(vals[::n_seeds])) == list(range(len(y)))
    for row, size in zip(problem.val, problem.val_size, strict=True):
        assert (row[size:] == row[0]).all()
    assert problem.val_size.max() == problem.val.shape[1]
    smallest = min(len(y) - len(val) for val in vals)
    assert problem.train.shape[1] == smallest


@PROPERTY
@given(y=CLASSES, spec=SPLITS, share=st.floats(0.2, 1))
def test_splits_are_stratified_within_one_row(
    y: np.ndarray, spec: StudySpec, share: float
) -> None:
    most = make_problem(spec, numbered(y)).train.shape[1]
    rows = max(1, int(share * most))
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"train_rows": rows})})
    trains, vals = parts(make_problem(spec, numbered(y)), "X")
    n_folds = spec.replicates.n_folds
    for train, val in zip(trains, vals, strict=True):
        pool = np.setdiff1d(np.arange(len(y)), val)
        assert len(train) == rows
        held, kept, drawn = (np.bincount(y[part], minlength=3) for part in (val, pool, train))
        wanted = (held + kept) * (1 / n_folds if n_folds > 1 else len(val) / len(y))
        assert (np.abs(held - wanted) <= 1).all()
        assert (np.abs(drawn - kept * rows / len(pool)) <= 1).all()


@PROPERTY
@given(
    y=CLASSES,
    spec=SPLITS,
    numbers=st.lists(st.integers(0, 9), min_size=72, max_size=72),
    task=st.sampled_from(["classification", "regression"]),
)
def test_groups_are_never_split(
    y: np.ndarray, spec: StudySpec, numbers: list[int], task: str
) -> None:
    groups = np.array([*range(8), *numbers])[: len(y)]
    rows = numbered(y if task == "classification" else y.astype(float), groups)
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"task": task})})
    trains, vals = parts(make_problem(spec, rows), "X")
    for train, val in zip(trains, vals, strict=True):
        assert not set(groups[train]) & set(groups[val])
        assert len(val)


@pytest.mark.parametrize(
    "counts",
    [
        [[3, 2, 3], [1, 2, 0], [0, 0, 3], [3, 2, 3]],
        [[3, 1], [1, 0], [1, 2], [1, 0], [0, 3]],
        [[2, 2, 2], [3, 0, 3], [1, 2, 3], [3, 3, 2], [0, 3, 0]],
    ],
    ids=str,
)
def test_no_fold_stays_empty_with_as_many_folds_as_groups(counts: list[list[int]]) -> None:
    """Tables (group, class) for which scikit-learn 1.9's StratifiedGroupKFold leaves one empty."""
    y = np.concatenate([np.repeat(range(len(row)), row) for row in counts])
    groups = np.repeat(range(len(counts)), [sum(row) for row in counts])
    problem = make_problem(study(n_folds=len(counts), scale="none"), numbered(y, groups))
    assert sorted(problem.val_size.tolist()) == sorted(map(sum, counts))


@PROPERTY
@given(n=st.integers(8, 60), spec=SPLITS)
def test_folds_of_a_regression_are_equal_within_one_row(n: int, spec: StudySpec) -> None:
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"task": "regression"})})
    problem = make_problem(spec, numbered(np.linspace(0, 1, n)))
    assert problem.val_size.max() - problem.val_size.min() <= 1
    assert problem.n_outputs == 1 and problem.y.dtype == torch.float32


@given(
    st.lists(st.integers(0, 4), max_size=60),
    st.integers(2, 9),
    st.integers(0, 2**64),
    st.booleans(),
)
def test_folds_are_those_of_scikit_learn(
    rest: list[int], n_folds: int, seed: int, stratified: bool
) -> None:
    labels = np.array([*rest, *(label for label in {*rest, 0, 5} for _ in range(n_folds))])
    kind = StratifiedKFold if stratified else KFold
    folds = kind(n_folds, shuffle=True, random_state=seed % 2**32)
    wanted = [val.tolist() for _, val in folds.split(labels, labels)]
    assert [val.tolist() for val in draw_folds(labels, n_folds, seed, stratified)] == wanted


def test_one_fold_validates_on_the_holdout() -> None:
    spec = study(n_folds=1, n_seeds=3, holdout=0.3, scale="none")
    problem = make_problem(spec, numbered([0, 1] * 20))
    assert problem.val.shape == (3, 12) and problem.train.shape == (3, 28)


def test_rows_left_over_go_to_the_classes_with_the_largest_remainders() -> None:
    y = np.repeat([0, 1, 2], [4, 5, 8])  # shares of 6 rows: 1.41, 1.76, 2.82
    problem = make_problem(study(n_folds=1, holdout=6 / 17, scale="none"), numbered(y))
    assert np.bincount(y[parts(problem, "X")[1][0]]).tolist() == [1, 2, 3]


def test_seeds_draw_different_training_rows_of_the_same_folds() -> None:
    problem = make_problem(study(n_seeds=2, train_rows=20, scale="none"), numbered([0, 1] * 20))
    trains, vals = parts(problem, "X")
    assert set(trains[0]) != set(trains[1])
    np.testing.assert_array_equal(vals[0], vals[1])


def test_the_surplus_of_larger_training_folds_is_dropped_by_seed() -> None:
    problem = make_problem(study(n_folds=3, n_seeds=4, scale="none"), numbered([0, 1] * 20))
    trains, vals = parts(problem, "X")
    assert sorted(len(val) for val in vals[::4]) == [13, 13, 14]
    assert {len(train) for train in trains} == {26}
    for fold in range(3):
        drawn = {tuple(train) for train in trains[4 * fold : 4 * fold + 4]}
        assert (len(drawn) > 1) == (len(vals[4 * fold]) == 13)


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


# --- leaks


def leaks(make: Callable[[], Dataset], spec: StudySpec) -> bool:
    """Say whether the validation rows of a replicate reach what it trains on."""
    for r, (train, val) in enumerate(rows_of(spec, make())):
        before, changed = make(), make()
        if isinstance(changed.X, pd.DataFrame):
            changed.X.loc[val, ["size", "count"]] = 1e4
            changed.X.loc[val, "colour"] = "blue"
        else:
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


def regression() -> Dataset:
    rows = measured()
    return replace(rows, y=np.random.default_rng(1).normal(50, 9, 60), classes=())


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
    monkeypatch.setattr(data, "preprocessor", lambda scale, X, fit: preprocessor(scale, X, X))
    assert leaks(make, study())


def test_a_planted_leak_of_the_targets_scale_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    all_y = regression().y
    monkeypatch.setattr(data, "target_scale", lambda scale, y: target_scale(scale, all_y))
    spec, rows = study(task="regression"), regression()
    scales = make_problem(spec, rows).y_scale
    assert len(set(scales.tolist())) == 1  # what the leak looks like, and the real code does not
    monkeypatch.undo()
    assert len(set(make_problem(spec, rows).y_scale.tolist())) == 4


def test_a_planted_leak_of_a_folds_rows_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = data._splits

    def planted(*args: Any) -> Any:
        replicates, splits = real(*args)
        return replicates, [(np.append(t[:-1], v[0]), v) for t, v in splits]

    monkeypatch.setattr(data, "_splits", planted)
    assert leaks(measured, study())


# --- label noise

NOISY = np.arange(4000) % 4


def noisy(seed: int = 0, **options: Any) -> Problem:
    return make_problem(study(seed, label_noise=0.2, **options), numbered(NOISY))


def test_label_noise_moves_its_share_to_the_other_classes_alike() -> None:
    problem = noisy(scale="none")
    y, clean = problem.y.numpy(), problem.y_clean.numpy()
    np.testing.assert_array_equal(clean, NOISY)
    wrong = y != clean
    assert wrong.mean() == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / 4000) ** 0.5)
    moves = np.bincount((y - clean)[wrong] % 4, minlength=4)
    assert moves[0] == 0 and np.abs(moves[1:] - 800 / 3).max() < 60
    assert y.min() == 0 and y.max() == 3


def test_there_is_one_noisy_copy_for_all_replicates_and_layouts() -> None:
    shared, blocks = noisy(scale="none"), noisy(scale="standard", n_seeds=2)
    spec = study(label_noise=0.2, n_seeds=2)
    for (train, val), own in zip(rows_of(spec, numbered(NOISY)), blocks.train, strict=True):
        np.testing.assert_array_equal(blocks.y[own], shared.y[train])
        np.testing.assert_array_equal(blocks.y_clean[own], NOISY[train])
        assert len(val)
    assert not torch.equal(shared.y, noisy(1, scale="none").y)


def test_validation_reads_the_clean_classes_and_splits_ignore_the_noise() -> None:
    clean = make_problem(study(), numbered(NOISY))
    assert torch.equal(noisy().val, clean.val) and torch.equal(noisy().train, clean.train)
    assert torch.equal(noisy().y_clean, clean.y_clean)
    assert torch.equal(clean.y, clean.y_clean)


# --- preprocessing


def test_rows_stand_once_where_preprocessing_is_the_same_for_all() -> None:
    rows = measured()
    problem = make_problem(study(scale="none", n_seeds=2), rows)
    np.testing.assert_array_equal(problem.X, np.asarray(rows.X, dtype=np.float32))
    complete = table()
    complete = replace(complete, X=complete.X[["count"]])
    assert make_problem(study(scale="none"), complete).X.shape == (60, 1)
    assert make_problem(study(scale="standard"), complete).X.shape == (240, 1)
    assert make_problem(study(scale="none"), table()).X.shape == (240, 5)


def test_scaling_is_by_the_training_rows_and_spares_constant_columns() -> None:
    spec, rows = study(train_rows=30), measured()
    assert isinstance(rows.X, np.ndarray)
    problem = make_problem(spec, rows)
    for (train, val), got, held in zip(rows_of(spec, rows), *parts(problem, "X"), strict=True):
        scaler = StandardScaler().fit(rows.X[train])
        np.testing.assert_array_equal(got, scaler.transform(rows.X[train]).astype(np.float32))
        np.testing.assert_array_equal(held, scaler.transform(rows.X[val]).astype(np.float32))
        np.testing.assert_allclose(got.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(got.std(0), [1, 1, 0, 1], rtol=1e-5)


def test_a_column_constant_in_training_only_is_divided_by_one() -> None:
    transform = preprocessor("standard", np.zeros((3, 1)), np.array([[7.0], [7.0]]))
    np.testing.assert_array_equal(transform(np.array([[7.0], [9.0]])), [[0], [2]])


def test_images_keep_their_shape() -> None:
    images = np.random.default_rng(0).random((40, 2, 3, 3)).astype(np.float32)
    for scale in ("none", "standard"):
        problem = make_problem(study(scale=scale), dataset(images, np.arange(40) % 2))
        assert problem.feature_shape == problem.X.shape[1:] == (2, 3, 3)
        assert problem.X.dtype == torch.float32


def test_targets_are_scaled_by_the_training_rows_and_back() -> None:
    spec, rows = study(task="regression", n_seeds=2), regression()
    problem = make_problem(spec, rows)
    for r, (train, val) in enumerate(rows_of(spec, rows)):
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
    flat = make_problem(study(task="regression"), replace(rows, y=np.full(60, 3.0)))
    assert (flat.y_scale == 1).all() and (flat.y == 0).all()


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_tables_are_preprocessed_as_by_a_plain_pipeline(scale: str) -> None:
    spec = load_spec(STUDIES / "own-model.yaml", {"data.scale": scale})
    rows = load_dataset(spec.data, spec.folder, spec.seed)
    assert isinstance(rows.X, pd.DataFrame)
    texts = ["sex", "glucose"]
    raw = rows.X.where(rows.X.notna(), np.nan)
    train, val = rows_of(spec, rows)[2]
    oracle = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(
                    SimpleImputer(strategy="median"),
                    StandardScaler() if scale == "standard" else "passthrough",
                ),
                list(raw.columns.drop(texts)),
            ),
            (
                "texts",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"), OneHotEncoder(sparse_output=False)
                ),
                texts,
            ),
        ]
    ).fit(raw.iloc[train])
    trains, vals = parts(make_problem(spec, rows), "X")
    np.testing.assert_array_equal(trains[2], oracle.transform(raw.iloc[train]).astype(np.float32))
    np.testing.assert_array_equal(vals[2], oracle.transform(raw.iloc[val]).astype(np.float32))
    transform = preprocessor(scale, rows.X, rows.X.iloc[train])
    test = rows.X_test.where(rows.X_test.notna(), np.nan)  # type: ignore[union-attr]
    np.testing.assert_array_equal(transform(rows.X_test), oracle.transform(test).astype("f4"))


def frame(*words: str | None) -> pd.DataFrame:
    return pd.DataFrame({"word": pd.Series(words, dtype=object)})


def test_a_category_that_the_training_rows_lack_is_all_zeros() -> None:
    search = frame("a", "b", "c", "a", None)
    transform = preprocessor("standard", search, frame("a", "c", "c", None))
    got = transform(frame("a", "b", "c", None, "unheard of"))
    np.testing.assert_array_equal(got, [[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]])


def test_columns_empty_in_the_training_rows_keep_their_width() -> None:
    search = pd.DataFrame({"n": [1.0, np.nan], "word": pd.Series(["a", None], dtype=object)})
    transform = preprocessor("standard", search, search.iloc[1:])
    np.testing.assert_array_equal(transform(search), [[1, 0], [0, 0]])
    nothing = pd.DataFrame({"word": pd.Series([None, None], dtype=object)})
    np.testing.assert_array_equal(
        preprocessor("none", nothing, nothing)(frame("a", None)), [[0], [0]]
    )


def test_features_beyond_float32_are_refused() -> None:
    fit = np.array([[0.0], [1e-20]])
    with pytest.raises(UsageError) as caught:
        preprocessor("standard", fit, fit)(np.array([[1e25]]))
    assert str(caught.value) == (
        "data.scale: must keep features within float32, got 2e+45 in a row unlike the training "
        "rows. Drop that feature, or use scale: none"
    )


# --- the whole


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


def test_a_problem_moves_floats_to_a_dtype_and_keeps_indices() -> None:
    problem = make_problem(study(task="regression"), regression()).to("cpu", torch.float64)
    floats = {name for name, v in vars(problem).items() if getattr(v, "dtype", 0) == torch.float64}
    assert floats == {"X", "y", "y_clean", "y_scale"}
    assert {t.dtype for t in (problem.train, problem.val, problem.val_size)} == {torch.int64}
    classes = make_problem(study(), measured()).to("cpu", torch.float64)
    assert classes.y.dtype == classes.y_clean.dtype == torch.int64


def test_a_problem_shares_no_memory_with_its_dataset() -> None:
    rows = numbered([0, 1] * 20)
    problem = make_problem(study(scale="none"), rows)
    problem.X.zero_(), problem.y.zero_(), problem.y_clean.zero_()
    assert isinstance(rows.X, np.ndarray) and rows.X[-1] == 39 and rows.y[-1] == 1


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


REFUSED: dict[str, tuple[Dataset, StudySpec, str]] = {
    "folds_of_a_rare_class": (
        numbered([0, 1] * 10 + [2] * 3),
        study(n_folds=8),
        "replicates.n_folds: must have 8 rows of class '2' outside the test rows, got 3 "
        "(sklearn:digits). Use at most 3 folds",
    ),
    "folds_of_few_rows": (
        numbered(np.arange(5.0)),
        study(n_folds=8, task="regression"),
        "replicates.n_folds: must have 8 rows outside the test rows, got 5 (sklearn:digits). "
        "Use at most 5 folds",
    ),
    "folds_of_few_groups": (
        numbered([0, 1] * 20, np.arange(40) % 3),
        study(n_folds=8),
        "replicates.n_folds: must have 8 groups outside the test rows, got 3 (sklearn:digits). "
        "Use at most 3 folds",
    ),
    "holdout_of_one_group": (
        numbered([0, 1] * 20, np.zeros(40, dtype=np.int64)),
        study(n_folds=1),
        "replicates.n_folds: must have 2 groups outside the test rows, got 1 (sklearn:digits). "
        "Add more",
    ),
    "holdout_of_one_row": (
        numbered([1.0]),
        study(n_folds=1, task="regression"),
        "replicates.n_folds: must have 2 rows outside the test rows, got 1 (sklearn:digits). "
        "Add more",
    ),
    "too_many_training_rows": (
        numbered([0, 1] * 20),
        study(n_folds=4, train_rows=31),
        "data.train_rows: must be at most 30, what the smallest replicate has to train on, "
        "got 31 (sklearn:digits). Lower it",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_splits_that_the_rows_do_not_allow_are_refused_in_one_line(case: str) -> None:
    rows, spec, message = REFUSED[case]
    with pytest.raises(UsageError) as caught:
        make_problem(spec, rows)
    assert str(caught.value) == message


def test_a_test_fraction_that_takes_a_whole_class_is_refused(tmp_path: Path) -> None:
    save(tmp_path, X=np.ones((42, 1)), y=np.array(["a"] * 20 + ["b"] * 20 + ["c"] * 2))
    with pytest.raises(UsageError) as caught:
        load_dataset(DataSpec(source="a.npz", test_fraction=0.9), tmp_path, 0)
    assert str(caught.value) == (
        "data.test_fraction: must leave rows of every class, got 0.9, which leaves none of 'c' "
        "(a.npz). Lower it"
    )


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
