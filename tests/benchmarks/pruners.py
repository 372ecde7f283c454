"""Measure what a pruner saves, and what its choice costs: its regret, as in `regret`.

    python -m tests.benchmarks.pruners          # --seeds 10

48 trials of TPE on 8 folds, with and without a pruner, on the same seeds. Epochs saved by a
pruner are counted. Writes pruners.json after every study, goes on where it stopped, and prints
the table of the docs.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.regret import (
    EPOCHS,
    TASKS,
    Program,
    Rows,
    Task,
    judged,
    median,
    of,
    read,
    rendered,
    run,
    share,
)

OUTPUT = Path(__file__).parent / "pruners.json"
TRIALS = 48
PRUNED_TASKS = tuple(
    task for task in TASKS if task.name in ("digits", "diabetes", "breast_cancer")
)
PLAIN = "tpe"
PRUNERS: dict[str, dict[str, Any]] = {
    "median": {"type": "median"},
    "hyperband": {"type": "hyperband"},
    "median from epoch 3": {"type": "median", "n_warmup_steps": 3},
    "hyperband from epoch 3": {"type": "hyperband", "min_resource": 3, "reduction_factor": 3},
}


def wanted(seeds: int) -> Iterator[tuple[Task, str, int, Program]]:
    """Yield the studies in the order in which they are measured."""
    programs = {PLAIN: {"type": "none"}, **PRUNERS}
    for seed, task, name in itertools.product(range(1, seeds + 1), PRUNED_TASKS, programs):
        search = {"n_trials": TRIALS, "sampler": {"type": "tpe"}, "pruner": programs[name]}
        yield task, name, seed, Program(search)


def table(result: dict[str, Any]) -> str:
    """Render what pruners save and cost, against the unpruned study of the same seed."""
    rows, lines = judged(result, PRUNED_TASKS, PLAIN), []
    for pruner, task in itertools.product(PRUNERS, PRUNED_TASKS):
        found = of(rows, task.name, pruner)
        plain = [row["plain"] for row in found]
        saved = np.mean([1 - row["epochs"] / (TRIALS * EPOCHS) for row in found])
        lower = [row["alpha"] < row["plain"]["alpha"] / 2 for row in found]
        cpu = " → ".join(f"{median(some, 'cpu_seconds'):.1f}" for some in (plain, found))
        regrets = [_spread(plain), _spread(found)]
        lines.append([pruner, task.name, f"{100 * saved:.0f} %", cpu, *regrets, share(lower)])
    head = ("pruner", "data", "epochs saved", "CPU s", "regret without", "with",
            "alpha under half")  # fmt: skip
    return rendered(head, lines)


def _spread(rows: Rows) -> str:
    values = [row["best"] for row in rows]
    return f"{np.median(values):.2f} / {np.quantile(values, 0.9):.2f}"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    result = read(args.output)
    run(result, PRUNED_TASKS, wanted(args.seeds), args.output)
    print(table(result))
    print(result["machine"])


if __name__ == "__main__":
    main()
