"""Studies made by hand whose best strength goes its way in the course of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sweep.analysis.selection import Finished
from sweep.search.by_epoch import stored
from sweep.search.point import Point
from sweep.stats import Array, standard_error
from tests.support import designs

X = np.linspace(-5, -1, 13)  # log10 of the strengths
EPOCHS = 60
Best = Callable[[Array], Array]  # log10 of the best strength at shares of training


def losses_of(
    best: Best, rise: float = 0.0, n_folds: int = 8, seed: int = 0, x: Array = X
) -> Array:
    """Return losses (strengths, epochs, folds): parabolas around the best, lower half way.

    Args:
        best: log10 of the best strength by share of training.
        rise: how much lower the loss is half way than at the end.
        n_folds: each has a level and a best strength of its own.
        seed: of the folds.
        x: log10 of the strengths.
    """
    random, at = np.random.default_rng(seed), np.arange(1, EPOCHS + 1) / EPOCHS
    own = best(at)[:, None] + random.normal(0, 0.1, n_folds)
    level = 1 + random.normal(0, 0.05, n_folds) + rise * np.abs(2 * at[:, None] - 1)
    steps = random.normal(0, 1e-3, (len(x), EPOCHS, n_folds))
    return np.asarray(0.1 * (x[:, None, None] - own) ** 2 + level + steps)


def points_of(losses: Array, n_repeats: int = 1, x: Array = X) -> list[Point]:
    """Make the trials that have these losses, (strengths, epochs, folds)."""
    n_folds = losses.shape[2] // n_repeats
    return [
        Point(
            number, float(10**at), {"alpha": float(10**at)}, float(of[-1].mean()),
            {
                "replicate_values": of[-1].tolist(),
                "value_se": standard_error(of[-1], n_folds, n_repeats),
                "replicate_curves": stored(of, n_folds, n_repeats),
            },
        )
        for number, (at, of) in enumerate(zip(x, losses, strict=True))
    ]  # fmt: skip


def study(losses: Array, fresh: Array | None = None, **tree: Any) -> Finished:
    """Make a study whose trials have these losses, on its own folds and on fresh ones."""
    keys = {"replicates": {"n_folds": losses.shape[2]}, "training": {"epochs": EPOCHS}, **tree}
    again = () if fresh is None else tuple(points_of(fresh))
    return replace(designs.finished(points_of(losses), search={}, **keys), confirmed=again)
