"""The strength at which a network collapses: where the search range ends.

| symbol | meaning | shape |
|---|---|---|
| x | rows a replicate trains on, flattened | (n, F) |
| r | minus the gradient of the summed loss at W = 0 with the best bias | (n, C) |
| u, b | weights and bias of one hidden unit | (F,), () |

With all weights 0 the output is the bias, so r is onehot(y) − p̄ for cross-entropy and
2(y − ȳ) for the squared error; `Loss.null` has it of each loss. Above alpha_max no first step away
from W = 0 pays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sweep.data.problem import Problem
from sweep.training.layout import Flat
from sweep.training.linalg import product
from sweep.training.loss import Null
from sweep.training.losses import loss_of
from sweep.training.optimizers import Adam

STARTS, STEPS = 64, 100
ENTRIES = 1 << 24  # numbers of all rows that are looked at
ROWS = 1000  # of more, some are climbed on; then on all rows
BEST, MORE_STEPS = 4, 20  # from the best of the starts, so many steps
# Of the replicates but the first: those that promise most, from so many starts, so many steps.
PROMISING, FEW_STARTS, FEW_STEPS = 4, 16, 40

Rows = TypeVar("Rows", np.ndarray, Tensor)


def alpha_max(
    problem: Problem, hidden: Sequence[int], activation: str, l1_ratio: float, seed: int = 0
) -> float | None:
    """Return the strength above which weights shrink to 0, or None where no formula holds.

    * linear, l1 or elastic: max |xᵀr| / n, divided by the l1_ratio; exact, the largest over
      all replicates (glmnet's lambda_max).
    * one hidden ReLU layer, l2: ½ max over ‖u‖₂ = 1 and b of ‖relu(xu + b)ᵀr‖₂ / n, the
      largest over all replicates, found by ascent; from α(‖u‖² + ‖v‖²) ≥ 2α‖u‖‖v‖.
    * one hidden ReLU layer, l1: an upper bound ½√(L₀·M), L₀ the loss at W = 0 and
      M = max over ‖u‖₁ = 1, b and output k of |relu(xu + b)ᵀr_k| / n: a unit that pays needs
      ‖u‖₁‖v‖₁ ≥ (2α/M)², which costs more than L₀ when α is above.
    """
    if loss_of(problem).null is None or not has_formula(hidden, activation, l1_ratio):
        return None
    if not hidden:
        gradients = (_gradient(problem, r) for r in range(len(problem.train)))
        return max(float((x.mT @ r).abs().max()) / len(x) for x, r in gradients) / l1_ratio
    largest = _largest_pull(problem, 2 if l1_ratio == 0 else 1, seed)
    if l1_ratio == 0:
        return largest / 2
    null_loss = max(_null_loss(problem, replicate) for replicate in range(len(problem.train)))
    return math.sqrt(null_loss * largest) / 2


def has_formula(hidden: Sequence[int], activation: str, l1_ratio: float) -> bool:
    """Say whether there is a formula for a network, if there is one for its loss."""
    if not hidden:
        return l1_ratio > 0
    return len(hidden) == 1 and activation == "relu" and not 0 < l1_ratio < 1


def sampled(rows: Rows, n_features: int) -> Rows:
    """Return the rows (n,) of a replicate, or of more than memory should hold some all over."""
    return rows[:: -(-len(rows) * max(STARTS, n_features) // ENTRIES)]


def _gradient(problem: Problem, replicate: int) -> tuple[Tensor, Tensor]:
    """Return x (n, F) and r (n, C) of a replicate, in float64."""
    rows = sampled(problem.train[replicate], math.prod(problem.feature_shape))
    return problem.rows(rows).flatten(1).double(), _null(problem, rows).pull


def _null_loss(problem: Problem, replicate: int) -> float:
    """Return the loss of a replicate at W = 0 with the best bias."""
    return float(_null(problem, problem.train[replicate]).loss)


def _null(problem: Problem, rows: Tensor) -> Null:
    w = problem.weight
    null = loss_of(problem, training=True).null
    assert null is not None
    return null(problem.y[rows], problem.n_outputs, None if w is None else w[rows])


@torch.no_grad()
def _largest_pull(problem: Problem, order: int, seed: int) -> float:
    """Maximise the pull on one unit, ‖relu(xu + b)ᵀr‖ / n over ‖u‖ = 1 and b, in any replicate.

    Norms: l2 and l2 for order 2; l1 and the largest entry for order 1. The first replicate is
    searched from many starts. The others have most of their rows in common with it: each tries
    where it ended and rows of its own, and those that promise most are searched from the best.
    """
    x, r = _gradient(problem, 0)
    largest, found = _ascend(x, r, order, seed)
    scale, climbs = _scale(x), []
    for replicate in range(1, len(problem.train)):
        x, r = _gradient(problem, replicate)
        units = torch.cat([found, *([_starts(x, order, seed)] if len(x) <= ROWS else [])])
        promise, best = _pull(x, r, units, scale, order)[0].topk(min(FEW_STARTS, len(units)))
        climbs.append((float(promise[0]), replicate, units[best]))
    climbs.sort(key=lambda climb: climb[0], reverse=True)
    for _, replicate, units in climbs[:PROMISING]:
        x, r = _gradient(problem, replicate)
        largest = max(largest, _climb(x, r, units, scale, order, FEW_STEPS, 0.02))
    return largest


def _scale(x: Tensor) -> float:
    """Return the length of a row of x (n, F): the unit of a bias."""
    return float(x.norm(dim=1).mean().clamp_min(1e-12))


def _starts(x: Tensor, order: int, seed: int) -> Tensor:
    """Return units (STARTS, F + 1) that point where rows of x (n, F) lie, without a bias."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(x), (STARTS,), generator=generator)
    # Random directions of pixels hardly switch on a unit.
    u = (x[rows] - x.mean(0)).mT.contiguous()
    u += 1e-3 * torch.randn(u.shape, generator=generator, dtype=u.dtype)
    return torch.cat([u / u.norm(dim=0, p=order), torch.zeros_like(u[:1])]).mT.contiguous()


def _ascend(x: Tensor, r: Tensor, order: int, seed: int) -> tuple[float, Tensor]:
    """Return the largest pull that many starts lead to, and the units where they end.

    Of many rows some will do to find where the maximum is; how large it is all of them say.
    """
    units, scale = _starts(x, order, seed), _scale(x)
    if len(x) <= ROWS:
        return _climb(x, r, units, scale, order, STEPS, 0.05), units
    some = slice(None, None, -(-len(x) // ROWS))
    # Re-centre the subsample: otherwise the bias has an unbounded ascent direction.
    _climb(x[some].contiguous(), r[some] - r[some].mean(0), units, scale, order, STEPS, 0.05)
    best = units[_pull(x, r, units, scale, order)[0].topk(BEST).indices]
    return _climb(x, r, best, scale, order, MORE_STEPS, 0.005), best


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
