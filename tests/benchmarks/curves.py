"""How often the interval of a design holds the best strength, and what it claims under the null.

    python -m tests.benchmarks.curves          # three minutes; writes curves.json

Studies of 13 trials of the sampler `design`, simulated on true curves that are known: those of
the data sets of tests/benchmarks/regret.py (its regret.json, smoothed over 3 of 200 points),
and a flat one. A study has 6 K groups of rows. A fold is the mean of 6 of them, drawn anew in
each partition; each group has a level and a tilt of its own (smooth over a decade), and each
training adds noise (smooth over a quarter of a decade, of all that is weak). Their sizes are
those of tests/runner/test_simulation.py, in units of a study's standard error.

Fresh folds are those of fresh groups. What is simulated goes through
`sweep.analysis.selection.Finished`, as a stored study does.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from scipy.ndimage import gaussian_filter1d

from sweep.analysis.selection import Finished
from sweep.search.design import DesignSampler
from sweep.search.point import Point
from sweep.spec.files import parse_spec
from sweep.stats import Array, standard_error
from tests.benchmarks.machine import HERE, machine
from tests.benchmarks.regret import OUTPUT as TRUTHS
from tests.benchmarks.regret import PLAIN, TASKS, Truth

OUTPUT = HERE / "curves.json"
FLAT = "flat"
SIZES = ((4, 1), (5, 1), (8, 1), (8, 2), (8, 3))  # folds, partitions
NULL_SIZES = ((5, 1), (8, 2))  # of the flat curve
GROUPS = 6  # of rows in a fold
LEVEL, TILT, TRAINING = 2.5, 3.0, 3.0  # of one fold, in standard errors of a study of 8 folds


def truth_of(name: str) -> tuple[Array, Array]:
    """Return log10 of the strengths (G,), and the true losses there in standard errors."""
    if name == FLAT:
        return np.linspace(-5.0, -1.0, 200), np.zeros(200)
    found = json.loads(TRUTHS.read_text())
    truth = Truth.of(found, next(task for task in TASKS if task.name == name))
    rows = [r for r in found["studies"] if r["task"] == name and r["program"] == PLAIN]
    losses = gaussian_filter1d(truth.losses, 3) / np.median([row["se"] for row in rows])
    return truth.log_alphas / np.log(10), losses


class Simulation:
    """Studies on one true curve."""

    def __init__(self, name: str):
        self.grid, self.truth = truth_of(name)
        self._tilts, self._noise = (self._smooth(length) for length in (1.0, 0.25))
        weak = np.linspace(1.0, 0.0, len(self.grid))
        self._sizes = TRAINING * 10 ** (-1.4 * (1 - weak))
        self.best = int(self.truth.argmin())

    def losses(self, rng: np.random.Generator, n_folds: int, n_repeats: int) -> Array:
        """Draw the losses of all replicates at all strengths: (n_repeats · n_folds, G)."""
        n = GROUPS * n_folds
        groups = LEVEL * rng.standard_normal((n, 1)) + TILT * self._curves(rng, self._tilts, n)
        order = [rng.permutation(n).reshape(n_folds, GROUPS) for _ in range(n_repeats)]
        folds = groups[np.concatenate(order)].mean(1) * GROUPS**0.5
        noise = self._sizes * self._curves(rng, self._noise, len(folds))
        return np.asarray(self.truth + folds + noise)

    def study(self, rng: np.random.Generator, folds: tuple[int, int]) -> Finished:
        """Run the design on losses, and its choices once more on others."""
        losses = self.losses(rng, *folds)
        trials = [self._point(i, at, losses, folds) for i, at in enumerate(self._placed(losses))]
        spec = parse_spec(
            {
                "study_name": "x", "search": {"sampler": {"type": "design"}},
                "replicates": {"n_folds": folds[0], "n_repeats": folds[1]},
            },
            "x", HERE,
        )  # fmt: skip
        none = replace(self._point(None, 0, losses, folds), params={"alpha": 0.0}, at=0.0)
        ends = float(10 ** self.grid[0]), float(10 ** self.grid[-1])
        found = Finished(spec, "x", tuple(trials), none, ends, None, None, 0, (), has_control=True)
        best, again = found.choose("best"), self.losses(rng, *folds)
        fresh = replace(self._point(None, 0, again, folds), params={"alpha": 0.0}, at=0.0)
        return replace(
            found, confirmed=(self._point(None, self.place(best.at), again, folds), fresh)
        )

    def place(self, strength: float) -> int:
        """Return where on the grid a strength lies."""
        return int(np.abs(self.grid - np.log10(strength)).argmin())

    def _placed(self, losses: Array) -> list[int]:
        study = optuna.create_study(sampler=DesignSampler())
        ends = FloatDistribution(10 ** self.grid[0], 10 ** self.grid[-1], log=True)
        places: list[int] = []
        for n in (8, 4, 1):  # its waves
            asked = [study.ask({"alpha": ends}) for _ in range(n)]
            at = [self.place(trial.params["alpha"]) for trial in asked]
            for trial, place in zip(asked, at, strict=True):
                study.tell(trial, float(losses[:, place].mean()))
            places += at
        return places

    def _point(
        self, number: int | None, place: int, losses: Array, folds: tuple[int, int]
    ) -> Point:
        values, at = losses[:, place], float(10 ** self.grid[place])
        se = standard_error(values, *folds)
        attrs = {"replicate_values": values.tolist(), "value_se": se}
        return Point(number, at, {"alpha": at}, float(values.mean()), attrs)

    def _smooth(self, length: float) -> Array:
        distance = (self.grid[:, None] - self.grid) / length
        values, vectors = np.linalg.eigh(np.exp(-0.5 * distance**2))
        kept = values > 1e-9
        return np.asarray(vectors[:, kept] * np.sqrt(values[kept])).T

    def _curves(self, rng: np.random.Generator, factor: Array, n: int) -> Array:
        return rng.standard_normal((n, len(factor))) @ factor


def cell(name: str, folds: tuple[int, int], n_studies: int) -> dict[str, Any]:
    """Simulate studies of one size on one curve, and count what they say."""
    simulation, rows = Simulation(name), []
    for seed in range(n_studies):
        study = simulation.study(np.random.default_rng([seed, *folds]), folds)
        best = study.choose("best")
        low, high = study.interval(best)
        gain = study.gain(best)
        assert gain and gain.fresh
        cost = simulation.truth[simulation.place(best.at)] - simulation.truth.min()
        holds = low <= 10 ** simulation.grid[simulation.best] <= high
        fits = study.deciding is not None
        rows.append((fits, holds, np.log10(high / low), cost, gain.told == "better"))
    fits, holds, widths, costs, claims = np.array(rows, dtype=np.float64).T
    return {
        "curve": name, "folds": folds[0], "repeats": folds[1], "studies": n_studies,
        "fits": fits.mean(), "holds": holds.mean(), "decades": round(float(np.median(widths)), 3),
        "cost": round(float(costs.mean()), 3), "claims": claims.mean(),
    }  # fmt: skip


def table(result: dict[str, Any]) -> str:
    """Render how often intervals hold the best strength, and what is claimed where all are alike.

    A cell: how often, the median width in decades, the mean cost of the choice in standard
    errors, and how often the model decides.
    """
    head = ("curve", "n", *(f"{k} folds" + (f" × {r}" if r > 1 else "") for k, r in SIZES))
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    found = {(c["curve"], c["folds"], c["repeats"]): c for c in result["cells"]}
    for name in dict.fromkeys(c["curve"] for c in result["cells"]):
        cells = [found.get((name, *folds)) for folds in SIZES]
        told = [_told(cell) if cell else "" for cell in cells]
        n = next(cell["studies"] for cell in cells if cell)
        lines.append(f"| {name} | {n} | {' | '.join(told)} |")
    return "\n".join(lines)


def _told(cell: dict[str, Any]) -> str:
    if cell["curve"] == FLAT:
        return f"{cell['claims']:.1%} false claims"
    return f"{cell['holds']:.0%}; {cell['decades']:.2f}; {cell['cost']:.2f}; {cell['fits']:.0%}"


def main() -> None:
    """Simulate, write and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=40, help="of a cell with a valley")
    parser.add_argument("--nulls", type=int, default=400, help="of a cell without one")
    names = (*(task.name for task in TASKS), FLAT)
    parser.add_argument("--only", choices=names, help="others stay as the file has them")
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kept = json.loads(OUTPUT.read_text())["cells"] if args.only else []
    found = [cell for cell in kept if cell["curve"] != args.only]
    for name in [args.only] if args.only else names:
        for folds in NULL_SIZES if name == FLAT else SIZES:
            found.append(cell(name, folds, args.nulls if name == FLAT else args.studies))
            print(found[-1], flush=True)
    OUTPUT.write_text(json.dumps({"machine": machine(), "cells": found}, indent=1) + "\n")
    print(table({"cells": found}))


if __name__ == "__main__":
    main()
