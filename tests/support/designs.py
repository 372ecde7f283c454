"""Trials as the sampler `design` places them on curves that are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution

from sweep.analysis.selection import Finished
from sweep.search.design import DesignSampler
from sweep.search.point import Point
from sweep.stats import Array, standard_error
from tests.support.studies import parse

LOW, HIGH, FOLDS = 1e-5, 1e-1, 8
SPACE = FloatDistribution(LOW, HIGH, log=True)
DESIGN = parse(search={"sampler": {"type": "design"}})
Truth = Callable[[Array], Array]


def points_of(x: Array, values: Array) -> list[Point]:
    """Make the trials at positions (n,) whose folds came to values (n, K)."""
    return [
        Point(
            number, float(10**at), {"alpha": float(10**at)}, float(of_folds.mean()),
            {
                "replicate_values": of_folds.tolist(),
                "value_se": standard_error(of_folds, len(of_folds)),
            },
        )
        for number, (at, of_folds) in enumerate(zip(x, values, strict=True))
    ]  # fmt: skip


def designed(truth: Truth, noise: float = 0.002, seed: int = 0) -> list[Point]:
    """Let the design place 13 trials on a curve; folds differ by a level and by noise."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(0, 0.05, FOLDS)
    study = optuna.create_study(sampler=DesignSampler())
    rows = []
    for _ in range(13):
        trial = study.ask({"alpha": SPACE})
        at = math.log10(trial.params["alpha"])
        rows.append(truth(np.array(at)) + levels + rng.normal(0, noise, FOLDS))
        study.tell(trial, float(rows[-1].mean()))
    x = np.log10([trial.params["alpha"] for trial in study.trials])
    return points_of(x, np.array(rows))


def valley(x: Array) -> Array:
    return np.asarray(0.5 + 0.1 * (x + 2.8) ** 2)


def two_valleys(x: Array) -> Array:
    first, second = (np.exp(-0.5 * ((x - at) / 0.3) ** 2) for at in (-4.0, -2.0))
    return np.asarray(0.6 - 0.08 * first - 0.081 * second + 0.02 * (x + 3) ** 2)


def collapse_edge(x: Array) -> Array:
    """The best strength is the last before the network collapses."""
    return np.where(x < -2.4, 0.9 - 0.1 * (x + 5), 2.3)


def finished(points: list[Point], **tree: Any) -> Finished:
    """Make the study `x` of the design that ended with these trials, without a control."""
    spec = parse(**{"search": {"sampler": {"type": "design"}}, **tree})
    return Finished(spec, "x", tuple(points), None, (LOW, HIGH), None, None, 0, (), False)
