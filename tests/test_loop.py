"""When a run asks, and what a device that is ahead of it changes: nothing."""

import itertools
from collections.abc import Hashable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import sweep
from sweep import loop
from sweep.cohort import Cohort
from sweep.lanes import Lanes
from sweep.reports import Setting
from sweep.search import Search
from tests.studies import tiny
from tests.test_runner import table


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
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """List how many trials had been asked for, and had no slot, after each ask."""
    waiting, ask, start = set[Hashable](), Search.ask, Cohort.start
    counts: list[int] = []

    def asking(search: Search) -> tuple[int, dict[str, float]]:
        number, params = ask(search)
        waiting.add(number)
        counts.append(len(waiting))
        return number, params

    def starting(cohort: Cohort, trial: Hashable, setting: Setting) -> None:
        waiting.discard(trial)
        start(cohort, trial, setting)

    monkeypatch.setattr(Search, "ask", asking)
    monkeypatch.setattr(Cohort, "start", starting)
    return counts


def test_trials_are_asked_for_before_they_have_a_slot(tmp_path: Path, asked: list[int]) -> None:
    early = table(sweep.run(tiny(tmp_path, training__width=8, search__sampler__type="random")))
    assert max(asked) == 2  # as many as there are slots
    late = sweep.run(tiny(tmp_path, study_name="wide", search__sampler__type="random"))
    pd.testing.assert_frame_equal(early, table(late).sort_values("number"), rtol=2e-4)


def test_no_trial_is_asked_for_before_the_results_that_it_depends_on(
    tmp_path: Path, asked: list[int]
) -> None:
    sweep.run(tiny(tmp_path, search__in_flight=3, training__width=12))  # a slot for each
    assert max(asked) == 1


def test_trials_asked_for_too_late_to_train_are_asked_for_at_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[int]
) -> None:
    given = {"search__sampler__type": "random", "training__width": 8}
    whole = table(sweep.run(tiny(tmp_path, study_name="whole", **given)))
    for at in range(3, 60, 9):  # seconds, of a clock that every look moves on
        name = f"at-{at}"
        with monkeypatch.context() as patch:
            clock = SimpleNamespace(monotonic=itertools.count().__next__)
            patch.setattr(loop, "time", clock)
            result = sweep.run(tiny(tmp_path, study_name=name, search__timeout_s=at, **given))
        assert result.ending == "timeout"
        assert "RUNNING" not in set(result.trials["state"])
        done = sweep.run(tiny(tmp_path, study_name=name, **given))
        pd.testing.assert_frame_equal(table(done), whole, check_exact=True)
    assert max(asked) == 2
