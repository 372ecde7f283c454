"""The null model predicts what training rows say without their features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss, mean_squared_error

from sweep.data.problem import make_problem
from sweep.training.constant import constant_values
from tests.support.datasets import measured, numbered, regression, study


def test_a_constant_is_what_scikit_learn_predicts_without_features() -> None:
    problem = make_problem(study(), measured())
    for r, (loss, error) in enumerate(
        zip(
            constant_values(problem, "val_loss"),
            constant_values(problem, "val_error"),
            strict=True,
        )
    ):
        y = problem.y[problem.train[r]].numpy()
        target = problem.y_clean[problem.val[r, : int(problem.val_size[r])]].numpy()
        counted = np.concatenate([y, np.arange(problem.n_outputs)])  # each class once more
        dummy = DummyClassifier(strategy="prior").fit(counted[:, None], counted)
        shares = dummy.predict_proba(target[:, None])
        assert loss == pytest.approx(log_loss(target, shares, labels=dummy.classes_), abs=1e-12)
        assert error == pytest.approx((dummy.predict(target[:, None]) != target).mean())


def test_a_constant_of_a_regression_is_the_mean_of_the_training_rows() -> None:
    problem = make_problem(study(scale="none"), regression())
    for r, loss in enumerate(constant_values(problem, "val_loss")):
        y = problem.y[problem.train[r]].numpy()
        target = problem.y_clean[problem.val[r, : int(problem.val_size[r])]].numpy()
        dummy = DummyRegressor().fit(y[:, None], y)
        expected = mean_squared_error(target, dummy.predict(target[:, None]))
        assert loss == pytest.approx(expected, rel=1e-6)


def test_a_class_that_no_training_row_has_costs_a_finite_loss() -> None:
    problem = make_problem(study(n_folds=1, holdout=0.5), numbered([0] * 9 + [1] * 9))
    train = problem.train[:, problem.y[problem.train[0]] == 0]
    problem = replace(problem, train=train)
    assert np.isfinite(constant_values(problem, "val_loss")).all()
