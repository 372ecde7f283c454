"""How often `sweep fit` says "lower" or "higher" where there is nothing, and how often it misses.

A part of `python -m tests.benchmarks.claims`. Two sorts of refits, S = 8 seeds on T test rows:

* made up: the loss with the penalty minus that without, of seed s on test row i, is
  effect + row_i + seed_s + cell_si, with the standard deviations of `NOISES`; `row` is normal, or
  skewed as an exponential, or more so, as a log-normal (a few rows carry it).
* ridge regression against none: linear, full batch, so that all seeds are equal. The strength is
  that at which both are equally good over all draws of training rows; "these rows" counts what is
  said of the true difference for the rows trained on, "all draws" what is said of 0.

| rule | there is a difference, two-sided 95 %, if |
|---|---|
| seeds | the t of the S seeds' differences is beyond t(S − 1) |
| less one | mean / error beyond t(min(S, T) − 1), the error without the cells' second count |
| rows and seeds | mean / error beyond t(min(S, T) − 1), the error as in `crossed_error`; T ≥ 30 |

The last is what `sweep` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from sweep.stats import crossed_error, crossed_shows

RULES = ("seeds", "less one", "rows and seeds")
N_FITS, N_SEEDS = 4000, 8
ROWS = (30, 60, 200)
EFFECTS = (0.0, 0.5, 1.0, 2.0)
# Standard deviations of row, seed and cell.
NOISES = {
    "rows": (1.0, 0.0, 0.0),
    "rows, cells": (1.0, 0.0, 1.0),
    "all three": (1.0, 0.2, 1.0),
    "cells": (0.0, 0.0, 1.0),
    "seeds, cells": (0.0, 0.2, 0.3),
}
N_TRAINED, N_FEATURES, NOISE = 60, 10, 1.0  # of a ridge regression

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Cells = list[dict[str, Any]]
Draw = Callable[[np.random.Generator, tuple[int, int]], Array]
SHAPES: Mapping[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1,
    "log-normal": lambda rng, shape: (
        (np.exp(rng.standard_normal(shape)) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
    ),
}


def shares(differences: Array) -> dict[str, float]:
    """Return how often each rule shows a difference in differences (n, S, T)."""
    n_seeds, n_rows = differences.shape[1:]
    means = differences.mean((1, 2))
    of_seeds = differences.mean(2).std(1, ddof=1) / np.sqrt(n_seeds)
    errors = np.array([crossed_error(each) for each in differences])
    said = [crossed_shows(*at, n_seeds, n_rows) for at in zip(means, errors, strict=True)]
    reach = stdtrit(min(n_seeds, n_rows) - 1, 0.975)
    found = (
        np.abs(means) > stdtrit(n_seeds - 1, 0.975) * of_seeds,
        np.abs(means) > reach * _less_one(differences),
        np.array(said),
    )
    return {rule: float(claimed.mean()) for rule, claimed in zip(RULES, found, strict=True)}


def _less_one(differences: Array) -> Array:
    """Return the errors of (n, S, T) without the cells' second count, (n,)."""
    n_seeds, n_rows = differences.shape[1:]
    of_rows, of_seeds = differences.mean(1), differences.mean(2)
    rest = differences - of_rows[:, None] - of_seeds[..., None]
    cells = ((rest + differences.mean((1, 2))[:, None, None]) ** 2).sum((1, 2))
    cells /= (n_seeds - 1) * (n_rows - 1) * n_seeds * n_rows
    parts = of_rows.var(1, ddof=1) / n_rows, of_seeds.var(1, ddof=1) / n_seeds
    return np.asarray(np.sqrt(np.maximum(parts[0] + parts[1] - cells, np.maximum(*parts))))


def made_up(
    rng: np.random.Generator, draw: Draw, noise: tuple[float, float, float], n_rows: int
) -> Array:
    """Draw differences (n, S, T) of fits under the null."""
    row, seed, cell = noise
    of_rows = row * draw(rng, (N_FITS, n_rows))[:, None]
    of_seeds = seed * rng.standard_normal((N_FITS, N_SEEDS, 1))
    return np.asarray(of_rows + of_seeds + cell * rng.standard_normal((N_FITS, N_SEEDS, n_rows)))


