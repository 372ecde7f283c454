"""Clip the whole gradient of each lane by its norm, before the penalty's term joins it.

So does a loop that calls `torch.nn.utils.clip_grad_norm_` between `backward` and the step of an
optimiser with weight_decay.
"""

from __future__ import annotations

from functools import reduce

import torch

from sweep.training.layout import Flat
from sweep.training.linalg import sums

_EPS = 1e-6  # torch's


def clip_norm(gradient: Flat, largest: float) -> None:
    """Scale each lane's gradient down to the norm `largest` where it is larger, in place."""
    # Tensors are added one by one: a sum along the slow axis has other bits beside other lanes.
    squares = reduce(torch.add, [sums(part.square()) for part in gradient.parts])
    factor = largest / (squares.sqrt() + _EPS)
    factor = factor.clamp(max=1.0)[:, None]
    for part in gradient.parts:
        part.mul_(factor)
