"""The penalty α·norm: gradient, proximal step, norm and sparsity.

| symbol | meaning | shape |
|---|---|---|
| W | penalised entries of each lane, w of its P | (L, w) |
| α | strength: coefficient of the un-halved norm beside the MEAN loss over rows | (L, 1) |
| r | l1_ratio: norm = r‖W‖₁ + (1 − r)‖W‖₂²; 0 is l2, 1 is l1 | (L, 1) |

The squared part acts through the gradient, 2α(1 − r)W, as `weight_decay = 2α` does in
torch.optim. The absolute part acts through its proximal step, so that zeros are exact; a
subgradient never gives one (Parikh & Boyd 2014, Proximal Algorithms, §6.5.2).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sweep.training.layout import Flat
from sweep.training.linalg import sums
from sweep.training.messages import LARGEST, N_BINS


def add_l2_gradient(gradient: Flat, params: Flat, alpha: Tensor, l1_ratio: Tensor) -> None:
    """Add 2α(1 − r)W to the gradient of the penalised tensors, in place."""
    factor = 2 * alpha * (1 - l1_ratio)
    for g, w in zip(gradient.weights, params.weights, strict=True):
        g.addcmul_(w, factor)


def soft_threshold(weights: Tensor, threshold: Tensor) -> None:
    """Move entries (L, w) towards 0 by `threshold`, (L, 1) or (L, w), stopping there; in place."""
    # w − clamp(w, −t, t): exactly 0 where |w| ≤ t, and NaN stays NaN.
    weights.sub_(torch.minimum(torch.maximum(weights, -threshold), threshold))


def norm(weights: Tensor, l1_ratio: Tensor) -> Tensor:
    """Return r‖W‖₁ + (1 − r)‖W‖₂² of each lane, (L,), in float64."""
    weights, ratio = weights.double(), l1_ratio.double()
    return sums(ratio * weights.abs() + (1 - ratio) * weights.square())


def size(weights: Tensor) -> Tensor:
    """Return ‖W‖₂ of each lane, (L,), in float64."""
    return sums(weights.double().square()).sqrt()


def sparsity(weights: Tensor) -> Tensor:
    """Return the share of exact zeros in each lane, (L,), in float64."""
    return (weights == 0).double().mean(1)


def inputs_used(weights: Tensor) -> Tensor:
    """Return how many inputs a unit uses, averaged over units: (L, units, inputs) to (L,).

    The effective number (Σ|w|)² / Σw² of a unit's incoming weights: k equal ones and zeros
    otherwise count k, so that L2, which has no exact zeros, compares with L1. A unit whose
    weights are all zero uses none.
    """
    weights = weights.double()
    squares = sums(weights.square())
    used = sums(weights.abs()).square() / squares
    return sums(torch.where(squares > 0, used, 0)) / weights.shape[1]


def histogram(weights: Tensor) -> Tensor:
    """Count the weights (L, w) of each lane between WEIGHT_EDGES: (L, N_BINS)."""
    root = weights.sign() * weights.abs().sqrt()  # NaN may go to any bin: nobody reads that lane
    place = (root / math.sqrt(LARGEST) + 1).nan_to_num() * (N_BINS / 2)
    bins = place.clamp(0, N_BINS - 1).long()
    counts = torch.zeros(len(weights), N_BINS, dtype=weights.dtype, device=weights.device)
    return counts.scatter_add_(1, bins, torch.ones_like(weights))
