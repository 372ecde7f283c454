"""What a refit came to: metrics with and without the penalty, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sweep.spec.study import StudySpec
from sweep.spec.tasks import TASKS
from sweep.stats import paired_gain, plus_minus, standard_error, t_quantile

# Metrics in the order in which they are shown; the first four are of the test rows.
METRICS: Mapping[str, str] = {
    "loss": "test loss",
    **{task.score.name: f"test {task.score.words}" for task in TASKS.values()},
    "calibration_error": "test calibration error", "train_loss": "training loss",
    "norm": "norm", "sparsity": "zeros",
}  # fmt: skip


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its standard error; None with a single seed."""

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
            the study's units: mean cross-entropy, or mean squared error of the target as
            scaled. A metric that is not defined for the test rows is left out.
    """

    params: dict[str, float]
    seeds: tuple[int, ...]
    values: dict[str, tuple[float, ...]]

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Mean and standard error over the seeds, by metric; empty where all diverged."""
        return {
            name: Estimate(float(np.mean(values)), standard_error(values, 1))
            for name, values in self.values.items()
            if values
        }


@dataclass(frozen=True)
class Fit:
    """A refit of an exported config.

    Standard errors are over seeds: first weights, order of rows and, with `train_rows`, the
    draw of rows. They leave out that other test rows would give other numbers.

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
        """Chosen minus none, paired by seed, by metric; empty without a pair."""
        at = [self.chosen.seeds.index(seed) for seed in self.paired_seeds]
        base = [self.none.seeds.index(seed) for seed in self.paired_seeds]
        return {
            name: Estimate(
                *paired_gain([values[i] for i in at], [self.none.values[name][i] for i in base], 1)
            )
            for name, values in self.chosen.values.items()
            if at and name in self.none.values
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
            "saved": {"seed": self.saved_seed, **self.saved},
            "n_rows": self.n_rows,
            "n_search_rows": self.n_search_rows,
            "n_test_rows": self.n_test_rows,
            "n_seeds": self.n_seeds,
            "warnings": list(self.warnings),
            "weights_path": str(self.weights_path),
            "card_path": str(self.card_path),
        }


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
    return f"{text}."


def _compare(fit: Fit) -> str:
    differences, n = fit.differences, len(fit.paired_seeds)
    if not differences:
        return "no seed was trained with both to its end, so this may be chance"
    by = differences["loss"]
    size = Estimate(abs(by.mean), by.se)
    direction = "lower" if by.mean <= 0 else "higher"
    if by.se is None:
        return f"{direction} by {size} for the only seed that both have, so this may be chance"
    over = f"(paired over {n} seeds)"
    if size.mean <= t_quantile(0.975, n - 1) * by.se:
        return f"no difference is shown: {direction} by {size} {over}, within chance (95 %)"
    return f"{direction} by {size} {over}"
