"""When a search has found what it looks for: the time until its choice is good, and stays good.

    python -m tests.benchmarks.arrival         # --runs 3; a minute a run

A run is one turn of all programs on a work; rows, folds, weights and draws are of its own seed.
After each trial that ended a program has a choice: `sweep` that of its design, Optuna and Ray
Tune the best trial so far; scikit-learn has one at its end. The choice is good where its true
loss is within one standard error of the least. The error is that of the study on 8 folds; the
truth is measured on other seeds, as in regret.py: 200 strengths for the networks, whose tables
are in regret.json, and here, for the linear models, 60 strengths solved by scikit-learn. All
programs make 13 trials in the range in which it is known.

Seconds are from the start of the process. CPU time is that of all its processes until then, which
other programs on the machine lengthen less. Writes arrival.json after each run, goes on where it
stopped, and prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from optuna.trial import TrialState

from sweep.analysis.status import load_study
from sweep.search.choice import best_of, deciding
from sweep.search.model import Model
from sweep.search.point import Point
from sweep.spec.files import load_spec
from tests.benchmarks.comparison import Outcome, done
from tests.benchmarks.job import read_job
from tests.benchmarks.machine import HERE, STUDY, machine
from tests.benchmarks.regret import OUTPUT as TRUTHS
from tests.benchmarks.regret import TASKS, Task, Truth, rendered
from tests.benchmarks.scikit import classify, regress
from tests.benchmarks.workloads import DIGITS, QUICK, RAY, SCIKIT, TUNED, Program, Workload

OUTPUT = HERE / "arrival.json"
POINTS, TRUTH_SEEDS = 60, (1001, 1002, 1003, 1004, 1005)  # of linear models
TRIALS = 13  # of every program
ONE_PARTITION = Program("sweep, 8 folds", "sweep")
DEFAULT = Program("sweep, 8 folds × 2", "sweep", sets=("replicates.n_repeats=2",))
LIMIT_S = 900.0  # of a job

LINEAR = (
    "model.hidden=[]", "training.batch_size=full", "training.lr=5e-2", "training.schedule=cosine",
)  # fmt: skip
DIABETES = (
    "data.source=sklearn:diabetes", "data.task=regression", "data.scale=standard",
    "data.label_noise=0",
)  # fmt: skip


@dataclass(frozen=True)
class Work:
    """What is searched.

    Attributes:
        low, high: the range, which is that of the truth.
        sets: keys of the study that are changed.
        programs: who searches.
        task: whose truth it is; None: that of a linear model.
    """

    name: str
    low: float
    high: float
    sets: tuple[str, ...]
    programs: tuple[Program, ...]
    task: Task | None = None

    def load(self, seed: int) -> Workload:
        """Return the work of a run."""
        ends = (f"search.space.alpha.low={self.low}", f"search.space.alpha.high={self.high}")
        sets = (
            *self.sets, *ends, "search.widenings=0", "replicates.n_repeats=1", f"seed={seed}",
        )  # fmt: skip
        return Workload(self.name, DIGITS, sets, TRIALS, self.programs)


def of_task(task: Task, sets: tuple[str, ...]) -> Work:
    """Return the work on a network whose truth is in regret.json."""
    return Work(
        task.name, task.low, task.high, sets, (ONE_PARTITION, DEFAULT, TUNED, RAY), task,
    )  # fmt: skip


SOLVED = (ONE_PARTITION, DEFAULT, SCIKIT)
WORKS = (
    of_task(TASKS[0], ()),
    of_task(TASKS[1], (*DIABETES, "data.train_rows=200")),
    Work("linear, digits", 1e-4, 1.0, (*LINEAR, "training.epochs=150"), SOLVED),
    Work("linear, diabetes", 1e-4, 10.0, (*LINEAR, *DIABETES, "training.epochs=100",
         "data.train_rows=200"), SOLVED),
)  # fmt: skip


class Choice(NamedTuple):
    """A strength that a program would choose, from a time on, in seconds from its start."""

    since: float
    alpha: float


# --- running


def truth(work: Work, found: dict[str, Any]) -> Truth:
    """Return the true losses of a work; those of linear models are solved where they are new."""
    if work.task:
        return Truth.of(json.loads(TRUTHS.read_text()), work.task)
    alphas = np.geomspace(work.low, work.high, POINTS)
    if work.name not in found:
        jobs = [
            read_job([str(STUDY), "", *(p for s in work.load(n).sets for p in ("--set", s))])
            for n in TRUTH_SEEDS
        ]
        solve = regress if jobs[0].problem.task == "regression" else classify
        found[work.name] = np.mean([solve(job, alphas) for job in jobs], axis=0).tolist()
    return Truth(np.log(alphas), np.array(found[work.name]), np.nan)


def measure(work: Work, seed: int, quick: bool) -> list[dict[str, Any]]:
    """Run all programs once."""
    rows = []
    load = work.load(seed)
    for program in [program for program in load.programs if program.is_here]:
        with tempfile.TemporaryDirectory() as folder:
            outcome = done(program, load, Path(folder), quick, LIMIT_S)
            sets = (*load.sets, *program.sets, *(QUICK if quick else ()))
            choices = (
                of_design(program.storage(Path(folder)), sets, outcome.run.began)
                if program.module == "sweep"
                else of_trials(outcome)
            )
        rows.append({
            "work": work.name, "program": program.name, "cores": program.cores, "seed": seed,
            "trials": len(outcome.trials),
            "se": outcome.ses[outcome.trials.index(outcome.best)] if outcome.ses else None,
            "seconds": outcome.run.seconds, "cpu_seconds": outcome.run.cpu[-1][1],
            "choices": [
                [round(c.since, 3), round(outcome.run.cpu_until(c.since), 3), c.alpha]
                for c in choices
            ],
        })  # fmt: skip
    return rows


def of_trials(outcome: Outcome) -> list[Choice]:
    """Return the best trial so far, after each trial."""
    ended = sorted(outcome.trials, key=lambda trial: trial.ended)
    bests = [min(ended[: n + 1], key=lambda trial: trial.value) for n in range(len(ended))]
    return [
        Choice(trial.ended - outcome.run.began, best.alpha)
        for trial, best in zip(ended, bests, strict=True)
    ]


def of_design(url: str, sets: Sequence[str], began: float) -> list[Choice]:
    """Return what a study of the design would choose, after each trial."""
    spec = load_spec(STUDY, tuple(sets))
    trials = load_study(url, spec.study_name).get_trials(states=(TrialState.COMPLETE,))
    ends = [trial.datetime_complete.timestamp() for trial in trials if trial.datetime_complete]
    choices = []
    for end in sorted(ends):
        points = [Point.of(t, spec) for t, at in zip(trials, ends, strict=True) if at <= end]
        model = deciding(spec, Model.of(points, [], spec.replicates.folds))
        choices.append(Choice(end - began, best_of(points, model).at))
    return choices


# --- the table


def arrived(choices: Sequence[Sequence[float]], truth: Truth, se: float) -> Sequence[float] | None:
    """Return the first choice from which on all are good; None where the last is not."""
    good = [truth.loss(choice[-1]) - truth.losses.min() <= se for choice in choices]
    if not good[-1]:
        return None
    return choices[max((n + 1 for n, holds in enumerate(good) if not holds), default=0)]


def table(result: dict[str, Any]) -> str:
    """Render medians, with the range of the runs that arrived."""
    lines = []
    measured = {row["work"] for row in result["rows"]}
    for work in [work for work in WORKS if work.name in measured]:
        curve = truth(work, result["truths"])
        found = [row for row in result["rows"] if row["work"] == work.name]
        errors = {r["seed"]: r["se"] for r in found if r["program"] == ONE_PARTITION.name}
        for program in work.programs:
            rows = [r for r in found if r["program"] == program.name and r["seed"] in errors]
            if not rows:
                continue
            there = [arrived(row["choices"], curve, errors[row["seed"]]) for row in rows]
            firsts = [first for first in there if first]
            lines.append([
                work.name, program.name, str(program.cores), f"{rows[0]['trials']}",
                f"{len(firsts)} of {len(rows)}", _span([f[0] for f in firsts]),
                _span([f[1] for f in firsts]), _span([row["seconds"] for row in rows]),
                _span([row["cpu_seconds"] for row in rows]),
            ])  # fmt: skip
    head = (
        "work", "program", "cores", "trials", "ends within 1 SE", "stays within 1 SE from, s",
        "CPU s until then", "whole job, s", "CPU s",
    )  # fmt: skip
    before = result["machine"]["load_before"]
    return f"{rendered(head, lines)}\n\nLoad of the machine before: {before:.1f}."


def _span(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="works whose name contains this")
    parser.add_argument("--quick", action="store_true", help="a rehearsal: no figure is of use")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    about = machine() | {"load_before": os.getloadavg()[0]}
    fresh: dict[str, Any] = {"machine": about, "truths": {}, "rows": []}
    result = json.loads(args.output.read_text()) if args.output.exists() else fresh
    done_before = {(row["work"], row["seed"]) for row in result["rows"]}
    for work in [work for work in WORKS if args.only in work.name]:
        truth(work, result["truths"])
        for seed in range(1, args.runs + 1):
            if (work.name, seed) not in done_before:
                result["rows"] += measure(work, seed, args.quick)
                args.output.write_text(json.dumps(result) + "\n", encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    main()
