"""The data loss of each task: its rows, its slope, its null model, and the score beside it.

| symbol | meaning | shape |
|---|---|---|
| L | lanes | |
| B, n | rows of a batch; rows of one replicate | |
| C | outputs | |
| y | targets, int64 classes or numbers | (L, B), or (n,) |
| z | outputs, the few of a row as the slow axis | (L, C, B) |

Words and names of a task are in `sweep.spec.tasks`, under the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class Null(NamedTuple):
    """The network whose weights are all 0, with the best bias, on one replicate's targets (n,).

    Attributes:
        pull: minus the gradient of the summed loss by its outputs, (n, C) in float64.
        loss: its mean loss, () in float64.
    """

    pull: Tensor
    loss: Tensor


class Hits(NamedTuple):
    """A score that is the share of rows that are right.

    Attributes:
        rows: 1 where a row is right, else 0: (L, B), of z and y.
    """

    rows: Callable[[Tensor, Tensor], Tensor]


class Explained(NamedTuple):
    """A score that is 1 − loss / level.

    Attributes:
        level: the loss () of the best constant for targets (n,); NaN, and so no score, where they
            are all the same.
    """

    level: Callable[[Tensor], Tensor]


class Loss(NamedTuple):
    """A data loss.

    Attributes:
        rows: of outputs (L, B, C) and y the loss of every row, (L, B), which autograd takes.
        slope: of z and y the gradient of each lane's mean loss by z, (L, C, B).
        null: of targets (n,) and C what all weights 0 come to.
        constant: of targets (n,) and C the outputs (C,) that predict other rows best, in float64.
        score: what networks are scored by.
    """

    rows: Callable[[Tensor, Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]
    null: Callable[[Tensor, int], Null]
    constant: Callable[[Tensor, int], Tensor]
    score: Hits | Explained


# --- cross-entropy of classes


def _cross_entropy(out: Tensor, y: Tensor) -> Tensor:
    # The softmax along the slow axis: along the fast one it takes twenty times as long on a CPU.
    return -torch.log_softmax(out.mT, 1).gather(1, y[:, None]).squeeze(1)


def _cross_entropy_slope(z: Tensor, y: Tensor) -> Tensor:
    """Return (softmax(z) − onehot(y)) / B."""
    y = y[:, None]
    slope = torch.softmax(z, 1)
    return slope.scatter_add_(1, y, torch.full_like(y, -1, dtype=z.dtype)).mul_(1 / y.shape[2])


def _null_shares(y: Tensor, n_outputs: int) -> Null:
    """Predict each class's share p̄ of the rows: pull onehot(y) − p̄, loss the entropy."""
    onehot = torch.nn.functional.one_hot(y, n_outputs).double()
    p = torch.bincount(y, minlength=n_outputs).double() / len(y)
    return Null(onehot - onehot.mean(0), -torch.xlogy(p, p).sum())


def _class_logits(y: Tensor, n_outputs: int) -> Tensor:
    """Return the logarithms of the classes' shares, each counted once more: none may be 0."""
    counts = torch.bincount(y, minlength=n_outputs).double() + 1
    return (counts / counts.sum()).log()


def _hits(z: Tensor, y: Tensor) -> Tensor:
    # max finds what argmax finds, several times as fast along a slow axis.
    return (z.max(1).indices == y).to(z)


# --- squared error of numbers


def _squared_error(out: Tensor, y: Tensor) -> Tensor:
    return (out[..., 0] - y).square()


def _squared_error_slope(z: Tensor, y: Tensor) -> Tensor:
    """Return 2(z − y) / B."""
    return (z - y[:, None]).mul_(2 / y.shape[1])


def _null_mean(y: Tensor, n_outputs: int) -> Null:
    """Predict the mean ȳ: pull 2(y − ȳ), loss the variance."""
    y = y.double()
    pull = 2 * (y - y.mean())[:, None]
    return Null(pull, pull.square().mean() / 4)


def _mean(y: Tensor, n_outputs: int) -> Tensor:
    return y.mean(dtype=torch.float64)[None]


def _variance(y: Tensor) -> Tensor:
    # Rounding may leave a little of a variance that is 0.
    return torch.where((y == y[0]).all(), torch.nan, y.var(correction=0))


LOSSES: Mapping[str, Loss] = {
    "classification": Loss(
        _cross_entropy, _cross_entropy_slope, _null_shares, _class_logits, Hits(_hits)
    ),
    "regression": Loss(
        _squared_error, _squared_error_slope, _null_mean, _mean, Explained(_variance)
    ),
}
