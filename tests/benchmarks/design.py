"""Measure what the design's choice costs, beside that of TPE with almost four times the trials.

    python -m tests.benchmarks.design          # --seeds 20

Data sets, truth and regret are those of tests/benchmarks/regret.py; the truth is read from its
regret.json. Both programs are run here, on the same seeds: 48 trials of TPE, and the 13 of the
design, on 8 folds each, with automatic ranges. The unit is the standard error of the best trial
of the TPE study of the same seed. Writes tests/benchmarks/design.json after every study, goes on
where it stopped, and prints the table of the docs.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from sweep.stats import Array
from tests.benchmarks.regret import OUTPUT as TRUTHS
from tests.benchmarks.regret import TASKS, Truth, measure_study, read, write

OUTPUT = Path(__file__).parent / "design.json"
PROGRAMS: dict[str, dict[str, Any]] = {
    "tpe, 48 trials": {},
    "design, 13 trials": {"n_trials": 13, "sampler": {"type": "design"}},
}
PLAIN = "tpe, 48 trials"


def run(result: dict[str, Any], seeds: int, output: Path) -> None:
    """Measure what the result does not hold yet; write it after every study."""
    done = {(row["task"], row["program"], row["seed"]) for row in result["studies"]}
    for seed, task, program in itertools.product(range(1, seeds + 1), TASKS, PROGRAMS):
        if (task.name, program, seed) not in done:
            row = measure_study(task, program, seed, PROGRAMS[program])
            result["studies"].append(row)
            write(result, output)


def table(result: dict[str, Any], truths: dict[str, Any]) -> str:
    """Render the regret of both, by data sets and over all, and their paired difference."""
    by_task = [_regrets(result, Truth.of(truths, task), task.name) for task in TASKS]
    columns = [*by_task, np.concatenate(by_task, axis=1)]
    n = columns[-1].shape[1]
    head = [f"regret in SE: mean / 90 %; {n} studies", *(task.name for task in TASKS), "all"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for place, program in enumerate(PROGRAMS):
        cells = (f"{of[place].mean():.2f} / {np.quantile(of[place], 0.9):.2f}" for of in columns)
        lines.append(f"| {program} | {' | '.join(cells)} |")
    differences = (of[1] - of[0] for of in columns)
    cells = (f"{d.mean():+.3f} ± {d.std(ddof=1) / len(d) ** 0.5:.3f}" for d in differences)
    lines.append(f"| difference, paired by study, ± SE | {' | '.join(cells)} |")
    return "\n".join(lines)


def _regrets(result: dict[str, Any], truth: Truth, task: str) -> Array:
    """Return the regret of the programs (2, S) on the S seeds that both have run."""
    rows = {(r["program"], r["seed"]): r for r in result["studies"] if r["task"] == task}
    seeds = sorted(s for name, s in rows if name != PLAIN and (PLAIN, s) in rows)
    return np.array(
        [
            [
                (truth.loss(rows[program, seed]["alpha"]) - truth.losses.min())
                / rows[PLAIN, seed]["se"]
                for seed in seeds
            ]
            for program in PROGRAMS
        ]
    )


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    result = read(args.output)
    run(result, args.seeds, args.output)
    print(table(result, json.loads(TRUTHS.read_text())))
    print(result["machine"])


if __name__ == "__main__":
    main()