def made_up_cells(rng: np.random.Generator) -> Cells:
    """Return the level of each rule on every sort of noise, and its power on normal rows.

    An effect is in units of √(row² / T + seed² / S + cell² / (S·T)) · t(7, 0.975): the least
    that a test which knew the noise's size but used t(7) would show half of the time.
    """
    cells: Cells = []
    for shape, draw in SHAPES.items():
        for name, noise in NOISES.items():
            if shape != "normal" and not noise[0]:
                continue  # there is nothing to be skewed
            for n_rows in ROWS:
                differences = made_up(rng, draw, noise, n_rows)
                unit = _unit(noise, n_rows)
                for effect in EFFECTS if shape == "normal" else EFFECTS[:1]:
                    cells.append(
                        {"effect": effect, "rows' noise": shape, "noise": name, "rows": n_rows}
                        | shares(differences + effect * unit)
                    )
    return sorted(cells, key=lambda cell: cell["effect"])


def _unit(noise: tuple[float, float, float], n_rows: int) -> float:
    row, seed, cell = (part**2 for part in noise)
    variance = row / n_rows + seed / N_SEEDS + cell / (N_SEEDS * n_rows)
    return float(stdtrit(N_SEEDS - 1, 0.975) * np.sqrt(variance))


# --- ridge regression


def ridge_cells(rng: np.random.Generator) -> Cells:
    """Return how often each rule shows a difference where ridge and none are equally good."""
    signal = rng.standard_normal((N_FITS, N_FEATURES)) / np.sqrt(N_FEATURES)
    X = rng.standard_normal((N_FITS, N_TRAINED, N_FEATURES))
    y = np.einsum("nij,nj->ni", X, signal) + NOISE * rng.standard_normal((N_FITS, N_TRAINED))
    values, vectors = np.linalg.eigh(np.swapaxes(X, 1, 2) @ X)
    along = np.einsum("nji,nj->ni", vectors, np.einsum("nij,ni->nj", X, y))

    def off(strength: float) -> Array:
        """Return how far the fitted weights are from the true ones, (n, F)."""
        return np.asarray(np.einsum("nij,nj->ni", vectors, along / (values + strength)) - signal)

    def risk(strength: float) -> Array:
        """Return the true loss over that of the noise, (n,)."""
        return np.asarray((off(strength) ** 2).sum(1))

    low, high = 5.0, 500.0  # ridge wins at the one, loses at the other
    for _ in range(40):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if risk(middle).mean() < risk(0).mean() else (low, middle)
    truth = risk(low) - risk(0)
    cells: Cells = []
    for n_rows in ROWS:
        tested = rng.standard_normal((N_FITS, n_rows, N_FEATURES))
        errors = NOISE * rng.standard_normal((N_FITS, n_rows))
        chosen, none = (
            (errors - np.einsum("nij,nj->ni", tested, off(strength))) ** 2 for strength in (low, 0)
        )
        rows = np.repeat((chosen - none)[:, None], N_SEEDS, 1)
        about = {"these rows": truth, "all draws": np.zeros(N_FITS)}
        cells += [
            {"truth of": name, "rows": n_rows, "sd of the truth": float(truth.std())}
            | shares(rows - said[:, None, None])
            for name, said in about.items()
        ]
    return cells


def cells() -> dict[str, Cells]:
    """Return both simulations, as plain data."""
    rng = np.random.default_rng(0)
    return {"fits": made_up_cells(rng), "ridge": ridge_cells(rng)}


def pivoted(cells: Cells) -> tuple[Sequence[str], list[list[object]]]:
    """Return head and lines of a table: a column for each number of test rows, all rules in it."""
    rows = dict.fromkeys(cell["rows"] for cell in cells)
    told = [name for name in cells[0] if name not in ("rows", *RULES)]
    lines: dict[tuple[object, ...], list[object]] = {}
    for cell in cells:
        key = tuple(f"{cell[name]:.3f}" if name.startswith("sd") else cell[name] for name in told)
        lines.setdefault(key, [*key]).append(" / ".join(f"{cell[rule]:.1%}" for rule in RULES))
    return [*told, *(f"{n} test rows" for n in rows)], list(lines.values())
