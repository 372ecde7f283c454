"""Linear models trained to their optimum by our own lanes, to compare with solvers."""

from __future__ import annotations

from typing import Any

import numpy as np

from sweep.data.problem import Problem
from sweep.training.lanes import Lanes
from sweep.training.modules import MLP
from sweep.training.optimizers import Adam
from sweep.training.recipe import Recipe
from tests.support.settings import setting_of

Array = np.ndarray[Any, np.dtype[np.float64]]


def ended(
    problem: Problem, alpha: float, ratio: float = 0.0, *, epochs: int = 1500, lr: float = 0.1
) -> tuple[Array, Array]:
    """Train a linear model full batch; return its weight (C, F) and bias (C,)."""
    recipe = Recipe(Adam(l1=True), epochs, schedule="cosine")
    factory = lambda: MLP(problem.X.shape[1], [], problem.n_outputs, "relu")  # noqa: E731
    lanes = Lanes(problem, factory, recipe, slots=1, places=1)
    lanes.reset(range(1), range(1), [setting_of(alpha, lr, ratio)])
    for _ in range(epochs):
        lanes.train_epoch()
    tensors = lanes.tensors(0)
    return tensors["layers.0.weight"].numpy(), tensors["layers.0.bias"].numpy()
