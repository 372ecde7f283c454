"""When a run asks, and what a device that is ahead of it changes: nothing."""

import itertools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

import sweep
from sweep.runner import loop
from sweep.search.ask_tell import Search
from sweep.training.lanes import Lanes
from tests.runner.test_run import table
from tests.support.studies import tiny

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "pruner"), [("tpe", "none"), ("tpe", "median"), ("random", "median")]
)
def test_a_device_that_is_an_epoch_ahead_changes_neither_asks_nor_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, pruner: str
) -> None:
    tables = []
    for ahead in (False, True):
        monkeypatch.setattr(Lanes, "is_asynchronous", ahead)
        spec = tiny(
            tmp_path, storage=f"sqlite:///{tmp_path}/{ahead}.db", training__width=12,
            search__sampler__type=sampler, search__pruner__type=pruner,
        )  # fmt: skip
        tables.append(table(sweep.run(spec)))
    assert ("PRUNED" in set(tables[0]["state"])) == (pruner != "none")
    pd.testing.assert_frame_equal(tables[0], tables[1], check_exact=True)


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """List how many trials wait for a slot after each ask ahead."""
    counts: list[int] = []
    ask_ahead = Search.ask_ahead

    def asking(search: Search) -> None:
        ask_ahead(search)
        waiting = search.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        assert all(trial.params for trial in waiting)
        counts.append(len(waiting))

    monkeypatch.setattr(Search, "ask_ahead", asking)
    return counts


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "qmc", "grid", "tpe"])
def test_trials_are_asked_for_before_they_have_a_slot(
    tmp_path: Path, ahead: list[int], sampler: str
) -> None:
    given = {"search__sampler__type": sampler}
    early = table(sweep.run(tiny(tmp_path, training__width=8, **given)))
    assert max(ahead) == 2  # as many as there are slots
    late = table(sweep.run(tiny(tmp_path, study_name="wide", **given))).sort_values("number")
    pd.testing.assert_frame_equal(early.sort_values("number"), late, rtol=2e-4)


def test_no_trial_is_asked_for_before_the_results_that_it_depends_on(
    tmp_path: Path, ahead: list[int]
) -> None:
    sweep.run(tiny(tmp_path, search__in_flight=3, training__width=16))  # a slot for each
    assert not ahead


@pytest.mark.slow
def test_trials_that_run_late_for_a_timeout_wait_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: list[int]
) -> None:
    given = {"search__sampler__type": "random", "training__width": 8}
    whole = table(sweep.run(tiny(tmp_path, study_name="whole", **given)))
    waited = set()
    for at in range(3, 60, 9):  # seconds, of a clock that every look moves on
        name = f"at-{at}"
        with monkeypatch.context() as patch:
            clock = SimpleNamespace(monotonic=itertools.count().__next__)
            patch.setattr(loop, "time", clock)
            result = sweep.run(tiny(tmp_path, study_name=name, search__timeout_s=at, **given))
        assert result.ending == "timeout"
        waited |= set(result.trials["state"])
        done = sweep.run(tiny(tmp_path, study_name=name, **given))
        pd.testing.assert_frame_equal(table(done), whole, check_exact=True)
    assert waited == {"COMPLETE", "WAITING"}


@pytest.mark.slow
def test_a_crash_counts_no_attempt_of_trials_that_had_no_slot_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: list[int]
) -> None:
    given = {"search__sampler__type": "random", "training__width": 8}
    whole = table(sweep.run(tiny(tmp_path, study_name="whole", **given)))
    for _ in range(2):
        crash_after(2, tmp_path)
    stored = optuna.load_study(study_name="tiny", storage=tiny(tmp_path).storage).trials
    assert {t.number for t in stored if t.state == TrialState.RUNNING} == {0}  # and the control
    assert {t.number for t in stored if t.state == TrialState.WAITING} == {1, 2}
    assert [t.user_attrs.get("attempts") for t in stored] == [1, None, None]
    pd.testing.assert_frame_equal(table(sweep.run(tiny(tmp_path, **given))), whole)


def crash_after(n_epochs: int, folder: Path) -> None:
    """Run the study in a process that ends at once after so many epochs, all being stored."""
    script = f"""
import os, pathlib, sweep
from sweep.runner import loop
from sweep.training.cohort import Cohort
from tests.support.studies import tiny

advance, calls, loop.CURVE_LAG_S = Cohort.advance, [], -1.0

def crashing(cohort):
    calls.append(cohort)
    if len(calls) > {n_epochs}:
        os._exit(9)
    return advance(cohort)

Cohort.advance = crashing
sweep.run(tiny(pathlib.Path({str(folder)!r}), search__sampler__type="random", training__width=8))
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 9
