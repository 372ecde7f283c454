"""Time the whole default job, as it is and as it was: from the start of its process to the export.

    python -m tests.benchmarks.defaults        # --runs 5; half a minute a run

The shipped study, and the same with what was the default before: 48 trials of TPE on 8 folds of
one partition. A run is one turn of both, with a seed of its own, on one core: `sweep run`, then
`sweep export`. Trainings are all that are made: of trials, of the control, and on fresh folds.
CPU time is that of all processes, which other programs on the machine lengthen less than wall
time. Regret is the true loss at the exported alpha minus the least, as in regret.json, in
standard errors of the old default's study. Writes defaults.json after each run, goes on where it
stopped, and prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from sweep.analysis.status import load_study
from sweep.config.export import read_config
from sweep.spec.attributes import CONFIRMATION, REPLICATE_VALUES
from tests.benchmarks.machine import HERE, OF_48, STUDY, machine
from tests.benchmarks.regret import OUTPUT as TRUTHS
from tests.benchmarks.regret import TASKS, Truth, rendered
from tests.benchmarks.timing import timed

OUTPUT = HERE / "defaults.json"
OLD, NEW = "before: 48 trials, 8 folds", "now: 13 trials, 8 folds × 2"
JOBS: dict[str, dict[str, Any]] = {OLD: OF_48, NEW: {}}


def measure(job: str, seed: int) -> dict[str, Any]:
    """Run a job in a folder that does not outlive it."""
    with tempfile.TemporaryDirectory() as folder:
        url, config = f"sqlite:///{folder}/studies.db", Path(folder) / "best.yaml"
        given = {**JOBS[job], "seed": seed, "device": "cpu"}
        sets = [f"--set={key}={value}" for key, value in given.items()]
        sweep, cpu = [sys.executable, "-m", "sweep"], _cpu_s()
        seconds = timed([*sweep, "run", str(STUDY), "--storage", url, *sets]).seconds
        export = ["export", str(STUDY), "--storage", url, "-o", str(config)]
        seconds += timed([*sweep, *export]).seconds
        content, study = read_config(config), load_study(url, "digits-l2")
        beside = [study.user_attrs["baseline"], *study.user_attrs[CONFIRMATION].values()]
        trained = [trial.user_attrs for trial in study.get_trials(deepcopy=False)] + beside
        return {
            "job": job, "seed": seed, "seconds": round(seconds, 2),
            "cpu_seconds": round(_cpu_s() - cpu, 2), "trials": len(trained) - len(beside),
            "trainings": sum(len(attrs[REPLICATE_VALUES]) for attrs in trained),
            "alpha": content["best_params"]["alpha"], "se": content["value_se"],
        }  # fmt: skip


def _cpu_s() -> float:
    """Return the CPU time of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(result: dict[str, Any], truths: dict[str, Any]) -> str:
    """Render medians, with the range of the runs, and the regret."""
    truth = Truth.of(truths, next(task for task in TASKS if task.name == "digits"))
    errors = {row["seed"]: row["se"] for row in result["rows"] if row["job"] == OLD}
    lines = []
    for job in JOBS:
        rows = [row for row in result["rows"] if row["job"] == job and row["seed"] in errors]
        off = [(truth.loss(r["alpha"]) - truth.losses.min()) / errors[r["seed"]] for r in rows]
        spans = [_span([row[key] for row in rows]) for key in ("seconds", "cpu_seconds")]
        counts = [f"{np.median([row[k] for row in rows]):.0f}" for k in ("trials", "trainings")]
        lines.append([job, *counts, *spans, f"{np.mean(off):.2f} / {max(off):.2f}"])
    head = (
        "default job", "trials", "trainings, all", "seconds", "CPU seconds",
        "regret in SE: mean / most",
    )  # fmt: skip
    before = result["machine"]["load_before"]
    n = f"n = {len(errors)} seeds, in turns; load of the machine before: {before:.1f}."
    return f"{rendered(head, lines)}\n\n{n}"


def _span(values: list[float]) -> str:
    return f"{np.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def main() -> None:
    """Run both in turns, write after each run, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    about = machine() | {"load_before": os.getloadavg()[0]}
    rows = json.loads(args.output.read_text())["rows"] if args.output.exists() else []
    result = {"machine": about, "rows": rows}
    for seed in range(1 + max((row["seed"] for row in rows), default=0), args.runs + 1):
        rows += [measure(job, seed) for job in JOBS]
        args.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result, json.loads(TRUTHS.read_text())))


if __name__ == "__main__":
    main()
