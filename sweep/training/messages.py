"""What a cohort is told of a trial and what it tells: plain data, that may cross processes."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

N_BINS = 81  # of a histogram of weights; odd, so that exact zeros lie in the middle of one
LARGEST = 4.0  # the outer bins hold whatever is larger
# Edges of the bins, (N_BINS + 1,): even steps of ±√|w|, so that they are narrow around zero.
WEIGHT_EDGES = tuple(
    math.copysign(root**2, root)
    for root in (math.sqrt(LARGEST) * (2 * i / N_BINS - 1) for i in range(N_BINS + 1))
)


@dataclass(frozen=True)
class Measures:
    """What lanes have come to, one entry a lane."""

    val_loss: Array
    val_score: Array  # the task's: accuracy, R²; NaN where it is not defined
    metric: Array  # the objective's metric; NaN where it is not defined
    train_loss: Array  # on the labels that training reads
    train_loss_clean: Array  # on the true labels
    norm: Array
    layer_norms: Array  # (L, T): ‖W‖₂² of each penalised tensor, in the order of the layout
    sparsity: Array
    kept: Array  # ‖W‖₂ as a share of what it began with
    inputs_used: Array  # by a unit of the first penalised layer
    weight_counts: Array  # (L, N_BINS): weights between WEIGHT_EDGES

    def part(self, lanes: slice) -> Measures:
        """Return those of some lanes."""
        return Measures(*(getattr(self, field.name)[lanes] for field in fields(self)))

    @staticmethod
    def joined(parts: Sequence[Measures]) -> Measures:
        """Put those of several groups of lanes one behind the other."""
        names = (field.name for field in fields(Measures))
        return Measures(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


@dataclass(frozen=True)
class Report:
    """What one epoch brought a trial; its last one says how it ended."""

    trial: Hashable
    epoch: int
    loss: float | None  # mean validation loss over the replicates, where all are finite
    diverged: str | None = None  # why the trial was given up
    result: Measures | None = None  # at the end of training: (R,) each
    failed: str | None = None  # why it cannot be trained, which says nothing of its setting
    losses: Array | None = (
        None  # at the end of training: validation by epoch and replicate, (E, R)
    )

    @property
    def ended(self) -> bool:
        """Whether the trial has left its lanes."""
        return any(end is not None for end in (self.diverged, self.result, self.failed))
