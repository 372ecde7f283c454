"""What a refit came to: metrics with and without the penalty, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sweep.spec.objective import METRICS as OBJECTIVES
from sweep.spec.study import StudySpec
from sweep.spec.tasks import TASKS
from sweep.stats import (
    MIN_ROWS,
    Array,
    crossed_error,
    crossed_shows,
    has_spread,
    least_error,
    plus_minus,
    standard_error,
)

# Metrics in the order in which they are shown; those called so are of the test rows.
METRICS: Mapping[str, str] = {
    "loss": "test loss",
    **{task.score.name: f"test {task.score.words}" for task in TASKS.values()},
    **{n: f"test {m.words}" for n, m in OBJECTIVES.items() if not n.startswith("val_")},
    "metric": "test metric",  # of the user's own
    "calibration_error": "test calibration error", "train_loss": "training loss",
    "norm": "norm", "sparsity": "zeros",
}  # fmt: skip

ROWS_AND_SEEDS = "test rows and seeds"


def of_rows(errors_over: Mapping[str, str]) -> list[str]:
    """Name the metrics whose standard errors are over test rows too, of `Fit.errors_over`."""
    return [words for name, words in METRICS.items() if errors_over.get(name) == ROWS_AND_SEEDS]


@dataclass(frozen=True)
class Estimate:
    """A mean and its standard error; None with a single seed, or a single test row."""

    mean: float
    se: float | None

    def __str__(self) -> str:
        """Write `mean ± se`."""
        return plus_minus(self.mean, self.se)


@dataclass(frozen=True)
class Row:
    """The networks of one strength.

    Attributes:
        params: the trial's params that they were trained with.
        seeds: indexes of the seeds that did not diverge.
        values: metric to its values, one for each of `seeds`; keys as in `METRICS`. Loss is in
            the study's units, as `sweep.spec.losses` calls it; rmse and mae in the target's own.
            A metric that is not defined for the test rows is left out.
        rows: what is a mean over test rows, by metric, row by row: (seeds, test rows).
    """

    params: dict[str, float]
    seeds: tuple[int, ...]
    values: dict[str, tuple[float, ...]]
    rows: dict[str, Array] = field(default_factory=dict, compare=False, repr=False)

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Mean and standard error by metric; empty where all diverged."""
        return {
            name: _estimate(np.array(values), self.rows.get(name))
            for name, values in self.values.items()
            if values
        }


