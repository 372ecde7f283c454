"""What a data loss is, and what all of them share; symbols as of `sweep.training.losses`."""

from __future__ import annotations

from collections.abc import Callable
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


Rows = Callable[[Tensor, Tensor], Tensor]
OfTargets = Callable[[Tensor, int, Tensor | None], Tensor]


class Loss(NamedTuple):
    """A data loss.

    Attributes:
        rows: of outputs (L, B, C) and y the loss of every row, (L, B), which autograd takes.
        slope: of z and y the gradient of each lane's mean loss by z, (L, C, B).
        null: of targets (n,), C and w what all weights 0 come to; None where that is not known.
        constant: of targets (n,), C and w the outputs (C,) that predict other rows best, in
            float64; None where they are not known.
    """

    rows: Rows
    slope: Rows
    null: Callable[[Tensor, int, Tensor | None], Null] | None
    constant: OfTargets | None

    def means(self, out: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        """Return the mean loss of each lane's rows, (L,), which autograd takes."""
        return weighted(self.rows(out, y), w).mean(1)


def weighted(values: Tensor, w: Tensor | None) -> Tensor:
    """Weigh the loss of every row."""
    return values if w is None else values * w


def beside(out: Tensor, y: Tensor) -> Tensor:
    """Shape targets as outputs (L, B, C): one target a row is that of each output."""
    return y[..., None] if y.ndim < out.ndim else y


def columns(z: Tensor, y: Tensor) -> Tensor:
    """Shape targets as z (L, C, B)."""
    return y[:, None] if y.ndim < z.ndim else y.mT


def averaged(losses: Tensor) -> Tensor:
    """Average the losses of a row's targets, (L, B, C) to (L, B)."""
    return losses[..., 0] if losses.shape[-1] == 1 else losses.mean(-1)


def entries(z: Tensor) -> int:
    """Return how many losses a lane's mean is over: of rows and targets."""
    return z.shape[1] * z.shape[2]


def matrix(y: Tensor) -> Tensor:
    """Shape targets (n,) or (n, T) as (n, T) in float64."""
    return (y if y.ndim == 2 else y[:, None]).double()


def ones(y: Tensor, w: Tensor | None) -> Tensor:
    """Return weights (n, 1) in float64, 1 where there are none."""
    return y.new_ones(len(y), 1, dtype=torch.float64) if w is None else w.double()[:, None]


def mean_of(y: Tensor, w: Tensor | None) -> Tensor:
    """Return the weighted mean (T,) of targets (n, T), in float64."""
    if w is None:
        return y.mean(0)
    weights = ones(y, w)
    return (weights * y).sum(0) / weights.sum()


def null_at(rows: Rows, slope: Rows, best: OfTargets, y: Tensor, C: int, w: Tensor | None) -> Null:
    """Evaluate the null model where its outputs are `best`, (C,) of targets (n,)."""
    target = y.double() if y.is_floating_point() else y
    z = best(y, C, w)[None, :, None].expand(1, -1, len(y))
    pull = -len(y) * slope(z.contiguous(), target[None])[0].mT
    losses = weighted(rows(z.mT, target[None])[0], None if w is None else w.double())
    return Null(pull if w is None else pull * ones(y, w), losses.mean())
