"""What networks are scored by beside their loss: every row counts the same.

| symbol | meaning | shape |
|---|---|---|
| L | lanes | |
| m | rows that are scored | |
| T, C | targets of a row, outputs | |
| y | targets; with several of a row (…, T) | (L, m), or (m,) |
| z | outputs, the few of a row as the slow axis | (L, C, m) |

The words of a task's score are in `sweep.spec.tasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from sweep.data.problem import Problem
from sweep.training.loss import beside, columns
from sweep.training.losses import LOSSES


class Hits(NamedTuple):
    """A score that is the share of rows that are right.

    Attributes:
        rows: what of each row is right, 0 to 1: (L, m), of z and y.
    """

    rows: Callable[[Tensor, Tensor], Tensor]


class Explained(NamedTuple):
    """A score that is 1 − loss / level, of several targets the mean over those that have it.

    Attributes:
        loss: name of the loss, one of `LOSSES`.
        parts: of outputs (L, m, C) and y its losses, (L, m, T).
        level: the loss (T,), or () of a single target, of the best constant for targets (m,) or
            (m, T); NaN, and so no score, where they are all the same.
    """

    loss: str
    parts: Callable[[Tensor, Tensor], Tensor]
    level: Callable[[Tensor], Tensor]

    def is_loss_of(self, problem: Problem) -> bool:
        """Say whether a problem's own mean loss is what the level is compared with."""
        return problem.weight is None and problem.loss.name in ("auto", self.loss)


Score = Hits | Explained | None


def _class_hits(z: Tensor, y: Tensor) -> Tensor:
    # max finds what argmax finds, several times as fast along a slow axis.
    return (z.max(1).indices == y).to(z)


def _label_hits(z: Tensor, y: Tensor) -> Tensor:
    return ((z > 0) == (columns(z, y) > 0)).to(z).mean(1)


def _variance(y: Tensor) -> Tensor:
    # Rounding may leave a little of a variance that is 0.
    return torch.where((y == y[0]).all(0), torch.nan, y.var(0, correction=0))


def _parts(out: Tensor, y: Tensor, rows: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return the losses of each target by itself, (L, m, T)."""
    target = beside(out, y)
    each = [rows(out[..., t : t + 1], target[..., t]) for t in range(target.shape[-1])]
    return torch.stack(each, -1)


def _level(y: Tensor, score: Explained, constant: Callable[..., Tensor]) -> Tensor:
    """Return the loss of the best constant for the very rows that are scored."""
    best = constant(y, 1 if y.ndim == 1 else y.shape[1], None)
    found = score.parts(best.to(y).expand(1, len(y), -1), y[None])[0].mean(0)
    found = torch.where((y == y[0]).all(0), torch.nan, found)
    return found[0] if y.ndim == 1 else found


def _explained(name: str, problem: Problem) -> Explained:
    loss = LOSSES[name](problem.loss)
    parts = partial(_parts, rows=loss.rows)
    if name == "squared":
        return Explained(name, parts, _variance)
    without = Explained(name, parts, _variance)
    assert loss.constant is not None
    return without._replace(level=partial(_level, score=without, constant=loss.constant))


_SCORES: Mapping[str, Callable[[Problem], Score]] = {
    "classification": lambda problem: Hits(_class_hits),
    "binary": lambda problem: Hits(_label_hits),
    "multilabel": lambda problem: Hits(_label_hits),
    "regression": partial(_explained, "squared"),
    "count": partial(_explained, "poisson"),
    "quantile": partial(_explained, "pinball"),
    "own": lambda problem: None,
}


def score_of(problem: Problem) -> Score:
    """Return what a problem's networks are scored by; None where that is not known."""
    return _SCORES[problem.task](problem)


def levels(problem: Problem) -> Tensor | None:
    """Return what each replicate's score compares its validation loss with, if anything.

    Returns:
        (R,), or (R, T) of several targets; NaN where there is no score: all validation rows have
        the same target.
    """
    score = score_of(problem)
    if not isinstance(score, Explained):
        return None
    pairs = zip(problem.val, problem.val_size, strict=True)
    return torch.stack([score.level(problem.y_clean[rows[:m]]) for rows, m in pairs])
