"""The refit's rows: drawn from the search rows, preprocessed by what is trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from sweep.data.dataset import Dataset, load_dataset
from sweep.data.holdout import (
    describe_preprocessing,
    make_refit_problem,
    refit_seed,
    training_rows,
)
from sweep.data.preprocessing import preprocessor
from sweep.data.problem import make_problem
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec

SEEDS = 4


def study(**data: Any) -> StudySpec:
    tree = {"study_name": "x", "data": {"source": "sklearn:iris", **data}}
    return parse_spec(tree, "x", Path("."))


def read(spec: StudySpec) -> Dataset:
    return load_dataset(spec.data, Path("."), spec.seed)


def test_all_search_rows_train_unless_fewer_are_drawn() -> None:
    spec = study()
    (rows,) = training_rows(spec, read(spec), SEEDS)
    assert rows.tolist() == list(range(120))


def test_every_seed_draws_its_own_rows() -> None:
    spec = study(train_rows=30)
    draws = training_rows(spec, read(spec), SEEDS)
    assert len(draws) == SEEDS and len({tuple(rows) for rows in draws}) == SEEDS
    for rows in draws:
        assert len(set(rows)) == 30 and rows.max() < 120
        assert np.bincount(read(spec).y[rows]).tolist() == [10, 10, 10]


def test_a_refit_shares_no_stream_with_the_search() -> None:
    spec = study(train_rows=30)
    drawn = make_problem(spec, read(spec)).train
    assert refit_seed(spec.seed) != spec.seed
    assert tuple(training_rows(spec, read(spec), 1)[0]) not in {tuple(t.tolist()) for t in drawn}


@pytest.mark.parametrize("train_rows", [None, 30])
def test_training_rows_come_scaled_by_themselves_and_test_rows_like_them(
    train_rows: int | None,
) -> None:
    spec = study(train_rows=train_rows)
    dataset = read(spec)
    problem = make_refit_problem(spec, dataset, SEEDS)
    draws = training_rows(spec, dataset, SEEDS)
    assert problem.replicates == ((0, 0), (0, 1), (0, 2), (0, 3))
    for seed in range(SEEDS):
        rows = draws[seed % len(draws)]
        transform = preprocessor("standard", dataset.X, dataset.X[rows])
        np.testing.assert_array_equal(problem.X[problem.train[seed]], transform(dataset.X[rows]))
        np.testing.assert_array_equal(problem.X[problem.val[seed]], transform(dataset.X_test))
        np.testing.assert_array_equal(problem.y[problem.train[seed]], dataset.y[rows])
        np.testing.assert_array_equal(problem.y_clean[problem.val[seed]], dataset.y_test)
        assert problem.val_size[seed] == len(dataset.y_test)


def test_training_reads_the_noisy_labels_of_the_search() -> None:
    spec = study(label_noise=0.3, scale="none")
    dataset = read(spec)
    problem, searched = make_refit_problem(spec, dataset, 1), make_problem(spec, dataset)
    assert torch.equal(problem.y[problem.train[0]], searched.y)
    assert torch.equal(problem.y_clean[problem.train[0]], searched.y_clean)
    assert not torch.equal(searched.y, searched.y_clean)


def test_a_target_is_scaled_by_the_training_rows() -> None:
    spec = study(source="sklearn:diabetes", task="regression", train_rows=50)
    dataset = read(spec)
    problem = make_refit_problem(spec, dataset, SEEDS)
    draws = training_rows(spec, dataset, SEEDS)
    for seed, rows in enumerate(draws):
        target = describe_preprocessing(spec, dataset, rows)["target"]
        y = dataset.y_test, dataset.y[rows]
        assert target == pytest.approx({"mean": y[1].mean(), "scale": y[1].std()})
        assert problem.y_scale[seed] == pytest.approx(y[1].std())
        back = problem.y_clean[problem.val[seed]].double() * target["scale"] + target["mean"]
        np.testing.assert_allclose(back, y[0], rtol=1e-5)


def test_categories_are_those_of_the_search_rows() -> None:
    spec = study()
    X = pd.DataFrame({"letter": pd.Series(["a", "b"] * 10, dtype=object)})
    X_test = pd.DataFrame({"letter": pd.Series(["a", "c"], dtype=object)})
    y = np.arange(20) % 2
    dataset = Dataset(X, y, None, X_test, y[:2], "classification", ("n", "y"), "")
    problem = make_refit_problem(spec, dataset, 1)
    assert problem.feature_shape == (2,)
    assert problem.X[problem.val[0]].tolist() == [[1, 0], [0, 0]]


def test_what_is_taken_as_it_is_has_no_preprocessing() -> None:
    spec = study(scale="none")
    assert describe_preprocessing(spec, read(spec), np.arange(9)) == {}


def test_images_are_described_flat() -> None:
    spec, draw = study(), np.random.default_rng(0)
    images = draw.normal(size=(12, 2, 3))
    images[:, 0, 0] = 7.0
    dataset = replace(read(spec), X=images)
    found = describe_preprocessing(spec, dataset, np.arange(10))
    np.testing.assert_allclose(found["mean"], images[:10].reshape(10, 6).mean(0))
    assert found["scale"][0] == 1.0  # constant


@pytest.mark.parametrize(
    ("columns", "features"),
    [
        (["n"], [{"column": "n", "fill": 2.0, "mean": 2.0, "scale": (2 / 3) ** 0.5}]),
        (
            ["t"],
            [{"column": "t", "fill": "b", "is": "a"}, {"column": "t", "fill": "b", "is": "b"},
             {"column": "t", "fill": "b", "is": None}],
        ),
    ],
)  # fmt: skip
def test_a_tables_columns_are_described(columns: list[str], features: list[Any]) -> None:
    texts = pd.Series(["a", "b", "b", None, "c"], dtype=object)
    X = pd.DataFrame({"n": [1.0, 2.0, 3.0, np.nan, 9.0], "t": texts})[columns]
    dataset = Dataset(
        X, np.arange(5) % 2, None, X[:1], np.array([0]), "classification", ("n", "y"), ""
    )
    found = describe_preprocessing(study(), dataset, np.arange(3))["features"]
    assert found == [
        pytest.approx(feature) if "mean" in feature else feature for feature in features
    ]
