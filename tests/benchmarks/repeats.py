"""How often a claim from folds of several partitions is false: with and without the correction.

    python -m tests.benchmarks.repeats         # one minute; writes repeats.json

Fold means whose mean is 0, of J partitions of the same rows into K folds, so that every claim is
false; 5 % is the level of the two-sided test.

* rows: a fold's mean is that of six values that its rows have in every partition, and of a value
  that it has by itself (training, first weights); `share` is the rows' part of the variance.
* ridge: 48 rows of 6 features are drawn anew; a fold's value is the paired difference of its
  losses with and without a penalty, less the mean of that over 1,000 studies.

| rule | takes for the squared standard error, with how many degrees of freedom |
|---|---|
| naive | s² / (KJ), KJ − 1: as if partitions shared nothing |
| corrected | that of `sweep.stats.errors`: what `sweep` says |
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np

from sweep.stats import Array, degrees, errors, t_quantile
from tests.benchmarks.machine import HERE, machine

OUTPUT = HERE / "repeats.json"
FOLDS, REPEATS = (3, 4, 8), (1, 2, 3, 10)
N_STUDIES, N_RIDGE = 10_000, 1_000
KINDS: dict[str, tuple[str, float]] = {
    "rows alone": ("normal", 1.0),
    "rows and folds": ("normal", 0.5),
    "folds alone": ("normal", 0.0),
    "rows alone, exponential": ("exponential", 1.0),
}
RIDGE = "ridge"


def of_rows(rng: np.random.Generator, kind: str, n_folds: int, n_repeats: int) -> Array:
    """Draw the fold means of studies, (N_STUDIES, J·K)."""
    law, share = KINDS[kind]
    shape = N_STUDIES, 6 * n_folds
    rows = rng.standard_normal(shape) if law == "normal" else rng.exponential(size=shape) - 1
    divided = [
        rng.permuted(rows, axis=1).reshape(N_STUDIES, n_folds, 6).mean(2) for _ in range(n_repeats)
    ]
    means = np.concatenate(divided, axis=1) * (6 * share) ** 0.5
    return np.asarray(means + (1 - share) ** 0.5 * rng.standard_normal(means.shape))


def of_ridge(rng: np.random.Generator, n_folds: int, n_repeats: int) -> Array:
    """Draw data and fit them with and without a penalty, (N_RIDGE, J·K)."""
    gains = np.array([_gains(rng, n_folds, n_repeats) for _ in range(N_RIDGE)])
    return np.asarray(gains - gains.mean())


def _gains(rng: np.random.Generator, n_folds: int, n_repeats: int) -> list[float]:
    X = rng.standard_normal((48, 6))
    y = X @ rng.standard_normal(6) * 0.2 + rng.standard_normal(48)
    found = []
    for _ in range(n_repeats):
        order = rng.permutation(48)
        for fold in np.array_split(order, n_folds):
            others = np.setdiff1d(order, fold)
            gram, toward = X[others].T @ X[others], X[others].T @ y[others]
            none, some = (np.linalg.solve(gram + a * np.eye(6), toward) for a in (0.0, 20.0))
            losses = [((X[fold] @ w - y[fold]) ** 2).mean() for w in (none, some)]
            found.append(float(losses[0] - losses[1]))
    return found


def false_claims(means: Array, n_folds: int, n_repeats: int) -> dict[str, float]:
    """Return how often each rule claims that the mean is not 0."""
    n = n_folds * n_repeats
    naive = t_quantile(0.975, n - 1) * means.std(1, ddof=1) / n**0.5
    corrected = t_quantile(0.975, degrees(n_folds, n_repeats)) * errors(means, n_repeats)
    sizes = np.abs(means.mean(1))
    return {
        "naive": float(np.mean(sizes > naive)),
        "corrected": float(np.mean(sizes > corrected)),
    }


def simulate() -> list[dict[str, Any]]:
    """Return a row a cell."""
    rows = []
    for kind, n_folds, n_repeats in itertools.product([*KINDS, RIDGE], FOLDS, REPEATS):
        rng, sizes = np.random.default_rng([n_folds, n_repeats, len(kind)]), (n_folds, n_repeats)
        means = of_ridge(rng, *sizes) if kind == RIDGE else of_rows(rng, kind, *sizes)
        told = false_claims(means, *sizes)
        rows.append({"kind": kind, "folds": n_folds, "repeats": n_repeats, **told})
    return rows


def table(result: dict[str, Any]) -> str:
    """Render the false claims: naive / corrected."""
    head = ["noise", "folds", *(f"{n} partition{'s' * (n > 1)}" for n in REPEATS)]
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    found = {(r["kind"], r["folds"], r["repeats"]): r for r in result["cells"]}
    for kind, n_folds in itertools.product([*KINDS, RIDGE], FOLDS):
        cells = [found[kind, n_folds, n] for n in REPEATS]
        told = [f"{100 * c['naive']:.1f}% / {100 * c['corrected']:.1f}%" for c in cells]
        lines.append(f"| {kind} | {n_folds} | {' | '.join(told)} |")
    return "\n".join(lines)


def main() -> None:
    """Simulate, write and print."""
    result = {"machine": machine(), "cells": simulate()}
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    main()
