"""Validation losses of each fold by epoch: how a trial keeps them, and how they are read.

The attribute `replicate_curves` is `{"epochs": 60, "every": 1, "unit": 0.5, "folds": [text, …]}`.
A text is the base64 of little-endian float16 numbers: the losses of one fold (its seeds averaged)
in units of `unit`, after epochs every, 2·every, … and after the last one, `epochs`.

Symbols: E epochs, of them M kept; D folds of all repeats; R replicates.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.spec.attributes import REPLICATE_CURVES
from sweep.stats import Array, fold_means

MOST, FEWEST = 64, 16  # epochs kept; fewer than MOST where there are many folds
SIZE = 2048  # numbers kept, above FEWEST epochs
LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, eq=False)
class FoldCurves:
    """The validation losses of one trial.

    Attributes:
        epochs: after which they were measured, (M,), the last of training among them.
        losses: (M, D).
    """

    epochs: tuple[int, ...]
    losses: Array

    @classmethod
    def read(cls, attrs: Mapping[str, Any]) -> FoldCurves | None:
        """Read those of a trial; None where it has none, or another program has changed them."""
        try:
            kept = attrs[REPLICATE_CURVES]
            last, every = kept["epochs"], kept["every"]
            texts = [base64.b64decode(text, validate=True) for text in kept["folds"]]
            losses = np.array([np.frombuffer(text, "<f2") for text in texts], np.float64).T
            losses = losses * float(kept["unit"])
            if losses.ndim != 2 or -(-last // every) != len(losses) or not losses.size:
                return None
            return cls(_kept(last, every), losses) if np.isfinite(losses).all() else None
        except (KeyError, TypeError, ValueError, ArithmeticError, binascii.Error):
            return None

    def like(self, other: FoldCurves) -> bool:
        """Tell whether both were measured after the same epochs, on as many folds."""
        return self.epochs == other.epochs and self.losses.shape == other.losses.shape


def stored(losses: Array, n_folds: int, n_repeats: int = 1) -> dict[str, Any]:
    """Return what a trial keeps of its finite losses after each epoch, (E, R).

    Of E epochs every one is kept up to 64 of them, else every second, third, …, and the last; with
    more than 32 folds fewer, so that 2,048 numbers are kept, but not fewer than 16 epochs. The
    unit is a power of two near the typical loss: numbers are right to 5e-4, and those above
    65,504 units are kept as that.
    """
    of_folds = np.array([fold_means(row, n_folds, n_repeats) for row in losses])
    n_epochs, n_curves = of_folds.shape
    every = -(-n_epochs // min(MOST, max(FEWEST, SIZE // n_curves)))
    kept = of_folds[np.array(_kept(n_epochs, every)) - 1]
    typical = float(np.median(np.abs(kept)))
    unit = 2.0 ** math.floor(math.log2(typical)) if typical > 0 else 1.0
    numbers = np.clip(kept / unit, -LARGEST, LARGEST).astype("<f2")
    texts = [base64.b64encode(numbers[:, i].tobytes()).decode() for i in range(n_curves)]
    return {"epochs": n_epochs, "every": every, "unit": unit, "folds": texts}


def _kept(n_epochs: int, every: int) -> tuple[int, ...]:
    epochs = range(every, n_epochs + 1, every)
    return (*epochs, *([] if n_epochs % every == 0 else [n_epochs]))
