"""Weights of rows and of classes: what they come to, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from sweep.data.dataset import load_dataset
from sweep.data.holdout import make_refit_problem
from sweep.data.problem import make_problem
from sweep.data.weights import class_weights
from sweep.errors import UsageError
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec
from tests.support.sources import Case, csv, npz, refusal, returning, says

N = 24
X = np.arange(N * 2.0).reshape(N, 2) ** 0.5
CLASSES = np.array(["a", "a", "b"] * (N // 3))
WEIGHT = np.linspace(0, 3, N)


def study(folder: Path, source: str, **data: Any) -> StudySpec:
    tree = {"study_name": "x", "data": {"source": source, **data}, "replicates": {"n_folds": 2}}
    return parse_spec(tree, "x", folder)


def test_a_column_of_weights_is_no_feature_and_stays_with_its_rows(tmp_path: Path) -> None:
    source = csv(size=X[:, 0], kind=CLASSES, w=WEIGHT)(tmp_path)
    spec = study(tmp_path, source, target="kind", weight="w")
    dataset = load_dataset(spec.data, tmp_path, 0)
    assert [*dataset.X.columns] == ["size"]  # type: ignore[union-attr]
    assert dataset.weight is not None and dataset.weight_test is not None
    by_size = dict(zip(X[:, 0].round(9), WEIGHT, strict=True))
    for rows, weights in ((dataset.X, dataset.weight), (dataset.X_test, dataset.weight_test)):
        sizes = np.asarray(rows, dtype=np.float64)[:, 0].round(9)
        np.testing.assert_allclose(weights, [by_size[size] for size in sizes])
    problem = make_problem(spec, dataset)
    assert problem.weight is not None and problem.weight_clean is not None
    assert problem.weight.shape == problem.y.shape == problem.weight_clean.shape
    refit = make_refit_problem(spec, dataset, 2)
    assert refit.weight_clean is not None
    np.testing.assert_allclose(refit.weight_clean[refit.val[0]], dataset.weight_test, rtol=1e-6)


@pytest.mark.parametrize("write", [npz(X=X, y=CLASSES, weight=WEIGHT), None])
def test_arrays_and_functions_give_weights_too(tmp_path: Path, write: Any) -> None:
    source = write(tmp_path) if write else returning(tmp_path, X=X, y=CLASSES, weight=WEIGHT)
    spec = study(tmp_path, source)
    dataset = load_dataset(spec.data, tmp_path, 0)
    assert dataset.weight is not None and dataset.weight_test is not None
    assert sorted([*dataset.weight, *dataset.weight_test]) == pytest.approx(sorted(WEIGHT))


def test_balanced_weights_are_scikit_learn_s(tmp_path: Path) -> None:
    spec = study(tmp_path, npz(X=X, y=CLASSES)(tmp_path), class_weight="balanced")
    dataset = load_dataset(spec.data, tmp_path, 0)
    want = compute_class_weight("balanced", classes=np.array([0, 1]), y=dataset.y)
    np.testing.assert_allclose(np.asarray(class_weights(spec, dataset)), want)
    problem = make_problem(spec, dataset)
    assert problem.weight is not None
    np.testing.assert_allclose(problem.weight, want[problem.y], rtol=1e-6)


def test_weights_of_rows_and_classes_are_multiplied_by_the_class_that_is_read(
    tmp_path: Path,
) -> None:
    source = npz(X=X, y=CLASSES, weight=WEIGHT)(tmp_path)
    spec = study(
        tmp_path, source, class_weight={"b": 5.0}, label_noise=0.5, scale="none", task="binary"
    )
    dataset = load_dataset(spec.data, tmp_path, 0)
    problem = make_problem(spec, dataset)
    by_class = np.array([1.0, 5.0])
    assert (
        dataset.weight is not None
        and problem.weight is not None
        and problem.weight_clean is not None
    )
    assert not np.array_equal(problem.y, problem.y_clean)
    np.testing.assert_allclose(problem.weight, dataset.weight * by_class[problem.y], rtol=1e-6)
    clean = dataset.weight * by_class[problem.y_clean]
    np.testing.assert_allclose(problem.weight_clean, clean, rtol=1e-6)


def test_rows_without_weights_have_the_hash_that_they_had_and_those_with_another(
    tmp_path: Path,
) -> None:
    spec = study(tmp_path, npz(X=X, y=CLASSES)(tmp_path), scale="none")
    without = load_dataset(spec.data, tmp_path, 0)
    assert without.content_hash == "93adcee0055106bc"
    assert make_problem(spec, without).weight is None
    source = npz(X=X, y=CLASSES, weight=WEIGHT)(tmp_path)
    weighted = load_dataset(study(tmp_path, source).data, tmp_path, 0)
    assert weighted.content_hash != without.content_hash


def test_a_class_that_is_not_there_has_no_weight(tmp_path: Path) -> None:
    spec = study(tmp_path, npz(X=X, y=CLASSES)(tmp_path), class_weight={"c": 2.0})
    with pytest.raises(UsageError) as caught:
        make_problem(spec, load_dataset(spec.data, tmp_path, 0))
    assert str(caught.value) == (
        "data.class_weight: must name classes, got 'c' (a.npz). Valid: a, b"
    )


REFUSED: dict[str, Case] = {
    "negative": (
        npz(X=X, y=CLASSES, weight=WEIGHT - 1),
        {},
        "data.source: weight must be 0 or more, below 1e30, got -1.0 in row 0 (a.npz)."
        " Mend or drop it",
    ),
    "nothing": (
        npz(X=X, y=CLASSES, weight=0 * WEIGHT),
        {},
        "data.source: weight must be above 0 somewhere, got only 0 (a.npz). Name another column",
    ),
    "short": (
        npz(X=X, y=CLASSES, weight=WEIGHT[:5]),
        {},
        "data.source: weight must have a value in every row, got 5 of 24 rows (a.npz). Mend it",
    ),
    "gap": (
        csv(size=X[:, 0], kind=CLASSES, w=[None, *WEIGHT[1:]]),
        {"target": "kind", "weight": "w"},
        "data.source: column 'w' must have a value in every row, got nan in row 0 (t.csv)."
        " Mend or drop it",
    ),
    "texts": (
        csv(size=X[:, 0], kind=CLASSES, w=["heavy", "light"] * 12),
        {"target": "kind", "weight": "w"},
        "data.source: column 'w' must be numbers, got 'heavy' in row 0 (t.csv). Mend or drop it",
    ),
    "of test rows alone": (
        npz(X=X, y=CLASSES, X_test=X, y_test=CLASSES, weight_test=WEIGHT),
        {},
        "data.source: must hold weights of all rows or of none, got no weight (a.npz)."
        " Add the other",
    ),
    "not of test rows": (
        npz(X=X, y=CLASSES, X_test=X, y_test=CLASSES, weight=WEIGHT),
        {},
        "data.source: must hold weights of all rows or of none, got no weight_test (a.npz)."
        " Add the other",
    ),
    "the target": (
        csv(size=X[:, 0], kind=CLASSES),
        {"target": "kind", "weight": "kind"},
        "data.weight: must be another column than the target, got 'kind' (t.csv)."
        " Name the column of the weight, or null",
    ),
    "the groups": (
        csv(size=X[:, 0], kind=CLASSES, who=CLASSES),
        {"target": "kind", "groups": "who", "weight": "who"},
        "data.weight: must be another column than the groups, got 'who' (t.csv)."
        " Name the column of the weight, or null",
    ),
    "misspelt": (
        csv(size=X[:, 0], kind=CLASSES, weight=WEIGHT),
        {"target": "kind", "weight": "wieght"},
        "data.weight: must name a column, got 'wieght' (t.csv). Did you mean weight?",
    ),
    "no column": (
        npz(X=X, y=CLASSES),
        {"weight": "w"},
        "data.weight: only a .csv or .parquet table has columns to name, got 'w' (a.npz)."
        " Remove it",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_weights_that_cannot_be_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    write, options, message = REFUSED[case]
    got = refusal(tmp_path, write(tmp_path), **options)
    assert says(got, message), got
