"""What it saves that slots which wait for a trial are not trained, for networks of one's own.

    python -m tests.benchmarks.waves [--turns 2] [--epochs 20] [--only NAME…]

A study by `sampler: design` trains 8 strengths, then 4, then the one that is chosen, in 9 slots of
4 folds. Whole waves, trials of fewer slots and all: CPU seconds on one thread, and those with all
slots in every wave, in turns. It writes its JSON after each network, and prints the table.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from sweep.training import fitted
from sweep.training.cohort import Cohort
from sweep.training.optimizers import FusedAdam
from sweep.training.recipe import Recipe
from tests.benchmarks.machine import HERE
from tests.benchmarks.networks import ALPHA, BATCH, LR, cpu_s, measure_each, problem_of
from tests.benchmarks.own_nets import Network
from tests.support.settings import setting_of

WAVES, SLOTS, FOLDS = (8, 4, 1), 9, 4


def train(net: Network, epochs: int, most_bytes: int) -> None:
    """Train the waves of a study; 0 bytes allow no trial of fewer slots."""
    problem = problem_of(net, FOLDS)
    with patch.object(fitted, "MOST_BYTES", most_bytes):
        cohort = Cohort(problem, net.make, Recipe(FusedAdam(), epochs, BATCH), SLOTS * FOLDS)
        for n in WAVES:
            for trial in range(n):
                cohort.start(trial, setting_of(ALPHA * (1 + trial), LR))
            while cohort.trials:
                cohort.advance()


def measure(net: Network, turns: int, epochs: int) -> dict[str, Any]:
    """Measure a study's seconds, with the slots that are held and with all."""
    spent: dict[str, list[float]] = {"all": [], "held": []}
    ways = {"all": 0, "held": fitted.MOST_BYTES}
    for _ in range(turns):
        for way, most_bytes in ways.items():
            spent[way].append(cpu_s(partial(train, net, epochs, most_bytes)))
    ratio = median(h / a for a, h in zip(spent["all"], spent["held"], strict=True))
    return {way: median(values) for way, values in spent.items()} | {
        "ratio": ratio, "turns": turns, "load": os.getloadavg()[0],
    }  # fmt: skip


def table(rows: dict[str, Any]) -> str:
    """Render the figures as Markdown."""
    lines = [["network", "all slots, s", "held ones, s", "ratio", "n", "load"], ["---"] * 6]
    for name, row in rows.items():
        seconds = (f"{row[way]:.1f}" for way in ("all", "held"))
        lines.append([name, *seconds, f"{row['ratio']:.2f}", str(row["turns"]),
                      f"{row['load']:.0f}"])  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all networks, or those whose names contain what is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=HERE / "waves.json")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=["LSTM", "transformer", "CNN, 8 × 8", "res"])
    args = parser.parse_args(argv)
    measured = partial(measure, turns=args.turns, epochs=args.epochs)
    measure_each(args.only, args.output, measured, table)


if __name__ == "__main__":
    main()
