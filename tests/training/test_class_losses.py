"""Linear models of classes and labels end where scikit-learn's solvers do, with any weights."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from sweep.spec.losses import LossSetting
from sweep.training.class_losses import _focal_shares
from sweep.training.losses import loss_of
from tests.support.cases import few_fast
from tests.support.optima import ended
from tests.support.plain_losses import CASES
from tests.support.problems import real, whole

ALPHA = 0.02


def test_one_logit_ends_where_logistic_regression_does() -> None:
    problem = replace(real("breast_cancer", 4), task="binary", n_outputs=1)
    X, y, n = problem.X.numpy(), problem.y.numpy(), len(problem.y)
    for ratio, C in ((0.0, 1 / (2 * ALPHA * n)), (1.0, 1 / (ALPHA * n))):
        penalty = {"l1_ratio": ratio, "solver": "saga"} if ratio else {}
        want = LogisticRegression(C=C, tol=1e-10, max_iter=100_000, **penalty).fit(X, y)
        weight, bias = ended(problem, ALPHA, ratio)
        np.testing.assert_allclose(weight, want.coef_, atol=1e-4)
        np.testing.assert_allclose(bias, want.intercept_, atol=1e-4)


@pytest.mark.parametrize(
    ("way", "task"),
    few_fast(product(["rows", "classes", "both"], ["classification", "binary"]), 5),
)
def test_weights_are_those_of_logistic_regression(task: str, way: str) -> None:
    """C = 1/(2αn), n the number of rows and not the sum of their weights."""
    draw = np.random.default_rng(3)
    problem = real("iris" if task == "classification" else "breast_cancer", 4)
    if task == "binary":
        problem = replace(problem, task="binary", n_outputs=1)
    X, y, n = problem.X.numpy(), problem.y.numpy(), len(problem.y)
    rows = draw.exponential(2.0, n) if way != "classes" else None
    by_class = {0: 0.5, 1: 2.0, 2: 1.0} if way != "rows" else None
    w = np.ones(n) if rows is None else rows
    if by_class:
        w = w * np.array([by_class[int(label)] for label in y])
    want = LogisticRegression(
        C=1 / (2 * ALPHA * n), class_weight=by_class, tol=1e-10, max_iter=10_000
    ).fit(X, y, sample_weight=rows)
    weight, bias = ended(replace(problem, weight=torch.as_tensor(w)), ALPHA)
    np.testing.assert_allclose(weight, want.coef_, atol=1e-4)
    np.testing.assert_allclose(bias - bias.mean() * (len(bias) > 1),
                               want.intercept_ - want.intercept_.mean() * (len(bias) > 1),
                               atol=1e-4)  # fmt: skip


def test_every_label_ends_where_its_own_logistic_regression_does() -> None:
    """The mean over T labels: each has C = 1/(2αnT)."""
    X = real("iris", 4).X.numpy()
    Y = np.stack([X[:, 0] > 0.3, X[:, 2] + X[:, 1] > 0, X[:, 3] < -0.2], 1) * 1.0
    problem = replace(whole(X, Y, 3), task="multilabel")
    weight, bias = ended(problem, ALPHA)
    for t in range(3):
        model = LogisticRegression(C=1 / (2 * ALPHA * len(X) * 3), tol=1e-10, max_iter=10_000)
        want = model.fit(X, Y[:, t])
        np.testing.assert_allclose(weight[t], want.coef_[0], atol=1e-4)
        np.testing.assert_allclose(bias[t], want.intercept_[0], atol=1e-4)


@pytest.mark.parametrize("gamma", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("counts", [(10.0, 5, 1), (1.0, 1), (300.0, 1), (7.0, 0, 2)])
def test_probabilities_of_the_focal_null_model_are_stationary(
    counts: tuple[float, ...], gamma: float
) -> None:
    c = torch.tensor(counts).double()
    p = _focal_shares(c, gamma)
    assert float(p.sum()) == pytest.approx(1)
    p.requires_grad_()
    loss = (c * -((1 - p) ** gamma) * p.log()).sum()
    (slope,) = torch.autograd.grad(loss, p)
    used = slope[c > 0]
    torch.testing.assert_close(used, used[:1].expand_as(used), rtol=1e-6, atol=1e-6)


def test_a_focal_loss_of_power_near_1_counts_rows_that_are_right_less() -> None:
    problem = CASES["classification"].problem()
    out = torch.tensor([[[4.0, 0, 0], [0.0, 4, 0]]]).double()
    y = torch.zeros(1, 2, dtype=torch.int64)
    plain = loss_of(problem).rows(out, y)[0]
    focal = loss_of(replace(problem, loss=LossSetting("focal", gamma=2.0))).rows(out, y)[0]
    assert float(focal[0] / plain[0]) < 0.01 < 0.9 < float(focal[1] / plain[1])
