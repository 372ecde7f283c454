"""Time what Ray costs beside forked workers, and how many actors one owner can serve.

    python -m tests.benchmarks.engines          # --runs 3; 6 minutes on a quiet machine

* Pairs of whole `sweep run` processes, in turns: two forked workers, and two Ray actors on the
  same two cores, by the length of training.
* Messages: the round trip of a call, an answer with epochs in it, rows put once and read.
* Actors that only sleep (`sleepers`), 256 lanes each, so that the owner is all that works: its
  share of the time, and what a trial costs it, by part, in CPU time.

Writes engines.json and prints the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import optuna
import pytest

from sweep.engines.messages import Start
from sweep.runner.run import run_study
from sweep.search.ask_tell import Search
from sweep.spec.files import load_spec
from sweep.storage.mirror import MirroredStorage
from tests.benchmarks.machine import HERE, OF_48, STUDY, machine
from tests.benchmarks.sleepers import EPOCHS, SleepingCluster, all_ready, sleeping
from tests.benchmarks.timing import timed

LENGTHS = (60, 300, 900)  # epochs of the default study
LANES = 256  # of a sleeping actor
MANY = 64  # actors
FEW = 3  # runs of a pair: with fewer no line is fitted
PROGRAMS = {
    "workers": ["--set", "training.workers=2"],
    "ray": ["--engine", "ray", "--set", "engine.actors=2"],
}
PARTS = ("asks and tells", "flushes", "Ray")

# --- whole runs


def pairs(lengths: Sequence[int], runs: int) -> list[dict[str, Any]]:
    """Time both programs in turns, for each length of training."""
    with tempfile.TemporaryDirectory() as folder:
        return [_pair(epochs, runs, folder) for epochs in lengths]


def _pair(epochs: int, runs: int, folder: str) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {program: [] for program in PROGRAMS}
    for turn in range(runs):
        for program, options in PROGRAMS.items():
            url = f"sqlite:///{folder}/{program}-{epochs}-{turn}.db"
            run = timed([
                sys.executable, "-m", "sweep", "run", str(STUDY), "--storage", url,
                *(f"--set={key}={value}" for key, value in OF_48.items()),
                "--set", f"training.epochs={epochs}", *options,
            ])  # fmt: skip
            seconds[program].append(round(run.seconds, 2))
    print(f"  engines: {epochs} epochs {seconds}", file=sys.stderr)
    return {"epochs": epochs, "seconds": seconds}


def overhead(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Fit the time with Ray as a line over that with workers: fixed seconds, and a factor."""
    workers, ray = (
        np.array([median(row["seconds"][program]) for row in rows]) for program in PROGRAMS
    )
    if len(rows) < 2:
        return {"fixed_s": float(ray[0] - workers[0]), "factor": 1.0}
    factor, fixed = np.polyfit(workers, ray, 1)
    return {"fixed_s": round(float(fixed), 2), "factor": round(float(factor), 3)}


def pays_from_s(cost: dict[str, float], times: int) -> float | None:
    """Return how long workers must take for Ray to be faster on so many times their cores."""
    gained = 1 - cost["factor"] / times
    return max(0.0, cost["fixed_s"] / gained) if gained > 0 else None


# --- messages


