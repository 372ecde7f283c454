"""Datasets for tests, and what a problem makes of their rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sweep.data.dataset import Dataset
from sweep.data.problem import Problem
from sweep.spec.data import DataSpec
from sweep.spec.replicates import ReplicatesSpec
from sweep.spec.study import StudySpec


def study(
    seed: int = 0, n_folds: int = 4, n_seeds: int = 1, n_repeats: int = 1, **data: Any
) -> StudySpec:
    holdout = data.pop("holdout", 0.25)
    n_repeats = n_repeats if n_folds > 1 else 1
    return StudySpec(
        study_name="t",
        data=DataSpec(**data),
        seed=seed,
        replicates=ReplicatesSpec(
            n_folds=n_folds, n_repeats=n_repeats, n_seeds=n_seeds, holdout=holdout
        ),
    )


CLASSES = st.lists(st.integers(0, 2), min_size=12, max_size=60).map(
    lambda y: np.array([0, 1, 2] * 4 + y)
)
SPLITS = st.builds(
    study,
    seed=st.integers(0, 2**40),
    n_folds=st.integers(1, 4),
    n_seeds=st.integers(1, 3),
    n_repeats=st.integers(1, 3),
    holdout=st.floats(0.1, 0.7),
    scale=st.just("none"),
)
PROPERTY = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def dataset(
    X: Any, y: Any, groups: Any = None, classes: tuple[str, ...] = ("a", "b"), test: Any = None
) -> Dataset:
    """Make a dataset directly, without test rows of its own unless given."""
    X_test = X[:0] if test is None else test
    y, task = np.asarray(y), "classification" if classes else "regression"
    return Dataset(X, y, groups, X_test, y[: len(X_test)], task, classes, "")


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


def regression() -> Dataset:
    """Make a dataset of numbers as targets."""
    rows = measured()
    y = np.random.default_rng(1).normal(50, 9, 60)
    return replace(rows, y=y, task="regression", classes=())


def parts(problem: Problem, name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return X or y of the training and of the validation rows of each replicate."""
    values = getattr(problem, name).numpy()
    values = values[:, 0].astype(int) if name == "X" and values.shape[1] == 1 else values
    pairs = zip(problem.val.numpy(), problem.val_size.tolist(), strict=True)
    return [values[rows] for rows in problem.train.numpy()], [
        values[rows[:size]] for rows, size in pairs
    ]
