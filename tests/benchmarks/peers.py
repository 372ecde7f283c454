"""`sweep` on a device against what people would use instead there: the same work, one process.

"Training alone" is what a program does between rows on the device and values on the host, in
this process, after a warm-up: no start-up, no asks, no storage. "Whole job" is from the start
of a process to its written result, as `python -m tests.benchmarks` times it. On a GPU the
asks and starting up take most of a whole job, so both are told. "Parts" says where a study's time
goes, from the study read to the study stored, in this process.

The plain loop trains one network at a time and so makes fewer trials; those missing are added at
the pace of the rest. torch.func trains all of its grid at once, whatever `search.in_flight` is.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from sweep.plan.plan import Plan, make_plan
from sweep.spec.files import load_spec
from sweep.spec.study import StudySpec
from sweep.training.cohort import Cohort
from tests.benchmarks import ensemble, plain
from tests.benchmarks.comparison import Outcome, done, figures, row
from tests.benchmarks.contracts import trained
from tests.benchmarks.floor import flops_and_bytes, seconds
from tests.benchmarks.job import Job, read_job
from tests.benchmarks.machine import STUDIES
from tests.benchmarks.parts import run_timed
from tests.benchmarks.workloads import (
    DIGITS,
    ENSEMBLE,
    PLAIN,
    QUICK,
    RANGE,
    SWEEP,
    Program,
    Workload,
)  # fmt: skip

Row = dict[str, Any]
AT_ONCE, MANY, BY_PLAIN = 128, 512, 3  # trials
JOB_S = 150.0  # that a program may take
GRAPHS = ("training.cuda_graph=true",)
NOT_TRAINING = ("data and plan", "Optuna", "storage")


class Way(NamedTuple):
    """How a program trains: the call, and how many trainings it makes."""

    train: Callable[[], Any]
    trainings: int


def workloads(device: torch.device, quick: bool) -> tuple[Workload, ...]:
    """Return the default study with 128 trials, all at once, and with 512, 128 at once."""
    at_once, many, by_plain = (8, 16, 2) if quick else (AT_ONCE, MANY, BY_PLAIN)
    sets = (*RANGE, f"search.in_flight={at_once}", *(QUICK if quick else ()))
    module = "sweep" if has_command_line() else "inside"
    ours, loop, functional = (
        Program(name, made, device=str(device))
        for name, made in (
            (SWEEP.name, module), (PLAIN.name, PLAIN.module), (ENSEMBLE.name, ENSEMBLE.module),
        )
    )  # fmt: skip
    graphs = Program(f"{SWEEP.name}, graphs", module, device=str(device), sets=GRAPHS)
    ours_all = (ours, graphs) if device.type == "cuda" else (ours,)
    return (
        Workload(
            f"default study, {at_once} trials at once", DIGITS, sets, at_once,
            (*ours_all, loop, functional), {PLAIN.name: by_plain},
        ),
        Workload(
            f"default study, {many} trials, {at_once} at once", DIGITS, sets, many,
            (*ours_all, functional),
        ),
    )  # fmt: skip


def has_command_line() -> bool:
    """Whether `python -m sweep` runs here; else it is started from Python."""
    try:
        return all(map(find_spec, ("typer", "rich")))
    except ModuleNotFoundError:
        return False


def whole_jobs(
    device: torch.device, runs: int, quick: bool, deadline: float
) -> Iterator[list[Row]]:
    """Run the programs in turn; one that fails is told of at the end, and is not run again.

    Args:
        device: what they train on.
        runs: turns; none is begun that would end after the deadline.
        quick: a rehearsal.
        deadline: on the clock of time.monotonic.
    """
    works, failed = workloads(device, quick), dict[tuple[str, str], str]()
    found: dict[str, dict[str, list[Outcome]]] = {
        work.name: {program.name: [] for program in work.programs} for work in works
    }
    turn_s = 0.0
    for turn in range(runs):
        begin = time.monotonic()
        if turn and begin + turn_s > deadline:
            break
        for work, program in [(each, program) for each in works for program in each.programs]:
            if (work.name, program.name) in failed:
                continue
            try:
                outcome = run_once(program, work)
            except (Exception, SystemExit) as error:
                failed[work.name, program.name] = str(error)
            else:
                found[work.name][program.name].append(outcome)
                yield [row for each in works for row in side_by_side(each, found[each.name])]
        turn_s = time.monotonic() - begin
    if failed:
        told = (f"{work}: {program} {message}" for (work, program), message in failed.items())
        raise RuntimeError("\n".join(told))


def side_by_side(work: Workload, found: dict[str, list[Outcome]]) -> list[Row]:
    """Return the figures of a workload's programs, of the turns that each made beside `sweep`."""
    rows = []
    for program in work.programs:
        turns = min(len(found[program.name]), len(found[program.sweep]))
        if turns:
            pairs = {name: found[name][:turns] for name in (program.name, program.sweep)}
            rows.append(row(program, work, pairs))
    return rows


