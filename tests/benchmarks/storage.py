"""Time what the storage costs a trial: the mirror beside Optuna's own storage.

    python -m tests.benchmarks.storage          # part of `make bench`

A tick creates, reports (10 values) and ends 64 trials, as a cohort of 64 does: one parameter,
six user attributes each. SQLite in a temporary folder; PostgreSQL where its programs are
installed (fsync off, reached by a socket). Figures are medians over ticks. Optuna's own storage
gets the same calls for one tick. Asks are timed on studies that hold 100 … 10,000 results
already, and the share of a whole default study is taken inside one run of it.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from sweep.runner import run
from sweep.search.ask_tell import Search
from sweep.search.fast_tpe import TPE
from sweep.spec.files import load_spec
from sweep.storage.engine import open_storage
from sweep.storage.mirror import MirroredStorage
from tests.benchmarks.machine import OF_48, STUDY, machine
from tests.support.postgres import shared_server

TRIALS, REPORTS, ATTRS, TICKS = 64, 10, 6, 8
ALPHA = FloatDistribution(1e-6, 1.0, log=True)
HERE = Path(__file__).parent


def tick(storage: BaseStorage, study_id: int, flush: Callable[[bool], None], often: bool) -> float:
    """Run one tick of trials; return the milliseconds a trial."""
    begin = time.perf_counter()
    ids = [storage.create_new_trial(study_id) for _ in range(TRIALS)]
    for place, trial_id in enumerate(ids):
        storage.set_trial_param(trial_id, "alpha", 1e-3 * (place + 1), ALPHA)
    for step in range(REPORTS):
        for trial_id in ids:
            storage.set_trial_intermediate_value(trial_id, step, 0.5)
        if often:
            flush(False)
    for trial_id in ids:
        for attr in range(ATTRS):
            storage.set_trial_user_attr(trial_id, f"attr{attr}", [0.5] * 8)
        storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.5])
    flush(True)
    return 1e3 * (time.perf_counter() - begin) / TRIALS


def mirror_cost(url: str) -> dict[str, float]:
    """Return milliseconds a trial with one flush a tick, and with one after every report."""
    mirror = MirroredStorage(open_storage(url))
    study_id = mirror.create_new_study([StudyDirection.MINIMIZE], "cost")

    def flush(durable: bool) -> None:
        mirror.flush(durable=durable)

    try:
        return {
            name: median(tick(mirror, study_id, flush, often) for _ in range(TICKS))
            for name, often in (("one_flush", False), ("flush_every_report", True))
        }
    finally:
        mirror.close()


def plain_cost(url: str) -> float:
    """Return milliseconds a trial through Optuna's own storage, as it comes."""
    storage = RDBStorage(url)
    study_id = storage.create_new_study([StudyDirection.MINIMIZE], "plain")
    took = tick(storage, study_id, lambda durable: None, often=False)
    storage.engine.dispose()
    return took


def ask_cost(url: str, n_trials: int, sampler: optuna.samplers.BaseSampler) -> float:
    """Return milliseconds an ask and a tell take beside n_trials finished trials."""
    mirror = MirroredStorage(open_storage(url))
    study = optuna.create_study(storage=mirror, study_name=f"ask{n_trials}", sampler=sampler)
    for place in range(n_trials):
        params = {"alpha": 1e-6 * 10 ** (6 * (place % 997) / 997)}
        known = create_trial(params=params, distributions={"alpha": ALPHA}, value=place % 31)
        study.add_trial(known)
    mirror.flush()
    times = []
    for _ in range(12):
        begin = time.perf_counter()
        trial = study.ask({"alpha": ALPHA})
        study.tell(trial, 0.5)
        mirror.flush()
        times.append(1e3 * (time.perf_counter() - begin))
    mirror.close()
    return median(times)


def study_share(folder: Path) -> dict[str, float]:
    """Return the shares of the time of 48 trials that go to asks and tells, and to flushes."""
    spent = {"asks_and_tells": 0.0, "flushes": 0.0}

    def timed(key: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                spent[key] += time.perf_counter() - begin

        return wrapped

    spec = load_spec(STUDY, {"storage": f"sqlite:///{folder}/share.db", **OF_48})
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ask", "report", "tell"):
            patch.setattr(Search, name, timed("asks_and_tells", getattr(Search, name)))
        patch.setattr(MirroredStorage, "flush", timed("flushes", MirroredStorage.flush))
        begin = time.perf_counter()
        run.run_study(spec)
        whole = time.perf_counter() - begin
    return {key: round(seconds / whole, 4) for key, seconds in spent.items()}


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """Give the URL of an empty database of every kind that this machine has."""
    found = {"sqlite": f"sqlite:///{folder}/cost.db"}
    with suppress(pytest.skip.Exception):
        server = shared_server()
        with server.database() as url:
            yield {**found, "postgresql": url}
            return
    yield found


def measure() -> dict[str, Any]:
    """Make all figures."""
    result: dict[str, Any] = {"machine": machine(), "ms_per_trial": {}, "ask_and_tell_ms": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with databases(folder) as urls:
            for kind, url in urls.items():
                result["ms_per_trial"][kind] = {**mirror_cost(url), "plain": plain_cost(url)}
                print(f"  storage: {kind} {result['ms_per_trial'][kind]}", file=sys.stderr)
        for n_trials in (100, 1000, 10_000):
            for kind, sampler in (
                ("tpe", TPE(seed=0)),
                ("random", optuna.samplers.RandomSampler(seed=0)),
            ):
                url = f"sqlite:///{folder}/{kind}{n_trials}.db"
                cost = ask_cost(url, n_trials, sampler)
                result["ask_and_tell_ms"].setdefault(kind, {})[str(n_trials)] = round(cost, 2)
        result["share_of_default_study"] = study_share(folder)
    return result


def table(result: dict[str, Any]) -> str:
    """Render the figures as the README's tables."""
    lines = [
        "| ms a trial, 64 × 10 reports | one flush | flush at every report | Optuna's own |",
        "|---|---|---|---|",
    ]
    for kind, cost in result["ms_per_trial"].items():
        lines.append(
            f"| {kind} | {cost['one_flush']:.2f} | {cost['flush_every_report']:.2f} "
            f"| {cost['plain']:.0f} |"
        )
    lines += [
        "",
        "| ms an ask and tell, trials in the study | 100 | 1,000 | 10,000 |",
        "|---|---|---|---|",
    ]
    for kind, costs in result["ask_and_tell_ms"].items():
        lines.append(f"| {kind} | " + " | ".join(f"{cost:.1f}" for cost in costs.values()) + " |")
    share = result["share_of_default_study"]
    lines += [
        "",
        f"Of 48 trials' time, asks, reports and tells take {share['asks_and_tells']:.1%},"
        f" flushes {share['flushes']:.1%}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, write storage.json beside this file, print the tables."""
    logging.disable()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    result = measure()
    (HERE / "storage.json").write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
