"""How often a claim about the chosen strength is false, and how often it is missed.

    python -m tests.benchmarks.claims          # two minutes; writes claims.json, prints the tables

What `sweep fit` says is simulated in `tests.benchmarks.fit_claims`; what a study says, here.

Made-up studies: 24 strengths, K folds, the gain of strength a over no penalty in fold k being

    d_ka = effect · bump(a) + smooth_k(a) + noise_ka

`smooth` is what strengths share in a fold (common random numbers; a Gaussian process over log α,
length one decade, no difference at the weakest end), `noise` what no two trainings share. Under
the null the effect is 0. In units of a difference's standard deviation in one fold.

| rule | the chosen strength beats no penalty, two-sided 95 %, if |
|---|---|
| paired t | the t of its K differences on the folds that chose it is beyond t(K − 1) |
| Bonferroni | the same at 0.025 / 24 |
| max-t | that t is among the largest 2.5 % of the largest t under flips of the folds' signs |
| confirmed | the t of K differences on fresh folds, which chose nothing, is beyond t(K − 1) |

The last is what `sweep` says. A second table: how often the interval of `Finished.interval` holds
the true optimum of a parabola in log α.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from tests.benchmarks import fit_claims
from tests.benchmarks.machine import machine

OUTPUT = Path(__file__).parent / "claims.json"
RULES = ("paired t", "Bonferroni", "max-t", "confirmed")
N_STUDIES, N_FLIPPED = 4000, 1000  # studies of a cell; those of them that max-t is run on
N_STRENGTHS = 24
GRID = np.linspace(-6.0, 0.0, N_STRENGTHS)  # log10 of the strength
BUMP = np.exp(-0.5 * ((GRID + 2) / 0.7) ** 2)
KINDS = {"noise alone": (0.0, 1.0), "mostly shared": (1.0, 0.3), "shared alone": (1.0, 0.02)}
FOLDS = (3, 5, 8, 20)
EFFECTS = (0.0, 0.5, 1.0, 2.0)

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def gains(
    rng: np.random.Generator, n: int, n_folds: int, kind: tuple[float, float], effect: float
) -> Array:
    """Draw the gains over no penalty of n studies: (n, K, A)."""
    shared, own = kind
    kernel = np.exp(-0.5 * (GRID[:, None] - GRID) ** 2) + 1e-9 * np.eye(N_STRENGTHS)
    smooth = rng.standard_normal((n, n_folds, N_STRENGTHS)) @ np.linalg.cholesky(kernel).T
    smooth = smooth - smooth[..., :1]
    control = rng.standard_normal((n, n_folds, 1))
    noise = (rng.standard_normal((n, n_folds, N_STRENGTHS)) - control) / np.sqrt(2)
    return np.asarray(effect * BUMP + shared * smooth + own * noise)


def t_values(differences: Array) -> Array:
    """Return mean / standard error over the folds: (..., K, A) to (..., A)."""
    n_folds = differences.shape[-2]
    return np.asarray(differences.mean(-2) * np.sqrt(n_folds) / differences.std(-2, ddof=1))


def shares(rng: np.random.Generator, n_folds: int, kind: tuple[float, float], effect: float
           ) -> dict[str, float]:  # fmt: skip
    """Return how often each rule says that the chosen strength beats no penalty."""
    chosen_on = gains(rng, N_STUDIES, n_folds, kind, effect)
    fresh = gains(rng, N_STUDIES, n_folds, kind, effect)
    best = chosen_on.mean(1).argmax(1)
    studies = np.arange(N_STUDIES)
    t, t_fresh = t_values(chosen_on)[studies, best], t_values(fresh)[studies, best]
    reach = stdtrit(n_folds - 1, 0.975)
    flipped = [
        (largest_flipped(rng, chosen_on[i]) >= t[i] - 1e-9).mean() <= 0.025
        for i in range(N_FLIPPED)
    ]
    found = (
        t > reach,
        t > stdtrit(n_folds - 1, 1 - 0.025 / N_STRENGTHS),
        np.array(flipped),
        t_fresh > reach,
    )
    return {rule: float(said.mean()) for rule, said in zip(RULES, found, strict=True)}


def largest_flipped(rng: np.random.Generator, differences: Array) -> Array:
    """Return the largest t over the strengths under each flip of the folds' signs."""
    n_folds = len(differences)
    if n_folds <= 8:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=n_folds)))
    else:
        signs = rng.choice((1.0, -1.0), (400, n_folds))
        signs[0] = 1.0
    means = signs @ differences / n_folds
    squares = (differences**2).mean(0) - means**2
    return np.asarray((means / np.sqrt(squares / (n_folds - 1))).max(1))


def coverage(rng: np.random.Generator, n_folds: int, kind: tuple[float, float]) -> float:
    """Return how often the interval of alike strengths holds the true optimum."""
    curve = 0.15 * (GRID + 2.5) ** 2
    losses = curve - gains(rng, N_STUDIES, n_folds, kind, 0.0)
    studies, best = np.arange(N_STUDIES), losses.mean(1).argmin(1)
    paired = losses - losses[studies, :, best][..., None]
    errors = paired.std(1, ddof=1) / np.sqrt(n_folds)
    alike = paired.mean(1) <= stdtrit(n_folds - 1, 0.975) * errors + 1e-12
    first, last = alike.argmax(1), N_STRENGTHS - 1 - alike[:, ::-1].argmax(1)
    low = (GRID[first] + GRID[np.maximum(first - 1, 0)]) / 2
    high = (GRID[last] + GRID[np.minimum(last + 1, N_STRENGTHS - 1)]) / 2
    return float(((low <= -2.5) & (high >= -2.5)).mean())


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Write a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main() -> None:
    rng = np.random.default_rng(0)
    cells = [
        {"effect": effect, "noise": name, "folds": k, **shares(rng, k, kind, effect)}
        for effect in EFFECTS
        for name, kind in KINDS.items()
        for k in FOLDS
    ]
    covered = [
        {"noise": name, "folds": k, "coverage": coverage(rng, k, kind)}
        for name, kind in KINDS.items()
        for k in FOLDS
    ]
    refits = fit_claims.cells()
    OUTPUT.write_text(
        json.dumps(
            {"machine": machine(), "n_studies": N_STUDIES, "n_flipped": N_FLIPPED,
             "n_fits": fit_claims.N_FITS, "claims": cells, "intervals": covered, **refits},
            indent=1,
        ) + "\n"
    )  # fmt: skip
    named = ("effect", "noise", "folds", *RULES)
    print(table(named, [[cell[name] for name in named] for cell in cells]))
    print()
    print(table(list(covered[0]), [list(cell.values()) for cell in covered]))
    for part in refits.values():
        print()
        print(table(*fit_claims.pivoted(part)))


if __name__ == "__main__":
    main()
