"""What suits data of a size: network, training and search; and what to say of size and balance."""

from __future__ import annotations

from typing import Any, NamedTuple

from sweep.spec.search import DESIGN_TRIALS

RARE = 0.2  # of what a class would have if all had as many rows
FEW = 100  # rows


class Size(NamedTuple):
    """What suits data up to so many rows."""

    n_rows: float
    hidden: list[int]
    batch_size: int
    n_folds: int
    n_repeats: int


SIZES = (
    Size(200, [16], 16, 5, 2),
    Size(2_000, [32], 32, 8, 2),
    Size(20_000, [64], 128, 5, 2),
    Size(float("inf"), [64, 64], 512, 3, 1),
)
STEPS = 2_000  # of a training, more or less
EPOCHS = (10, 60)  # the fewest and the most


def settings_for(n: int, n_rarest: int | None = None) -> dict[str, Any]:
    """Return the sections of a study file, but `data`.

    Args:
        n: rows.
        n_rarest: of the rarest class, which must have some in every fold; None without classes.
    """
    size = next(size for size in SIZES if n <= size.n_rows)
    n_folds = size.n_folds if n_rarest is None else min(size.n_folds, max(2, n_rarest // 2))
    trained = max(1, round(0.8 * n * (1 - 1 / n_folds)))  # by a replicate
    epochs = min(EPOCHS[1], max(EPOCHS[0], round(STEPS * size.batch_size / trained)))
    batch = {"batch_size": size.batch_size, "epochs": epochs}
    return {
        "model": {"kind": "mlp", "hidden": size.hidden},
        "training": {"optimizer": "adam", "lr": 0.01, **batch},
        "penalty": {"norm": "l2"},
        "search": {"n_trials": DESIGN_TRIALS},
        "replicates": {"n_folds": n_folds, "n_repeats": size.n_repeats},
    }


def of_counts(counts: dict[str, int], task: str, n: int, n_features: int) -> list[str]:
    """Say what is to be known of n rows.

    Args:
        counts: of rows, by value of the target.
        task: what is predicted.
        n, n_features: rows, features.
    """
    found = []
    if task == "classification" and counts:
        most, rarest = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        if counts[rarest] < RARE * n / len(counts):
            found.append(
                f"imbalanced: {counts[most]} of {n} rows are {most!r}, {counts[rarest]} are"
                f" {rarest!r}; always saying {most!r} is right {counts[most] / n:.0%} of the time"
            )
    if n < FEW:
        found.append(f"{n} rows are few: expect wide error bars")
    if n_features > n:
        found.append(f"more features ({n_features}) than rows ({n}): penalties matter here")
    return found
