"""Time whole jobs, process start to written result, against the script one would write.

    make bench                     # or: python -m tests.benchmarks [--runs 3] [--quick]

Every row pairs `sweep run` with the plain script on the same rows, epochs, batch, network and
range of alpha, one CPU thread each, SQLite both, taking turns; figures are medians over the
runs. A training is one replicate of one trial; `sweep` trains the alpha = 0 control besides,
which counts. Writes tests/benchmarks/results.json and prints the table that the README shows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
STUDY = HERE.parent.parent / "studies" / "digits-l2.yaml"
FOLDS = 8


@dataclass(frozen=True)
class Job:
    """One workload: what is changed in the default study, and how many trials each side runs."""

    name: str
    sets: tuple[str, ...]
    trials: int
    plain_trials: int


JOBS = (
    Job("default study (64-32-10)", (), 48, 48),
    Job("hidden 128-128", ("model.hidden=[128,128]", "training.epochs=30"), 24, 6),
    Job("hidden 512", ("model.hidden=[512]", "training.epochs=30"), 24, 6),
)


@dataclass(frozen=True)
class Run:
    """What one process took."""

    seconds: float
    peak_mib: float
    value: float


def timed(command: list[str]) -> Run:
    """Run a command that prints a JSON object with `best_value`; wall time and peak memory."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent.parent)}
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"failed with {process.returncode}: {' '.join(command)}")
    return Run(seconds, usage.ru_maxrss / 1024, json.loads(output)["best_value"])


def commands(job: Job, folder: str) -> dict[str, tuple[list[str], int]]:
    """Return the commands to compare and how many trainings each makes."""
    sets = [part for key in job.sets for part in ("--set", key)]
    ours = [sys.executable, "-m", "sweep", "run", str(STUDY), *sets, "--json", "--n-trials",
            str(job.trials), "--storage", f"sqlite:///{folder}/ours.db"]  # fmt: skip
    plain = [sys.executable, "-m", "tests.benchmarks.plain", str(STUDY), *sets, "--trials",
             str(job.plain_trials)]  # fmt: skip
    return {
        "sweep": (ours, (job.trials + 1) * FOLDS),
        "plain": ([*plain, f"sqlite:///{folder}/plain.db"], job.plain_trials * FOLDS),
        "plain, no DataLoader": (
            [*plain, f"sqlite:///{folder}/tensors.db", "--tensors"],
            job.plain_trials * FOLDS,
        ),
    }


def compare(job: Job, runs: int) -> list[dict[str, Any]]:
    """Run the commands of a job in turn, and put their figures side by side."""
    found: dict[str, list[Run]] = {}
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            for name, (command, _) in commands(job, folder).items():
                found.setdefault(name, []).append(timed(command))
                print(f"  {job.name}: {name} {found[name][-1].seconds:.1f} s", file=sys.stderr)
    counts = {name: n for name, (_, n) in commands(job, "").items()}
    each = {name: [run.seconds / counts[name] for run in found[name]] for name in found}
    return [
        {
            "job": job.name,
            "program": name,
            "runs": runs,
            "trainings": counts[name],
            "seconds": round(median(run.seconds for run in found[name]), 2),
            "trainings_per_second": round(1 / median(each[name]), 2),
            # paired: each run against the run of sweep beside it
            "sweep_is_times_faster": round(
                median(a / b for a, b in zip(each[name], each["sweep"], strict=True)), 2
            ),
            "peak_mib": round(median(run.peak_mib for run in found[name])),
            "best_value": round(median(run.value for run in found[name]), 4),
        }
        for name in found
    ]


def machine() -> dict[str, Any]:
    """Return what the figures were made on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    packages = ("torch", "optuna", "scikit-learn")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": 1,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Render the rows as the README's table."""
    lines = [
        "| work | program | whole job, s | trainings / s | sweep is | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        faster = "" if row["program"] == "sweep" else f"{row['sweep_is_times_faster']:.1f}×"
        lines.append(
            f"| {row['job']} | {row['program']} | {row['seconds']:.1f} ({row['trainings']}) "
            f"| {row['trainings_per_second']:.1f} | {faster} | {row['peak_mib']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="the plain script runs 6 trials only")
    parser.add_argument("--only", default="", help="jobs whose name contains this")
    parser.add_argument("--output", type=Path, default=HERE / "results.json")
    args = parser.parse_args()
    before = json.loads(args.output.read_text())["rows"] if args.output.exists() else []
    jobs = [job for job in JOBS if args.only in job.name]
    rows = [row for row in before if row["job"] not in {job.name for job in jobs}]
    for job in jobs:
        shorter = Job(job.name, job.sets, job.trials, min(6, job.plain_trials))
        rows += compare(shorter if args.quick else job, args.runs)
        result = {"machine": machine(), "rows": rows}
        args.output.write_text(json.dumps(result, indent=1) + "\n")
    print(table(rows))
    print(machine())


if __name__ == "__main__":
    main()