@dataclass(frozen=True)
class Fit:
    """A refit of an exported config.

    Standard errors of test loss and score are over test rows and seeds, those of the other
    metrics over seeds alone. Seeds differ in first weights, order of rows and, with `train_rows`,
    the draw of rows. What training on other rows would give is left out.

    Attributes:
        spec: the study.
        chosen, none: with the exported strength, and with 0 and all else equal.
        n_rows: rows that a seed trained on.
        n_search_rows: rows that a replicate of the search trained on.
        n_test_rows: rows of the test metrics.
        n_seeds: seeds trained for each of the two.
        saved_seed: the seed whose network was written: the one of `chosen` with the lowest
            training loss.
        warnings: lines to show.
        weights_path, card_path: the files written.
        balance: the factor between the layers' penalties in the network written, where training
            that has settled leaves none.
    """

    spec: StudySpec
    chosen: Row
    none: Row
    n_rows: int
    n_search_rows: int
    n_test_rows: int
    n_seeds: int
    saved_seed: int
    warnings: tuple[str, ...]
    weights_path: Path
    card_path: Path
    balance: float | None = None

    @property
    def strength(self) -> float:
        """The exported alpha, or weight_decay."""
        return self.chosen.params[self.spec.strength]

    @property
    def paired_seeds(self) -> tuple[int, ...]:
        """Seeds that diverged with neither strength."""
        return tuple(seed for seed in self.chosen.seeds if seed in self.none.seeds)

    @property
    def differences(self) -> dict[str, Estimate]:
        """Chosen minus none, paired by seed and test row, by metric; empty without a pair."""
        chosen, none = (self._paired(row) for row in (self.chosen, self.none))
        if not self.paired_seeds:
            return {}
        found = {}
        for name in [name for name in chosen.values if name in none.values]:
            by = np.subtract(chosen.values[name], none.values[name])
            both = name in chosen.rows and name in none.rows
            found[name] = _estimate(by, chosen.rows[name] - none.rows[name] if both else None)
        score, task = self.spec.task.score.name, self.spec.task
        if task.has_classes and score in found and found[score].se is not None:
            found[score] = _at_least_of_rows(found[score], self.n_test_rows)
        return found

    def _paired(self, row: Row) -> Row:
        """Keep the paired seeds of a row, in their order."""
        at = [row.seeds.index(seed) for seed in self.paired_seeds]
        values = {name: tuple(held[i] for i in at) for name, held in row.values.items()}
        rows = {name: held[at] for name, held in row.rows.items()}
        return Row(row.params, self.paired_seeds, values, rows)

    @property
    def errors_over(self) -> dict[str, str]:
        """What varies in the standard errors of each metric."""
        return {
            name: ROWS_AND_SEEDS if name in self.chosen.rows else "seeds"
            for name in self.chosen.values
        }

    @property
    def saved(self) -> dict[str, float]:
        """Metrics of the network that was written."""
        at = self.chosen.seeds.index(self.saved_seed)
        return {name: values[at] for name, values in self.chosen.values.items()}

    @property
    def summary(self) -> dict[str, Any]:
        """All of it as plain data, for JSON."""

        def plain(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
            return {name: {"mean": e.mean, "se": e.se} for name, e in estimates.items()}

        def row(row: Row) -> dict[str, Any]:
            return {"params": row.params, "seeds": list(row.seeds), **plain(row.estimates)}

        return {
            "study_name": self.spec.study_name,
            "chosen": row(self.chosen),
            "none": row(self.none),
            "difference": plain(self.differences),
            "errors_over": self.errors_over,
            "saved": {"seed": self.saved_seed, **self.saved},
            "n_rows": self.n_rows,
            "n_search_rows": self.n_search_rows,
            "n_test_rows": self.n_test_rows,
            "n_seeds": self.n_seeds,
            "warnings": list(self.warnings),
            "weights_path": str(self.weights_path),
            "card_path": str(self.card_path),
        }


def _estimate(values: Array, rows: Array | None) -> Estimate:
    """Average values (S,); the error is that of their rows (S, T), where they have them."""
    se = standard_error(values, 1) if rows is None else crossed_error(rows)
    return Estimate(float(values.mean()), se)


def _at_least_of_rows(by: Estimate, n_rows: int) -> Estimate:
    """Give a difference of shares of rows the error that it has at least."""
    return Estimate(by.mean, max(by.se or 0.0, least_error(by.mean, n_rows)))


def sentence(fit: Fit) -> str:
    """Say what the penalty does to the test loss, how sure that is, and the score beside it."""
    name = fit.spec.strength
    chosen, none = fit.chosen.estimates, fit.none.estimates
    text = f"With {name} = {fit.strength:.3g} the test loss is {chosen['loss']}"
    if not none:
        return f"{text}; without a penalty ({name} = 0) every seed diverged."
    text += f", without a penalty {none['loss']}: {_compare(fit)}"
    score = fit.spec.task.score
    if score.name in chosen and score.name in none:
        values = f"{chosen[score.name].mean:.3f} against {none[score.name].mean:.3f}"
        text += f"; {score.words} {values}"
        if by := fit.differences.get(score.name):
            text += f", a difference of {by}"
    return f"{text}."


def _compare(fit: Fit) -> str:
    differences, n = fit.differences, len(fit.paired_seeds)
    if not differences:
        return "no seed was trained with both to its end, so this may be chance"
    by, n_rows = differences["loss"], fit.n_test_rows
    direction = "lower" if by.mean <= 0 else "higher"
    size = f"{direction} by {Estimate(abs(by.mean), by.se)}"
    if by.se is None:
        only = "for the only seed that both have" if n == 1 else "on the only test row"
        return f"{size} {only}, so this may be chance"
    over = f"(paired over {n_rows} test rows and {n} seeds; training on other rows is left out)"
    if crossed_shows(by.mean, by.se, n, n_rows):
        return f"{size} {over}"
    return f"no difference is shown: {size} {over}, {_why_not(by, n_rows)}"


def _why_not(by: Estimate, n_rows: int) -> str:
    if n_rows < MIN_ROWS:
        return f"on fewer than the {MIN_ROWS} test rows that can show one"
    if not has_spread(by.mean, by.se):
        return "with no spread to judge it by"
    return "within chance (95 %)"
