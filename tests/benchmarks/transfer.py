"""Measure how well `sweep transfer` tells the best strength for twice the rows that it trained.

    python -m tests.benchmarks.transfer          # --seeds 8

For each data set and seed: the ladder n/4, n/2, n, followed to 2n, and a study of 2n rows that was
really run by the same design. The strength that was told is trained in that study too, on its
folds. Its regret is how much higher its loss is there than at the study's own best strength, in
standard errors of the study. Writes tests/benchmarks/transfer.json after every study, goes on
where it stopped, and prints the table of the docs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna

import sweep
from sweep.analysis.ladder import Rung
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec
from tests.benchmarks.machine import HERE, machine

OUTPUT = HERE / "transfer.json"
DESIGN = 13  # trials of a study
FACTOR, REGRET = 1.6, 0.5  # what a strength that was told should come within


class Case(NamedTuple):
    """A data set, and how many rows the largest rung of its ladder has."""

    name: str
    rows: int
    tree: dict[str, Any]


CASES = (
    Case("digits", 600, {
        "data": {"source": "sklearn:digits", "scale": "none", "label_noise": 0.2},
        "training": {"lr": 2e-2, "epochs": 60},
    }),
    Case("diabetes", 140, {
        "data": {"source": "sklearn:diabetes", "task": "regression"},
        "training": {"lr": 1e-2, "epochs": 60, "batch_size": 20},
    }),
)  # fmt: skip


def study(case: Case, rows: int, seed: int, folder: Path, n_trials: int = DESIGN) -> StudySpec:
    """Return the study of a case with so many rows to train on."""
    tree = {
        **case.tree, "study_name": f"{case.name}-{rows}-{seed}", "seed": seed, "device": "cpu",
        "storage": f"sqlite:///{folder}/studies.db",
        "data": {**case.tree["data"], "train_rows": rows},
        "search": {"n_trials": n_trials, "sampler": {"type": "design"}},
        "replicates": {"n_folds": 8},
    }  # fmt: skip
    return parse_spec(tree, case.name, folder)


def measure(case: Case, seed: int) -> dict[str, Any]:
    """Follow a ladder to twice its rows, and run the study that it speaks of."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = sweep.transfer(study(case, case.rows, seed, folder), rows=2 * case.rows)
        assert found is not None
        large = sweep.run(study(case, 2 * case.rows, seed, folder))
        finished = large.finished
        writer = optuna.load_study(
            study_name=large.study.study_name, storage=f"sqlite:///{folder}/studies.db"
        )
        writer.enqueue_trial({"alpha": found.strength})
        told = sweep.run(study(case, 2 * case.rows, seed, folder, DESIGN + 1)).finished.trials[-1]
    best, at = finished.choose("best"), Rung.of(finished, 2 * case.rows)
    assert best.value_se and told.at == found.strength
    return {
        "case": case.name, "seed": seed, **found.summary, "truth": at.strength,
        "regret": (told.value - best.value) / best.value_se,
    }  # fmt: skip


def table(result: dict[str, Any]) -> str:
    """Render how far off the told strengths were."""
    lines = [
        "| data set | rows trained | told for | studies | off by a factor: median / most |"
        f" within {FACTOR} | within the printed factor | regret in SE: median / most |"
        f" within {REGRET} |",
        "|---" * 9 + "|",
    ]
    for case in CASES:
        rows = [row for row in result["studies"] if row["case"] == case.name]
        off = np.exp([abs(np.log(row["strength"] / row["truth"])) for row in rows])
        inside = sum(o <= row["factor"] for o, row in zip(off, rows, strict=True))
        regret = np.array([row["regret"] for row in rows])
        lines.append(
            f"| {case.name} | {' · '.join(map(str, rows[0]['sizes']))} | {2 * case.rows:,} |"
            f" {len(rows)} | {np.median(off):.2f} / {off.max():.2f} | {(off <= FACTOR).sum()} |"
            f" {inside} | {np.median(regret):.2f} / {regret.max():.2f} |"
            f" {(regret <= REGRET).sum()} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    empty: dict[str, Any] = {"machine": machine(), "studies": []}
    result = json.loads(args.output.read_text()) if args.output.exists() else empty
    done = {(row["case"], row["seed"]) for row in result["studies"]}
    for seed, case in itertools.product(range(1, args.seeds + 1), CASES):
        if (case.name, seed) not in done:
            result["studies"].append(measure(case, seed))
            args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    main()