def run_once(program: Program, work: Workload) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        outcome = done(program, work, Path(folder), quick=False, limit_s=JOB_S)
    print(f"  {work.name}: {program.name} {outcome.run.seconds:.1f} s", file=sys.stderr)
    return outcome


def trainings_alone(
    device: torch.device, runs: int, quick: bool, rate: dict[str, float] | None
) -> Iterator[list[Row]]:
    """Time the training of all lanes at once, in turns, after one turn as a warm-up.

    Args:
        device: what they train on.
        runs: turns that count.
        quick: a rehearsal.
        rate: the device's FLOP/s and bytes/s, for the share of the floor (floor.py).
    """
    work = workloads(device, quick)[0]
    plan = make_plan(study(work, device))
    sets = [part for key in work.sets for part in ("--set", key)]
    job = read_job(
        [str(STUDIES / work.study), "", *sets, "--trials", str(work.trials),
         "--device", str(device)]
    )  # fmt: skip
    ways = {
        "sweep": Way(lambda: fused(plan, job), work.trials * work.replicates),
        PLAIN.name: Way(lambda: [plain.train(job, r, job.high) for r in range(2)], 2),
        ENSEMBLE.name: Way(
            lambda: ensemble.train(job, ensemble.grid(job)).tolist(),
            work.trials * work.replicates,
        ),
    }
    if device.type == "cuda":
        graphs = replace(plan, recipe=replace(plan.recipe, cuda_graph=True))
        ways["sweep, graphs"] = Way(lambda: fused(graphs, job), work.trials * work.replicates)
    torch.manual_seed(0)
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(runs + 1):
        for name, way in ways.items():
            spent[name] += [seconds(device, way.train)][: turn > 0]
        if turn:
            yield [alone(work, plan, name, ways, spent, rate) for name in ways]


def fused(plan: Plan, job: Job) -> None:
    """Train the grid of torch.func in as many lanes, until the host has what came of it."""
    cohort = Cohort(plan.problem, plan.factory, plan.recipe, job.trials * len(job.replicates))
    settings = [plan.setting({"alpha": alpha}) for alpha in ensemble.grid(job).tolist()]
    trained(cohort, {0: [(str(k), setting) for k, setting in enumerate(settings)]})


def alone(
    work: Workload, plan: Plan, name: str, ways: dict[str, Way], spent: dict[str, list[float]],
    rate: dict[str, float] | None,
) -> Row:  # fmt: skip
    """Return the figures of a program, under the names that those of whole jobs have."""
    trainings, made = work.trials * work.replicates, ways[name].trainings
    whole = [took * trainings / made for took in spent[name]]
    flops, moved = flops_and_bytes(plan)
    floor_s = max(flops / rate["flop_s"], moved / rate["byte_s"]) if rate else None
    return {
        "work": work.name,
        "program": name,
        "cores": 1,
        "trials": work.trials,
        "trainings": trainings,
        "trainings_made": made,
        "seconds_measured": figures(spent[name]),
        "seconds": figures(whole),
        "ms_a_training": figures([1e3 * took / trainings for took in whole]),
        "trainings_per_second": figures([trainings / took for took in whole]),
        "sweep_is_times_faster": figures(
            [took / ours for took, ours in zip(whole, spent["sweep"], strict=True)]
        ),
        "share_of_floor": floor_s and floor_s * trainings / median(whole),
    }


def parts(device: torch.device, runs: int, quick: bool) -> Iterator[list[Row]]:
    """Time the parts of the studies, run in this process: medians over the runs.

    On a GPU a step is only queued when its timer stops; the evaluation that ends each epoch waits
    for all of it. So training is told as one part, with its evaluation.
    """
    rows = []
    for work in workloads(device, quick):
        found = [parts_once(study(work, device)) for _ in range(runs)]
        middle = {name: median(run[name] for run in found) for name in found[0]}
        lanes = make_plan(study(work, device)).width
        about = {"work": work.name, "trials": work.trials, "lanes": lanes, "runs": runs}
        rows.append({**about, "seconds": middle})
        yield rows


def parts_once(spec: StudySpec) -> dict[str, float]:
    spent = run_timed(spec)
    told = {name: spent.pop(name) for name in (*NOT_TRAINING, "the rest", "whole")}
    return {**told, "training": sum(spent.values())}


def study(work: Workload, device: torch.device) -> StudySpec:
    """Return the study of a workload on the device."""
    changes = (*work.sets, f"search.n_trials={work.trials}", f"device={device}")
    return load_spec(STUDIES / work.study, changes)
