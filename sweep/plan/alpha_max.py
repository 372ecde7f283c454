"""The strength at which a network collapses: where the search range ends.

| symbol | meaning | shape |
|---|---|---|
| x | rows a replicate trains on, flattened | (n, F) |
| r | minus the gradient of the summed loss at W = 0 with the best bias | (n, C) |
| u, b | weights and bias of one hidden unit | (F,), () |

With all weights 0 the output is the bias, so r is onehot(y) − p̄ for cross-entropy and
2(y − ȳ) for the squared error. Above alpha_max no first step away from W = 0 pays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sweep.data.problem import Problem
from sweep.training.layout import Flat
from sweep.training.linalg import product
from sweep.training.losses import LOSSES
from sweep.training.optimizers import Adam

STARTS, STEPS = 64, 100
ROWS = 1000  # of more, some are climbed on; then on all rows
BEST, MORE_STEPS = 4, 20  # from the best of the starts, so many steps


def alpha_max(
    problem: Problem, hidden: Sequence[int], activation: str, l1_ratio: float, seed: int = 0
) -> float | None:
    """Return the strength above which all weights are 0, or None where no formula holds.

    * linear, l1 or elastic: max |xᵀr| / n, divided by the l1_ratio; exact, the largest over
      all replicates (glmnet's lambda_max).
    * one hidden ReLU layer, l2: ½ max over ‖u‖₂ = 1 and b of ‖relu(xu + b)ᵀr‖₂ / n, found by
      ascent from many starts on the first replicate; from α(‖u‖² + ‖v‖²) ≥ 2α‖u‖‖v‖.
    * one hidden ReLU layer, l1: an upper bound ½√(L₀·M), L₀ the loss at W = 0 and
      M = max over ‖u‖₁ = 1, b and output k of |relu(xu + b)ᵀr_k| / n: a unit that pays needs
      ‖u‖₁‖v‖₁ ≥ (2α/M)², which costs more than L₀ when α is above.
    """
    if not hidden and l1_ratio > 0:
        gradients = (_gradient(problem, r) for r in range(len(problem.train)))
        return max(float((x.mT @ r).abs().max()) / len(x) for x, r in gradients) / l1_ratio
    if len(hidden) != 1 or activation != "relu" or 0 < l1_ratio < 1:
        return None
    x, r = _gradient(problem, 0)
    if l1_ratio == 0:
        return _ascend(x, r, 2, seed) / 2
    largest = _ascend(x, r, 1, seed)
    return float((_null_loss(problem) * largest).sqrt()) / 2


def _gradient(problem: Problem, replicate: int) -> tuple[Tensor, Tensor]:
    """Return x (n, F) and r (n, C) of a replicate, in float64."""
    rows = problem.train[replicate]
    x, y = problem.X[rows].flatten(1).double(), problem.y[rows]
    return x, LOSSES[problem.task].null(y, problem.n_outputs).pull


def _null_loss(problem: Problem) -> Tensor:
    """Return the loss at W = 0 with the best bias."""
    y = problem.y[problem.train[0]]
    return LOSSES[problem.task].null(y, problem.n_outputs).loss


@torch.no_grad()
def _ascend(x: Tensor, r: Tensor, order: int, seed: int) -> float:
    """Maximise the pull on one unit, ‖relu(xu + b)ᵀr‖ / n over ‖u‖ = 1 and b.

    Norms: l2 and l2 for order 2; l1 and the largest entry for order 1. Of many rows some will do
    to find where the maximum is; how large it is all of them say.
    """
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(x), (STARTS,), generator=generator)
    # Rows point where data lie; random directions of pixels hardly switch on a unit.
    u = (x[starts] - x.mean(0)).mT.contiguous()
    u += 1e-3 * torch.randn(u.shape, generator=generator, dtype=u.dtype)
    # The last entry is the bias, in units of a row's length.
    scale = float(x.norm(dim=1).mean().clamp_min(1e-12))
    units = torch.cat([u / u.norm(dim=0, p=order), torch.zeros_like(u[:1])]).mT.contiguous()
    if len(x) <= ROWS:
        return _climb(x, r, units, scale, order, STEPS, 0.05)
    some = slice(None, None, -(-len(x) // ROWS))
    # Re-centre the subsample: otherwise the bias has an unbounded ascent direction.
    _climb(x[some].contiguous(), r[some] - r[some].mean(0), units, scale, order, STEPS, 0.05)
    best = _pull(x, r, units, scale, order)[0].topk(BEST).indices
    return _climb(x, r, units[best], scale, order, MORE_STEPS, 0.005)


def _climb(
    x: Tensor, r: Tensor, units: Tensor, scale: float, order: int, steps: int, lr: float
) -> float:
    """Climb from units (starts, F + 1), which are moved; return the largest pull on the way."""
    # Each start is a lane of our own Adam: importing torch.optim takes a second.
    adam, ones, flat = Adam(), torch.ones_like(units[:, :1]), Flat(units.view(-1), units.shape[1:])
    columns = {"strength": 0 * ones, "l1_ratio": ones}
    state, best = adam.init(flat), torch.zeros_like(units[:, 0])
    for step in range(steps):
        value, slope = _pull(x, r, units, scale, order)
        best = torch.maximum(best, value)
        rate = lr * ones * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        down = Flat(slope.neg_().view(-1), flat.sizes)
        adam.step(flat, down, state, (step + 1) * ones, columns | {"lr": rate})
    return float(best.max())


def _pull(x: Tensor, r: Tensor, units: Tensor, scale: float, order: int) -> tuple[Tensor, Tensor]:
    """Return the pull on units (starts, F + 1), (starts,), and its gradient, as units."""
    u, bias = units[:, :-1], units[:, -1:]
    length = u.norm(dim=1, p=order, keepdim=True)
    u = u / length
    active = _product(u, x.mT).add_(scale * bias).relu_()  # (starts, n)
    pulls = _product(active, r) / len(x)  # (starts, C)
    if order == 2:
        value = pulls.norm(dim=1)
        slope = pulls / value[:, None].clamp_min(1e-300)  # 0 where no row switches the unit on
    else:
        value, largest = pulls.abs().max(1)
        slope = torch.zeros_like(pulls).scatter_(1, largest[:, None], 1) * pulls.sign()
    slope = _product(slope, r.mT).mul_(active > 0) / len(x)
    along = _product(slope, x)
    across = along - (along * u).sum(1, keepdim=True) * (u if order == 2 else u.sign())
    return value, torch.cat([across / length, scale * slope.sum(1, keepdim=True)], 1)


def _product(a: Tensor, b: Tensor) -> Tensor:
    return product(a[None], b[None])[0]
