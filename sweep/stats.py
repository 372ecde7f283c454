"""How sure a number is: standard errors over folds, or over test rows crossed with seeds.

Replicates are ordered fold by fold: r = fold · n_seeds + seed index. Seeds of one fold see
the same rows, so they are averaged first; folds are what varies. Where the rows are divided into
folds several times, the folds of each repeat follow those of the one before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

MIN_FOLDS = 3  # fewer have no standard error to choose by
MIN_ROWS = 30  # fewer test rows show nothing
EDGE = 10**0.25  # a strength within this factor of an end of the range lies at it


def fold_means(values: Sequence[float] | Array, n_folds: int, n_repeats: int = 1) -> Array:
    """Average the seeds of each fold: (R,) to (n_repeats · n_folds,); with one, seeds are kept.

    With one split there is nothing but seeds to vary: what follows is then init noise only.
    """
    values = np.asarray(values, dtype=np.float64)
    return values.reshape(n_repeats * n_folds, -1).mean(1) if n_folds > 1 else values


def errors(means: Array, n_repeats: int = 1) -> Array:
    """Return the standard error of the mean of fold means (n, n_repeats · K), shape (n,).

    √(s² · (1/KJ + (1 − 1/J) / (K − 1))): s² is the variance within a repeat (ddof 1), averaged
    over J repeats. With one it is s² / K. Folds of different repeats share rows: the last term
    corrects for that by the ratio of rows validated on to rows trained on, 1 / (K − 1), as Nadeau
    and Bengio do (Inference for the Generalization Error, Machine Learning 52, 2003).
    """
    of_repeats = means.reshape(len(means), n_repeats, -1)
    n_folds = of_repeats.shape[2]
    counted = n_folds * n_repeats / (1 + (n_repeats - 1) * n_folds / (n_folds - 1))
    sd = np.sqrt(of_repeats.var(2, ddof=1).mean(1))
    return np.asarray(sd / np.sqrt(counted))


def degrees(n_folds: int, n_repeats: int = 1) -> int:
    """Return the degrees of freedom of `errors`: those of the folds within each repeat."""
    return n_repeats * (n_folds - 1)


def jackknife(without: Array, n_repeats: int = 1) -> float:
    """Return the standard error of a figure by its values without each fold, (F,).

    That of the mean of its pseudo-values, F·all − (F − 1)·without: with one repeat it is Tukey's
    jackknife, with more it allows for the rows that repeats share (`errors`).
    """
    return float(errors(((1 - len(without)) * without)[None], n_repeats)[0])


def standard_error(
    values: Sequence[float] | Array, n_folds: int, n_repeats: int = 1
) -> float | None:
    """Return the standard error of values (R,), see `errors`; None where nothing varies."""
    means = fold_means(values, n_folds, n_repeats)
    return float(errors(means[None], n_repeats)[0]) if len(means) > 1 else None


def paired_gain(
    base: Sequence[float] | Array, other: Sequence[float] | Array, n_folds: int, n_repeats: int = 1
) -> tuple[float, float | None]:
    """Return how much lower `other` is than `base`, and the standard error of that.

    Both (R,) on the same folds and seeds: what a fold is like cancels in the difference.
    """
    difference = np.asarray(base) - np.asarray(other)
    return float(difference.mean()), standard_error(difference, n_folds, n_repeats)


def crossed_error(values: Array) -> float | None:
    """Return the standard error of the mean of values (S, T): S seeds on the same T rows.

    √(variance over rows of the mean over seeds / T + variance over seeds of the mean over rows
    / S). Noise of single cells counts twice, which errs on the safe side: taken out once, claims
    exceed their level (tests/benchmarks/fit_claims.py). None with a single row or seed.
    """
    n_seeds, n_rows = values.shape
    if min(n_seeds, n_rows) < 2:
        return None
    of_rows = values.mean(0).var(ddof=1) / n_rows
    return math.sqrt(of_rows + values.mean(1).var(ddof=1) / n_seeds)


def crossed_shows(mean: float, se: float | None, n_seeds: int, n_rows: int) -> bool:
    """Say whether a mean over rows and seeds differs from 0 (95 %): never by an error of 0.

    As many degrees of freedom as the fewer of both leave. Under `MIN_ROWS` rows nothing is shown:
    losses are skewed, and the t of few of them claims too much.
    """
    if not has_spread(mean, se) or n_rows < MIN_ROWS:
        return False
    assert se is not None
    return abs(mean) > t_quantile(0.975, min(n_seeds, n_rows) - 1) * se


def has_spread(mean: float, se: float | None) -> bool:
    """Say whether a mean has an error that is more than rounding of equal values leaves."""
    return se is not None and se > 1e-9 * abs(mean)


def t_quantile(probability: float, df: int) -> float:
    """Return the quantile of Student's t with `df` degrees of freedom."""
    return float(stdtrit(df, probability))  # scipy.stats takes half a second to import


def paired_gains(
    bases: Sequence[Sequence[float]], other: Sequence[float], n_folds: int, n_repeats: int = 1
) -> tuple[Array, Array]:
    """Return `paired_gain` of many bases (n, R) over one other (R,): means and errors, (n,).

    With two folds or more.
    """
    difference = np.asarray(bases) - np.asarray(other)
    means = difference.reshape(len(difference), n_repeats * n_folds, -1).mean(2)
    return difference.mean(1), errors(means, n_repeats)


def least_error(difference: float, n_rows: int) -> float:
    """Return the least standard error that a difference of two shares of rows can have.

    Two rates of errors that differ by d over n rows differ in |d|·n of them at least; each is a
    draw of its own, so the difference's error is √(|d| / n) or more (McNemar), and never less than
    one row. Folds that happen to agree show no smaller one.
    """
    return math.sqrt(max(abs(difference), 1 / n_rows) / n_rows)


def plus_minus(value: float, se: float | None) -> str:
    """Write a value with its standard error: four decimals, or two digits of a smaller error.

    What four decimals would show as 0 is written as 1.2e-06.
    """
    largest = max(abs(value), se if se is not None and se < math.inf else 0.0)
    if 0 < largest < 1e-4:
        return f"{value:.1e}" + (f" ± {se:.1e}" if se is not None else "")
    digits = 4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    if se is None:
        return f"{value:.{digits}f}"
    if 1e-8 < se < math.inf:
        shown = 1 - math.floor(math.log10(se))
        digits = max(shown, 4 if abs(value) < 10 else 0)
    return f"{value:.{digits}f} ± {se:.{digits}f}"
