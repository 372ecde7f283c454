"""What glmnet documents that it minimises, minimised by scipy: its algorithm is not in here.

Friedman, Hastie & Tibshirani (2010), Regularization Paths for Generalized Linear Models via
Coordinate Descent, §§2–4; and glmnet's vignette, "Appendix 0: Convergence Criteria" and "Linear
Regression": gaussian targets are divided by their deviation (1/n), and the λ given with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

Array = np.ndarray[Any, np.dtype[np.float64]]
Loss = Callable[[Array], tuple[float, Array]]  # of outputs (n, C): mean loss, its gradient


def glmnet(code: str, X: Array, y: Array) -> Array:
    """Fit what a line of R asks for; return the linear predictor (n, C) for the rows."""
    given = dict(re.findall(r"(\w+) = ([^,)]+)", code))
    strength, ratio = float(given["lambda"]), float(given["alpha"])
    family, shift, scale = given["family"].strip('"'), 0.0, 1.0
    if given["standardize"] == "TRUE":
        X = (X - X.mean(0)) / X.std(0)
    if family == "gaussian":
        shift, scale = float(y.mean()), float(y.std())
        strength /= scale
    n_outputs = len(np.unique(y)) if family == "multinomial" else 1
    loss = {"gaussian": _squares, "binomial": _binomial, "multinomial": _multinomial}[family]
    W, b = _minimised(loss((y - shift) / scale), X, n_outputs, strength, ratio)
    return (X @ W + b) * scale + shift


def _squares(y: Array) -> Loss:
    return lambda z: (
        float(((z[:, 0] - y) ** 2).mean() / 2), (z - y[:, None]) / len(y)
    )  # fmt: skip


def _binomial(y: Array) -> Loss:
    def loss(z: Array) -> tuple[float, Array]:
        z = z[:, 0]
        p = 1 / (1 + np.exp(-z))
        return float((np.logaddexp(0, z) - y * z).mean()), ((p - y) / len(y))[:, None]

    return loss


def _multinomial(y: Array) -> Loss:
    onehot = np.eye(int(y.max()) + 1)[y.astype(int)]

    def loss(z: Array) -> tuple[float, Array]:
        total = logsumexp(z, axis=1)
        p = np.exp(z - total[:, None])
        return float((total - (onehot * z).sum(1)).mean()), (p - onehot) / len(y)

    return loss


def _minimised(
    loss: Loss, X: Array, n_outputs: int, strength: float, ratio: float
) -> tuple[Array, Array]:
    """Minimise loss + λ((1 − a)/2·‖W‖² + a·‖W‖₁) over W = U − V, U and V ≥ 0, and b."""
    shape = (X.shape[1], n_outputs)
    size = shape[0] * n_outputs

    def objective(x: Array) -> tuple[float, Array]:
        U, V, b = x[:size], x[size : 2 * size], x[2 * size :]
        W = (U - V).reshape(shape)
        value, by_z = loss(X @ W + b)
        by_W = (X.T @ by_z + strength * (1 - ratio) * W).ravel()
        value += strength * ((1 - ratio) / 2 * (W**2).sum() + ratio * (U + V).sum())
        return value, np.concatenate(
            [by_W + strength * ratio, strength * ratio - by_W, by_z.sum(0)]
        )

    bounds = [(0, None)] * (2 * size) + [(None, None)] * n_outputs
    found = minimize(
        objective, np.zeros(2 * size + n_outputs), jac=True, bounds=bounds, method="L-BFGS-B",
        options={"ftol": 1e-16, "gtol": 1e-10, "maxiter": 20_000, "maxfun": 100_000, "maxcor": 50},
    ).x  # fmt: skip
    return (found[:size] - found[size : 2 * size]).reshape(shape), found[2 * size :]
