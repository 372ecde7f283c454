"""Losses of classes and of labels; symbols as of `sweep.training.losses`."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from sweep.spec.losses import LossSetting
from sweep.training.entries import by_vectors
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

LEAST = 1e-300  # of a share: its logarithm is finite
STEPS = 60  # of Newton's method, which needs far fewer


# --- cross-entropy of classes


def cross_entropy(setting: LossSetting) -> Loss:
    """Return −log softmax(z)_y; smoothed, the mean over classes drawn from (1 − ε)·y + ε/C."""
    if setting.smoothing:
        rows = partial(_smoothed, share=setting.smoothing)
        slope = partial(_smoothed_slope, share=setting.smoothing)
        best = partial(_smoothed_best, share=setting.smoothing)
        return Loss(rows, slope, partial(null_at, rows, slope, best), _class_logits)
    return Loss(_cross_entropy, _cross_entropy_slope, _null_shares, _class_logits)


def _cross_entropy(out: Tensor, y: Tensor) -> Tensor:
    # The softmax along the slow axis: along the fast one it takes twenty times as long on a CPU.
    return -torch.log_softmax(out.mT, 1).gather(1, y[:, None]).squeeze(1)


def _cross_entropy_slope(z: Tensor, y: Tensor) -> Tensor:
    """Return (softmax(z) − onehot(y)) / B."""
    y = y[:, None]
    slope = torch.softmax(z, 1)
    return slope.scatter_add_(1, y, torch.full_like(y, -1, dtype=z.dtype)).mul_(1 / y.shape[2])


def _smoothed(out: Tensor, y: Tensor, share: float) -> Tensor:
    logs = torch.log_softmax(out.mT, 1)
    return -((1 - share) * logs.gather(1, y[:, None]).squeeze(1) + share * logs.mean(1))


def _smoothed_slope(z: Tensor, y: Tensor, share: float) -> Tensor:
    """Return (softmax(z) − (1 − ε)·onehot(y) − ε/C) / B."""
    y = y[:, None]
    slope = torch.softmax(z, 1).sub_(share / z.shape[1])
    less = torch.full_like(y, share - 1, dtype=z.dtype)
    return slope.scatter_add_(1, y, less).mul_(1 / y.shape[2])


def _null_shares(y: Tensor, n_outputs: int, w: Tensor | None) -> Null:
    """Predict each class's share p̄ of the rows: pull onehot(y) − p̄, loss the entropy."""
    onehot = torch.nn.functional.one_hot(y, n_outputs).double()
    if w is not None:
        p, weights = mean_of(onehot, w), ones(y, w)
        return Null(weights * (onehot - p), -weights.mean() * torch.xlogy(p, p).sum())
    p = torch.bincount(y, minlength=n_outputs).double() / len(y)
    return Null(onehot - onehot.mean(0), -torch.xlogy(p, p).sum())


def _smoothed_best(y: Tensor, n_outputs: int, w: Tensor | None, share: float) -> Tensor:
    onehot = torch.nn.functional.one_hot(y, n_outputs).double()
    return ((1 - share) * mean_of(onehot, w) + share / n_outputs).log()


def _class_logits(y: Tensor, n_outputs: int, w: Tensor | None) -> Tensor:
    """Return the logarithms of the classes' shares, each counted once more: none may be 0."""
    counts = _counts(y, n_outputs, w) + 1
    return (counts / counts.sum()).log()


def _counts(y: Tensor, n_outputs: int, w: Tensor | None) -> Tensor:
    """Count the rows of each class, (C,) in float64; weights are taken with a mean of 1."""
    if w is None:
        return torch.bincount(y, minlength=n_outputs).double()
    counts = torch.bincount(y, w.double(), n_outputs)
    return counts * (len(y) / counts.sum())


# --- logistic loss of labels, 0 or 1


def logistic(setting: LossSetting) -> Loss:
    """Return −log sigmoid(±z), + where the label is 1; smoothed labels are (1 − ε)·y + ε/2."""
    share = setting.smoothing
    rows, slope = partial(_logistic, share=share), partial(_logistic_slope, share=share)
    null = partial(null_at, rows, slope, partial(_logits, share=share))
    return Loss(rows, slope, null, _label_logits)


def _logistic(out: Tensor, y: Tensor, share: float) -> Tensor:
    target = _smooth(beside(out, y).to(out), share)
    return averaged((1 - target) * out - logsigmoid(out))


def _logistic_slope(z: Tensor, y: Tensor, share: float) -> Tensor:
    """Return (sigmoid(z) − y) / (B·C)."""
    target = _smooth(columns(z, y).to(z), share)
    return by_vectors(torch.sigmoid, z).sub_(target).mul_(1 / entries(z))


def _smooth(target: Tensor, share: float) -> Tensor:
    return target * (1 - share) + share / 2 if share else target