def message_costs(repeats: int) -> dict[str, float]:
    """Return what calls of an actor take, in milliseconds, and rows that are put and read."""
    spec = load_spec(STUDY, {"engine.kind": "ray", **OF_48})
    cluster = SleepingCluster(spec.engine, 0.0, EPOCHS, spec.n_replicates)
    cluster.join()
    try:
        actor = cluster.hire()

        def call(method: str, *args: Any) -> Any:
            ref = cluster.call(actor, method, *args)
            while not cluster.ready([ref], 60):
                pass
            return cluster.get(ref)

        def trials() -> list[Start]:
            return [Start(i, {"strength": 0.01}) for i in range(LANES // spec.n_replicates)]

        began = time.perf_counter()
        call("make", LANES, 0)
        costs = {"actor_start_s": round(time.perf_counter() - began, 2)}
        costs["call"] = _ms(lambda: call("make", LANES, 0), repeats)
        call("step", trials(), 0.0)
        costs["epoch_of_32_trials"] = _ms(lambda: call("step", [], 0.0), min(repeats, EPOCHS - 2))
        for megabytes in (1, 100):
            rows = [np.zeros(megabytes << 20, dtype=np.uint8)]
            costs[f"put_{megabytes}_mb"] = _ms(partial(cluster.put, rows), 5)
            read = partial(call, "adopt", None, cluster.put(rows))
            costs[f"read_{megabytes}_mb"] = _ms(read, 5)
        return costs
    finally:
        cluster.leave()


def _ms(call: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - begin))
    return round(median(times), 3)


# --- the owner


class Clock:
    """Adds up the CPU time that calls take in this thread: other programs do not count."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(PARTS, 0.0)

    def on(self, part: str, call: Callable[..., Any]) -> Any:
        """Return a call that is timed."""

        def timed_call(*args: Any, **kwargs: Any) -> Any:
            begin = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.spent[part] += time.thread_time() - begin

        return timed_call


@contextmanager
def clocked() -> Iterator[Clock]:
    """Time the parts of a run in its owner."""
    clock = Clock()
    timed_parts = (
        ("asks and tells", Search, ("ask", "ask_ahead", "report", "tell")),
        ("flushes", MirroredStorage, ("flush",)),
        ("Ray", SleepingCluster, ("call", "get", "ready")),
    )
    with pytest.MonkeyPatch.context() as patch:
        for part, kind, names in timed_parts:
            for name in names:
                patch.setattr(kind, name, clock.on(part, getattr(kind, name)))
        yield clock


def owner_share(n_actors: int, epoch_s: float) -> dict[str, Any]:
    """Run a study on actors that sleep; return what its owner did in that time."""
    with tempfile.TemporaryDirectory() as folder:
        found = _owner_share(n_actors, epoch_s, folder)
    print(f"  engines: {found}", file=sys.stderr)
    return found


def _owner_share(n_actors: int, epoch_s: float, folder: str) -> dict[str, Any]:
    slots = n_actors * LANES // 8
    trials = 2 * slots
    keys = {
        "storage": f"sqlite:///{folder}/{n_actors}-{epoch_s}.db",
        "search.n_trials": trials,
        "search.in_flight": slots,
    }
    with sleeping(n_actors, epoch_s, LANES, **keys) as (spec, engine):
        engine.resolve()
        all_ready(engine, n_actors)
        with clocked() as clock:
            begin, cpu = time.perf_counter(), time.thread_time()
            run_study(spec, engine=engine)
            seconds, cpu_s = time.perf_counter() - begin, time.thread_time() - cpu
    spent = {**clock.spent, "the rest": max(0.0, cpu_s - sum(clock.spent.values()))}
    return {
        "actors": n_actors,
        "slots": slots,
        "trials": trials,
        "trial_s": EPOCHS * epoch_s,
        "seconds": round(seconds, 2),
        "cpu_s": round(cpu_s, 2),
        "busy_share": round(sum(spent.values()) / seconds, 3),
        "ms_a_trial": {part: round(1e3 * s / trials, 3) for part, s in spent.items()},
    }


def busy_ms(row: dict[str, Any]) -> float:
    """Return what a trial costs the owner, in milliseconds."""
    return float(sum(row["ms_a_trial"].values()))


# --- tables


def table(result: dict[str, Any]) -> str:
    """Render the figures as Markdown."""
    return "\n\n".join([_pairs(result), _messages(result["messages_ms"]), _owner(result["owner"])])


def _pairs(result: dict[str, Any]) -> str:
    lines = [
        "| epochs | 2 forked workers, s | 2 Ray actors, s | difference, s |",
        "|---|---|---|---|",
    ]
    for row in result["pairs"]:
        workers, ray = (median(row["seconds"][program]) for program in PROGRAMS)
        lines.append(f"| {row['epochs']} | {workers:.1f} | {ray:.1f} | {ray - workers:+.1f} |")
    runs, load = len(result["pairs"][0]["seconds"]["ray"]), result["load_before"]["pairs"]
    said = [f"n = {runs}; load of the machine before: {load}."]
    if runs < FEW:
        return "\n".join([*lines, "", *said])
    cost = overhead(result["pairs"])
    said.append(f"With Ray a run takes {cost['fixed_s']:.0f} s + {cost['factor']:.2f} × as long.")
    for times in (2, 4, 16):
        least = pays_from_s(cost, times)
        if least is not None:
            said.append(f"On {times} times the cores it pays from {least:.0f} s of workers on.")
    return "\n".join([*lines, "", " ".join(said)])


def _messages(costs: dict[str, float]) -> str:
    names = {
        "call": "a call and its answer", "epoch_of_32_trials": "an epoch of 32 trials",
        "put_1_mb": "1 MB of rows, put", "read_1_mb": "read by an actor",
        "put_100_mb": "100 MB of rows, put", "read_100_mb": "read by an actor",
    }  # fmt: skip
    head = "| " + " | ".join(f"{name}, ms" for name in names.values()) + " |"
    cells = "| " + " | ".join(f"{costs[key]:.1f}" for key in names) + " |"
    return "\n".join([head, "|---" * len(names) + "|", cells])


def _owner(rows: Sequence[dict[str, Any]]) -> str:
    parts = [*rows[0]["ms_a_trial"]]
    heads = ["actors", "trials at once", "a trial, s", "the owner is busy",
             *(f"{part}, ms a trial" for part in parts), "at most, trials/s"]  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        costs = " | ".join(f"{row['ms_a_trial'][part]:.2f}" for part in parts)
        lines.append(
            f"| {row['actors']} | {row['slots']} | {row['trial_s']:.0f}"
            f" | {row['busy_share']:.0%} | {costs} | {1e3 / busy_ms(row):.0f} |"
        )
    least_s = MANY * LANES // 8 * busy_ms(rows[-1]) / 1e3
    full = "; ".join(
        f"{length:,} s a trial: {min(1.0, length / least_s):.0%}" for length in (10, 60, 600)
    )
    return "\n".join([
        *lines, "",
        f"On paper {MANY} actors of {LANES} lanes keep the owner busy all the time"
        f" where a trial takes less than {least_s:.0f} s. So of their lanes train, by the length"
        f" of a trial: {full}.",
    ])  # fmt: skip


MEASURED: dict[str, Callable[[int, bool], Any]] = {
    "pairs": lambda runs, quick: pairs((2,) if quick else LENGTHS, runs),
    "messages_ms": lambda _, quick: message_costs(3 if quick else 300),
    "owner": lambda _, quick: [
        owner_share(n_actors, 0.002 if quick else 0.1)
        for n_actors in ((2,) if quick else (1, 4, 16, MANY))
    ],
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write engines.json beside this file, print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=MEASURED, help="one part; the others stay as they are")
    parser.add_argument("--quick", action="store_true", help="a rehearsal; writes nothing")
    args = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = HERE / "engines.json"
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if args.only else {}
    result["machine"] = machine()
    result["command"] = "python -m tests.benchmarks.engines"
    for part in [args.only] if args.only else MEASURED:
        load = round(os.getloadavg()[0], 1)
        result[part] = MEASURED[part](args.runs, args.quick)
        result.setdefault("load_before", {})[part] = load
        if not args.quick:
            path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    main()
