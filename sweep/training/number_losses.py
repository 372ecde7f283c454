"""Losses of numbers and of counts; symbols as of `sweep.training.losses`.

In them e = z − y.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from sweep.spec.losses import LossSetting
from sweep.training.loss import (
    Loss,
    Null,
    averaged,
    beside,
    columns,
    entries,
    matrix,
    mean_of,
    null_at,
    ones,
)

STEPS = 200  # of a bisection, which halve its bracket: far below the last bit


# --- squared error


def squared(setting: LossSetting) -> Loss:
    """Return e²."""
    return Loss(_squared_error, _squared_error_slope, _null_mean, _mean)


def _squared_error(out: Tensor, y: Tensor) -> Tensor:
    return averaged((out - beside(out, y)).square())


def _squared_error_slope(z: Tensor, y: Tensor) -> Tensor:
    """Return 2e / (B·C)."""
    return (z - columns(z, y)).mul_(2 / entries(z))


def _null_mean(y: Tensor, n_outputs: int, w: Tensor | None) -> Null:
    """Predict the mean ȳ: pull 2(y − ȳ), loss the variance."""
    target, weights = matrix(y), ones(y, w)
    pull = 2 * (target - _mean(y, n_outputs, w))
    if w is None and n_outputs == 1:
        return Null(pull, pull.square().mean() / 4)
    return Null(weights * pull / n_outputs, (weights * pull.square()).mean() / 4)


def _mean(y: Tensor, n_outputs: int, w: Tensor | None) -> Tensor:
    if w is None and y.ndim == 1:
        return y.mean(dtype=torch.float64)[None]
    return mean_of(matrix(y), w)


# --- Huber's loss


def huber(setting: LossSetting) -> Loss:
    """Return e²/2 where |e| < δ, else δ·(|e| − δ/2)."""
    rows, slope, best = (
        partial(function, delta=setting.delta) for function in (_huber, _huber_slope, _centre)
    )
    return Loss(rows, slope, partial(null_at, rows, slope, best), best)


def _huber(out: Tensor, y: Tensor, delta: float) -> Tensor:
    e = out - beside(out, y)
    inner = e.clamp(-delta, delta)
    return averaged(inner * (e - inner / 2))


def _huber_slope(z: Tensor, y: Tensor, delta: float) -> Tensor:
    """Return e, cut at ±δ, / (B·C)."""
    return (z - columns(z, y)).clamp_(-delta, delta).mul_(1 / entries(z))


def _centre(y: Tensor, n_outputs: int, w: Tensor | None, delta: float) -> Tensor:
    """Return where the weighted mean of e, cut at ±δ, is 0, by bisection."""
    target, weights = matrix(y), ones(y, w)
    low, high = target.amin(0), target.amax(0)
    for _ in range(STEPS):
        middle = (low + high) / 2
        is_low = (weights * (middle - target).clamp_(-delta, delta)).sum(0) < 0
        low, high = torch.where(is_low, middle, low), torch.where(is_low, high, middle)
    return (low + high) / 2


# --- absolute error, and the pinball loss of quantiles


def mae(setting: LossSetting) -> Loss:
    """Return |e|: twice the pinball loss of the median."""
    return _of_quantile(0.5, 2.0)


def pinball(setting: LossSetting) -> Loss:
    """Return q·(y − z) below the target and (1 − q)·(z − y) above it."""
    return _of_quantile(setting.quantile, 1.0)


def _of_quantile(q: float, factor: float) -> Loss:
    return Loss(
        partial(_pinball, q=q, factor=factor),
        partial(_pinball_slope, q=q, factor=factor),
        partial(_null_quantile, q=q, factor=factor),
        partial(_quantile, q=q),
    )


def _pinball(out: Tensor, y: Tensor, q: float, factor: float) -> Tensor:
    e = out - beside(out, y)
    size = (0.5 * factor) * e.abs()
    return averaged(size if q == 0.5 else size + (factor * (0.5 - q)) * e)


def _pinball_slope(z: Tensor, y: Tensor, q: float, factor: float) -> Tensor:
    """Return 1 − q above the target, −q below, and their mean on it, / (B·C)."""
    e = z - columns(z, y)
    return e.sign_().mul_(0.5).add_(0.5 - q).mul_(factor / entries(z))


def _quantile(y: Tensor, n_outputs: int, w: Tensor | None, q: float) -> Tensor:
    """Return the weighted quantile (T,): where there are several, the middle between them."""
    target, order = matrix(y).sort(0)
    total = ones(y, w).expand_as(target).gather(0, order).cumsum(0)
    share = total / total[-1]
    # A share that is q but for rounding is q: both ends of the gap behind it do as well.
    near = 1e-12
    low = (share < q - near).sum(0).clamp_max(len(y) - 1)
    high = (share < q + near).sum(0).clamp_max(len(y) - 1)
    return (target.gather(0, low[None]) + target.gather(0, high[None]))[0] / 2


def _null_quantile(y: Tensor, n_outputs: int, w: Tensor | None, q: float, factor: float) -> Null:
    """Predict the quantile; rows that lie on it share what keeps the bias where it is."""
    target, weights, best = matrix(y), ones(y, w), _quantile(y, n_outputs, w, q)
    e = best - target
    pull = factor * weights * (q - (e > 0).double())
    tied = (e == 0).double() * weights
    pull = torch.where(e == 0, 0.0, pull)
    pull = pull - tied * (pull.sum(0) / tied.sum(0).clamp_min(1e-300))
    losses = _pinball(best.expand(1, len(y), -1), target[None], q, factor)[0]
    return Null(pull / n_outputs, (weights[:, 0] * losses).mean())


# --- half the Poisson deviance of counts, by their logarithm


def poisson(setting: LossSetting) -> Loss:
    """Return exp(z) − y·z − (y − y·log y): 0 where exp(z) is y."""
    null = partial(null_at, _poisson, _poisson_slope, _log_mean)
    return Loss(_poisson, _poisson_slope, null, _log_mean)


def _poisson(out: Tensor, y: Tensor) -> Tensor:
    target = beside(out, y)
    least = target - torch.xlogy(target, target)
    return averaged(out.exp() - target * out - least)


def _poisson_slope(z: Tensor, y: Tensor) -> Tensor:
    """Return (exp(z) − y) / (B·C)."""
    return z.exp().sub_(columns(z, y)).mul_(1 / entries(z))


def _log_mean(y: Tensor, n_outputs: int, w: Tensor | None) -> Tensor:
    return mean_of(matrix(y), w).log()