def _logits(y: Tensor, n_outputs: int, w: Tensor | None, share: float) -> Tensor:
    p = _smooth(mean_of(matrix(y), w), share)
    return p.clamp_min(LEAST).log() - (1 - p).clamp_min(LEAST).log()


def _label_logits(y: Tensor, n_outputs: int, w: Tensor | None) -> Tensor:
    """Return the logits of the labels' shares, 0 and 1 each counted once more."""
    p = mean_of(matrix(y), w)
    return (p * len(y) + 1).log() - ((1 - p) * len(y) + 1).log()


# --- focal loss (Lin, Goyal, Girshick, He & Dollár 2017, Focal Loss for Dense Object Detection)


def focal(setting: LossSetting, *, binary: bool = False) -> Loss:
    """Return −(1 − p)^γ·log p, p the probability of what is right."""
    gamma = setting.gamma
    of = (_focal_labels, _focal_labels_slope) if binary else (_focal, _focal_slope)
    rows, slope = (partial(function, gamma=gamma) for function in of)
    logits = _focal_label_logits if binary else _focal_logits
    null = partial(null_at, rows, slope, partial(logits, gamma=gamma, more=0))
    return Loss(rows, slope, null, partial(logits, gamma=gamma, more=1))


def _of_logs(logs: Tensor, gamma: float) -> Tensor:
    return -_power(-torch.expm1(logs), gamma) * logs


def _power(x: Tensor, gamma: float) -> Tensor:
    return by_vectors(lambda t: t.pow(gamma), x)


def _steepness(logs: Tensor, gamma: float) -> Tensor:
    """Return −p·dℓ/dp = x^γ·(1 + γ·p·(−log p)/x), x = 1 − p, of log p."""
    x = -torch.expm1(logs)
    ratio = torch.where(x > 0, -logs / x.clamp_min(torch.finfo(x.dtype).tiny), 1)
    return _power(x, gamma) * (1 + gamma * logs.exp() * ratio)


def _focal(out: Tensor, y: Tensor, gamma: float) -> Tensor:
    return _of_logs(torch.log_softmax(out.mT, 1).gather(1, y[:, None]).squeeze(1), gamma)


def _focal_slope(z: Tensor, y: Tensor, gamma: float) -> Tensor:
    """Return a·(softmax(z) − onehot(y)) / B, a the steepness at the class that is right."""
    y, logs = y[:, None], torch.log_softmax(z, 1)
    steep = _steepness(logs.gather(1, y), gamma)
    slope = logs.exp().scatter_add_(1, y, torch.full_like(y, -1, dtype=z.dtype))
    return slope.mul_(steep).mul_(1 / y.shape[2])


def _focal_labels(out: Tensor, y: Tensor, gamma: float) -> Tensor:
    sign = 2 * beside(out, y).to(out) - 1
    return averaged(_of_logs(logsigmoid(sign * out), gamma))


def _focal_labels_slope(z: Tensor, y: Tensor, gamma: float) -> Tensor:
    """Return −s·a·(1 − p) / (B·C), s = ±1 the label."""
    sign = 2 * columns(z, y).to(z) - 1
    logs = logsigmoid(sign * z)
    wrong = by_vectors(torch.sigmoid, -sign * z)
    return _steepness(logs, gamma).mul_(wrong).mul_(sign).mul_(-1 / entries(z))


def _focal_logits(y: Tensor, n_outputs: int, w: Tensor | None, gamma: float, more: int) -> Tensor:
    return _focal_shares(_counts(y, n_outputs, w) + more, gamma).log()


def _focal_label_logits(
    y: Tensor, n_outputs: int, w: Tensor | None, gamma: float, more: int
) -> Tensor:
    p = mean_of(matrix(y), w)
    shares = _focal_shares(torch.stack([1 - p, p], 1) * len(y) + more, gamma).log()
    return shares[:, 1] - shares[:, 0]


def _focal_shares(counts: Tensor, gamma: float) -> Tensor:
    """Return the probabilities (…, K) that have the least loss on so many rows of each class.

    They minimise Σ c·g(p) under Σ p = 1, g(p) = −(1 − p)^γ·log p, which is convex: by Newton's
    method, whose steps end a tenth short of where a probability would be 0.
    """
    c = counts.clamp_min(LEAST**0.25)
    p = c / c.sum(-1, keepdim=True)
    for _ in range(STEPS):
        x, logs = 1 - p, p.log()
        first = gamma * x.pow(gamma - 1) * logs - x.pow(gamma) / p
        bent = -gamma * (gamma - 1) * x.pow(gamma - 2) * logs
        second = bent + 2 * gamma * x.pow(gamma - 1) / p + x.pow(gamma) / p.square()
        level = (first / second).sum(-1, keepdim=True) / (1 / (c * second)).sum(-1, keepdim=True)
        move = (level / c - first) / second
        shrink = (0.9 * p / -move).masked_fill(move >= 0, 1).amin(-1, keepdim=True)
        p = p + move * shrink.clamp_max(1)
    return p
