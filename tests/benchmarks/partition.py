"""Where the regret of a design comes from: the partition of the rows, or the search.

    python -m tests.benchmarks.partition       # a minute; writes partition.json

Nothing is trained. tests/benchmarks/regret.json holds the losses of 200 strengths for five seeds
of each data set. Each seed in turn is the study, the mean of the other four the truth (both are
smoothed over 3 of 200 points, which averages what is left of their noise). Regret is told in
standard errors of TPE's studies, as there.

Where a design's strengths lie depends on the ends of the range, and its regret with it: for L1 it
is .02 to .6 on the same folds. So each study is searched in several ranges, whose ends are up to
half a step of the design off those of a real study.

| column | regret of |
|---|---|
| partition | the strength that is best on the study's own folds, known from 200 strengths |
| even | the minimum of the smooth curve through 48 even strengths |
| design | what a study of 13 trials of the sampler `design` would choose |
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from scipy.ndimage import gaussian_filter1d

from sweep.search.choice import best_of
from sweep.search.curve import Curve, Squash
from sweep.search.design import DesignSampler
from sweep.search.model import Model
from sweep.search.point import Point
from sweep.stats import Array
from tests.benchmarks.machine import HERE, machine
from tests.benchmarks.regret import OUTPUT as TRUTHS
from tests.benchmarks.regret import PLAIN, POINTS, TASKS, Task, of, rendered

OUTPUT = HERE / "partition.json"
COLUMNS = ("partition", "even", "design")
WAVES = (8, 4, 1)  # of the design
RANGES, OFF = 8, 0.3  # of a study; by so many decades their ends are off at most


def smoothed(losses: Array) -> Array:
    return np.asarray(gaussian_filter1d(losses, 3))


def least(at: Array, losses: Array) -> float:
    """Return where the smooth curve through losses (n,) at strengths (n,) is least."""
    curve = Curve.through(at, Squash.over(at, losses)(losses))
    fine = np.linspace(at.min(), at.max(), 1001)
    return float(fine[curve.mean(fine).argmin()])


def designed(grid: Array, losses: Array) -> float:
    """Run the design on a curve; return the strength that it would choose, in decades."""
    study = optuna.create_study(sampler=DesignSampler())
    span = FloatDistribution(float(10 ** grid[0]), float(10 ** grid[-1]), log=True)
    points: list[Point] = []
    for n in WAVES:
        for trial in [study.ask({"alpha": span}) for _ in range(n)]:
            at = trial.params["alpha"]
            value = float(np.interp(np.log10(at), grid, losses))
            study.tell(trial, value)
            points.append(Point(trial.number, at, trial.params, value, {}))
    model = Model.of(points, [], (1, 1))
    return float(np.log10(best_of(points, model if model and not model.doubt else None).at))


def measure(task: Task, found: dict[str, Any]) -> dict[str, Any]:
    """Return the regrets of a data set, a number a seed: the mean over its ranges."""
    se = float(np.median([row["se"] for row in of(found["studies"], task.name, PLAIN)]))
    ends = np.log10(of(found["studies"], task.name, PLAIN)[0]["range"])
    grid = np.linspace(np.log10(task.low), np.log10(task.high), POINTS)
    all_losses = np.array([r["losses"] for r in found["truths"] if r["task"] == task.name])
    regrets: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for seed, losses in enumerate(all_losses):
        truth = smoothed(np.delete(all_losses, seed, 0).mean(0))
        offs = np.random.default_rng(seed).uniform(-OFF, OFF, (RANGES, 2))
        chosen = [picks(grid, losses, *sorted(ends + off)) for off in offs]
        for name in COLUMNS:
            at = np.array([found[name] for found in chosen])
            off = np.interp(at, grid, truth) - truth.min()
            regrets[name].append(float(off.mean()) / se)
    return {"task": task.name, **{k: [round(x, 4) for x in v] for k, v in regrets.items()}}


def picks(grid: Array, losses: Array, low: float, high: float) -> dict[str, float]:
    """Return what each column chooses between two ends, in decades."""
    inside = (grid >= low) & (grid <= high)
    even = np.linspace(max(low, grid[0]), min(high, grid[-1]), 48)
    return {
        "partition": float(grid[inside][smoothed(losses)[inside].argmin()]),
        "even": least(even, np.interp(even, grid, losses)),
        "design": designed(grid[inside], losses[inside]),
    }


def table(result: dict[str, Any]) -> str:
    """Render mean regrets by data set, and over all."""
    head = (
        "mean regret in SE", "best on its own folds, of 200", "smooth curve through 48 even",
        "design, 13 trials",
    )  # fmt: skip
    rows = result["rows"]
    every = {"task": "all"} | {name: np.concatenate([r[name] for r in rows]) for name in COLUMNS}
    lines = [
        [row["task"], *(f"{np.mean(row[name]):.2f}" for name in COLUMNS)] for row in [*rows, every]
    ]
    return rendered(head, lines)


def main() -> None:
    """Work it out, write and print."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found = json.loads(TRUTHS.read_text())
    result = {"machine": machine(), "rows": [measure(task, found) for task in TASKS]}
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    main()
