"""Linear models of numbers and counts end where scikit-learn's solvers do, with any weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import (
    ElasticNet,
    HuberRegressor,
    MultiTaskElasticNet,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)

from sweep.data.problem import Problem
from sweep.spec.losses import LossSetting
from tests.support.optima import ended
from tests.support.problems import real, whole

ALPHA = 0.05


def counts() -> Problem:
    X = real("diabetes", 5).X.numpy()
    rate = np.exp(X @ [0.3, -0.2, 0.5, 0.0, 0.1])
    return replace(whole(X, np.random.default_rng(1).poisson(rate), 1), task="count")


def weights(problem: Problem) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(7).exponential(2.0, len(problem.y))


def several() -> Problem:
    problem = real("diabetes", 5)
    X, y = problem.X.numpy(), problem.y.numpy()
    return replace(whole(X, np.stack([y, 3 * X[:, 0] - y, X[:, 1] ** 2], 1), 3), task="regression")


@pytest.mark.parametrize("is_weighted", [False, True])
def test_counts_end_where_poisson_regression_does(is_weighted: bool) -> None:
    """Its alpha is 2α; with weights it divides by their sum, and we by the rows."""
    problem = counts()
    w = weights(problem) if is_weighted else np.ones(len(problem.y))
    model = PoissonRegressor(alpha=2 * ALPHA / w.mean(), tol=1e-10, max_iter=10_000)
    want = model.fit(problem.X.numpy(), problem.y.numpy(), sample_weight=w)
    weighted = replace(problem, weight=torch.as_tensor(w)) if is_weighted else problem
    weight, bias = ended(weighted, ALPHA)
    np.testing.assert_allclose(weight[0], want.coef_, atol=1e-4)
    np.testing.assert_allclose(bias[0], want.intercept_, atol=1e-4)


def test_huber_ends_where_huber_regression_does_at_its_scale() -> None:
    """HuberRegressor finds a scale σ too: its loss in units of σ is ours with δ = ε·σ."""
    problem = real("diabetes", 5)
    X, y, n = problem.X.numpy(), problem.y.numpy(), len(problem.y)
    want = HuberRegressor(epsilon=1.2, alpha=10.0, tol=1e-10, max_iter=10_000).fit(X, y)
    # Σ σ·H(e/σ) + a·‖w‖²: divided by 2n/σ it is the mean of ours + a·σ/(2n)·‖w‖², as H = 2·ours.
    alpha = 10.0 * want.scale_ / (2 * n)
    setting = LossSetting("huber", delta=1.2 * want.scale_)
    weight, bias = ended(replace(problem, loss=setting), alpha)
    np.testing.assert_allclose(weight[0], want.coef_, atol=1e-4)
    np.testing.assert_allclose(bias[0], want.intercept_, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("q", [0.5, 0.8])
def test_quantiles_have_the_objective_of_quantile_regression(q: float) -> None:
    """The corners of its optimum are found by linear programming; a descent comes near."""
    problem = replace(real("diabetes", 3), task="quantile", loss=LossSetting("auto", quantile=q))
    X, y = problem.X.numpy(), problem.y.numpy()
    want = QuantileRegressor(quantile=q, alpha=ALPHA).fit(X, y)
    weight, bias = ended(problem, ALPHA, 1.0, epochs=20_000, lr=0.02)

    def objective(w: Any, b: Any) -> float:
        e = y - X @ w - b
        return float(np.maximum(q * e, (q - 1) * e).mean() + ALPHA * np.abs(w).sum())

    assert objective(weight[0], bias[0]) <= objective(want.coef_, want.intercept_) + 1e-4
    np.testing.assert_allclose(weight[0], want.coef_, atol=1e-2)


def test_mae_is_twice_the_pinball_loss_of_the_median() -> None:
    problem = real("diabetes", 3)
    one = ended(replace(problem, loss=LossSetting("mae")), 2 * ALPHA, epochs=200)
    two = ended(replace(problem, task="quantile"), ALPHA, epochs=200)
    for a, b in zip(one, two, strict=True):  # Adam's steps do not depend on a factor
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_several_targets_end_where_ridge_does(is_weighted: bool) -> None:
    """The mean over T targets: its alpha is αnT."""
    problem = several()
    X, Y, n = problem.X.numpy(), problem.y.numpy(), len(problem.y)
    w = weights(problem) if is_weighted else None
    want = Ridge(alpha=ALPHA * n * 3).fit(X, Y, sample_weight=w)
    weighted = problem if w is None else replace(problem, weight=torch.as_tensor(w))
    weight, bias = ended(weighted, ALPHA)
    np.testing.assert_allclose(weight, want.coef_, atol=1e-4)
    np.testing.assert_allclose(bias, want.intercept_, atol=1e-4)


def test_several_targets_end_where_the_l2_part_of_multi_task_elastic_net_does() -> None:
    """‖Y − XW‖²/2n + a/2·‖W‖², and ours (without its 1/2) divided by T: α = a/T."""
    problem = several()
    X, Y = problem.X.numpy(), problem.y.numpy()
    want = MultiTaskElasticNet(alpha=0.3, l1_ratio=0.0, tol=1e-12, max_iter=100_000).fit(X, Y)
    weight, _ = ended(problem, 0.3 / 3)
    np.testing.assert_allclose(weight, want.coef_, atol=1e-4)


def test_elastic_net_of_several_targets_is_one_of_each() -> None:
    problem = several()
    X, Y = problem.X.numpy(), problem.y.numpy()
    alpha, ratio = 0.1, 0.6
    weight, _ = ended(problem, alpha, ratio)
    whole_alpha, share = 3 * alpha * (ratio / 2 + 1 - ratio), (ratio / 2) / (ratio / 2 + 1 - ratio)
    for t in range(3):
        model = ElasticNet(alpha=whole_alpha, l1_ratio=share, tol=1e-12, max_iter=100_000)
        np.testing.assert_allclose(weight[t], model.fit(X, Y[:, t]).coef_, atol=1e-4)


def test_an_optimum_of_huber_is_what_a_general_solver_finds() -> None:
    problem = replace(real("diabetes", 4), loss=LossSetting("huber", delta=0.5))
    X, y = problem.X.numpy(), problem.y.numpy()

    def objective(v: Any) -> float:
        e = np.abs(y - X @ v[:-1] - v[-1])
        huber = np.where(e < 0.5, e**2 / 2, 0.5 * (e - 0.25))
        return float(huber.mean() + ALPHA * (v[:-1] ** 2).sum())

    want = minimize(objective, np.zeros(5), tol=1e-12).x
    weight, bias = ended(problem, ALPHA)
    np.testing.assert_allclose(np.append(weight[0], bias), want, atol=1e-4)
