"""Real Ray trains a study to the table that one process gives, whatever happens to its actors."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.support.clustered import Study, assert_done, assert_one_line
from tests.support.clusters import ROOT, Keeper, keeper, until
from tests.support.tables import Table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]

Whole = Callable[[str], Table]


@pytest.fixture(scope="module")
def ray() -> Iterator[Keeper]:
    """A cluster of a head that does not train, and one node with room for three actors."""
    with keeper() as made:
        made.start_head()
        made.add_node(3)
        yield made


@pytest.fixture(scope="module")
def whole(ray: Keeper, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """What the studies come to in one process."""
    known: dict[str, Table] = {}

    def of(kind: str) -> Table:
        if kind not in known:
            known[kind] = Study(tmp_path_factory.mktemp(kind), kind).run_locally(ray)
        return known[kind]

    return of


# --- nothing goes wrong --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "actors"),
    [("none", 1), ("none", 3), ("median", 2), ("lr", 3), ("design", 2)],
)
def test_any_number_of_actors_gives_the_table_of_one_process(
    ray: Keeper, whole: Whole, tmp_path: Path, kind: str, actors: int
) -> None:
    study = Study(tmp_path / "study", kind)
    run = study.start(ray, actors=actors)
    run.until(lambda: study.n_ended)
    assert len(ray.actors()) == actors
    assert_done(run.outcome())
    assert study.table() == whole(kind)
    until(lambda: not ray.actors(), "for the actors to go", 10)


def test_the_default_study_gives_the_table_of_one_process(ray: Keeper, tmp_path: Path) -> None:
    tree = (ROOT / "studies/digits-l2.yaml").read_text() + "device: cpu\n"
    tree = tree.replace("study_name: digits-l2", "study_name: tiny")
    here, there = Study(tmp_path / "here", tree=tree), Study(tmp_path / "there", tree=tree)
    assert there.run(ray) == here.run_locally(ray)
    assert here.n_ended == 13


def test_an_actor_that_is_slow_changes_nothing(ray: Keeper, whole: Whole, tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    run = study.start(ray, actors=2)
    first = run.until(ray.actors)[0]
    with slowed(first):
        assert_done(run.outcome())
    assert study.table() == whole("none")


@contextmanager
def slowed(pid: int) -> Iterator[None]:
    """Let a process work a fifth of the time."""
    done = threading.Event()

    def slow() -> None:
        with suppress(ProcessLookupError):
            while not done.is_set():
                os.kill(pid, signal.SIGSTOP)
                done.wait(0.2)
                os.kill(pid, signal.SIGCONT)
                done.wait(0.05)

    thread = threading.Thread(target=slow)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


# --- actors die ----------------------------------------------------------------------------

N_KILLS = 6  # a run


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", ["none", "median"])
def test_actors_that_are_killed_at_random_moments_cost_nothing(
    ray: Keeper, whole: Whole, tmp_path: Path, kind: str, seed: int
) -> None:
    study, draw = Study(tmp_path / "study", kind), random.Random(f"{kind} {seed}")
    run = study.start(ray, actors=2, max_lost=100)
    killed: list[int] = []
    while len(killed) < N_KILLS:
        if killed:
            time.sleep(0.2 + 1.3 * draw.random())
        victims = run.until(ray.actors)
        chosen = draw.sample(victims, min(len(victims), draw.choice([1, 1, 1, 2])))
        for pid in chosen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
        until(partial(gone, ray, chosen), limit_s=10)
    assert_done(run.outcome())
    assert len({*killed}) == len(killed) >= N_KILLS
    assert study.table() == whole(kind)


def gone(ray: Keeper, pids: list[int]) -> bool:
    return not {*pids} & {*ray.actors()}


OWN = """
import os
from torch import nn
from sweep.training.cohort import Cohort

def make(n_features, n_outputs):
    return nn.Sequential(nn.Linear(n_features, 8), nn.ReLU(), nn.Linear(8, n_outputs))

advance = Cohort.advance

def deadly(self):
    reports = advance(self)
    if any(report.trial == DEADLY and report.epoch >= 3 for report in reports):
        os._exit(1)
    return reports

Cohort.advance = deadly
"""
OWN_TREE = """
study_name: tiny
device: cpu
data: {source: "sklearn:digits", scale: none, train_rows: 100}
model: {source: "python:own:make"}
training: {optimizer: adam, lr: 2e-2, batch_size: 50, epochs: 10}
search: {n_trials: 12, sampler: {type: random}, space: {alpha: {low: 1e-4, high: 1e-1}}}
replicates: {n_folds: 2}
"""


def own_study(folder: Path, deadly: int = -1) -> Study:
    """Make a study with a network of the user's own; training a certain trial ends the process."""
    study = Study(folder, tree=OWN_TREE)
    (folder / "own.py").write_text(OWN.replace("DEADLY", str(deadly)))
    return study


def test_a_trial_that_ends_every_actor_fails_and_no_other_does(
    ray: Keeper, tmp_path: Path
) -> None:
    usual = own_study(tmp_path / "usual").run_locally(ray)
    rows = own_study(tmp_path / "deadly", deadly=5).run(ray, actors=2).trials
    assert [row["number"] for row in rows] == [str(n) for n in range(13)]
    assert [row["number"] for row in rows if row["state"] == "FAIL"] == ["5"]
    assert "failed" in rows[5]["attrs"]
    for row, expected in zip(rows, usual.trials, strict=False):
        assert row == expected or row["number"] == "5"


def test_actors_have_what_was_shipped_and_not_what_their_owner_has(
    ray: Keeper, tmp_path: Path
) -> None:
    usual = own_study(tmp_path / "usual").run_locally(ray)
    study = own_study(tmp_path / "study")
    run = study.start(ray, "training.epochs=10", actors=2)
    (first, *_) = run.until(lambda: study.n_ended and ray.actors())
    (study.folder / "own.py").unlink()
    shutil.rmtree(study.folder / "__pycache__", ignore_errors=True)
    os.kill(first, signal.SIGKILL)
    assert_done(run.outcome())
    assert study.table() == usual


def test_a_module_that_was_not_shipped_is_one_line(ray: Keeper, tmp_path: Path) -> None:
    study = own_study(tmp_path / "study")
    outcome = study.start(ray, ship="[tiny.yaml]", actors=1).outcome()
    assert_one_line(outcome, "engine.ship", code=2)
