"""What `status` tells, read without changing anything."""

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

import sweep
from sweep.analysis.status import load_study, overview
from sweep.errors import StorageError, UsageError
from sweep.storage.foreign import ASKED
from sweep.storage.mirror import MirroredStorage
from tests.support.cases import few_fast
from tests.support.mirrors import on_engines, plain_reader

URL = "sqlite:///tiny.db"


def test_a_finished_study(tiny: Path) -> None:
    (row,) = overview(URL)
    best = load_study(URL, "tiny").best_trial
    assert row["study"] == "tiny"
    assert row["trials"] == {"COMPLETE": 6}
    assert (row["best"], row["best_params"]) == (best.value, best.params)
    assert row["verdict"].startswith("alpha = ")
    assert row["owner"] is None


def test_all_studies_or_the_one_named(tiny: Path) -> None:
    optuna.create_study(study_name="other", storage=URL)
    assert [row["study"] for row in overview(URL)] == ["tiny", "other"]
    (row,) = overview(URL, "other")
    assert row["study"] == "other"
    assert (row["trials"], row["best"], row["best_params"]) == ({}, None, None)


def test_the_owner_of_a_running_study(tiny: Path) -> None:
    owner = MirroredStorage.open(URL, "tiny")
    try:
        (row,) = overview(URL)
    finally:
        owner.close()
    assert ", process " in row["owner"]
    assert overview(URL)[0]["owner"] is None


def test_states_are_counted(tiny: Path) -> None:
    study = optuna.load_study(study_name="tiny", storage=URL)
    study.enqueue_trial({"alpha": 0.01})
    assert overview(URL)[0]["trials"] == {"COMPLETE": 6, "WAITING": 1}


@pytest.mark.parametrize(
    ("name", "hint"), [("tinny", "Did you mean tiny?"), ("digits", "Valid: tiny")]
)
def test_a_missing_study_names_the_nearest(tiny: Path, name: str, hint: str) -> None:
    for look in (overview, load_study):
        with pytest.raises(UsageError) as error:
            look(URL, name)
        assert str(error.value) == f"study: must be in the storage, got {name} ({URL}). {hint}"


def test_looking_makes_no_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sub/none.db"
    assert overview(url) == []
    with pytest.raises(UsageError, match="Valid: none"):
        load_study(url, "digits")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/x", "sqlite:///file.txt/x.db"])
def test_a_storage_that_cannot_be(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("no folder")
    with pytest.raises(StorageError, match=r"^storage"):
        overview(url)


def test_what_a_run_returns_is_what_lies_in_the_storage(tiny: Path) -> None:
    result = sweep.run(sweep.load_spec("tiny.yaml"))  # finished: only reads
    (row,) = overview(URL)
    assert row["best"] == result.best.value
    assert row["verdict"] == result.verdict


def test_rate_and_rest_of_a_running_study(tiny: Path) -> None:
    """Counted from the beginning of this run, with the share of trials under way."""
    owner = MirroredStorage.open(URL, "tiny")
    try:
        study = optuna.load_study(study_name="tiny", storage=owner)
        spec = study.user_attrs["spec"]
        spec["search"]["n_trials"] = 10
        study.set_user_attr("spec", spec)
        began = datetime.now(UTC) - timedelta(seconds=100)
        study.set_user_attr("run", {"began": began.isoformat(), "n_results": 2})
        running = study.ask()
        running.report(0.5, 1)
        running.report(0.5, 2)  # two of three epochs
        owner.flush()
        (row,) = overview(URL)
    finally:
        owner.close()
    assert (row["n_results"], row["n_trials"]) == (6, 10)
    assert row["trials_per_s"] == pytest.approx((4 + 2 / 3) / 100, rel=0.2)
    assert row["eta_s"] == pytest.approx((4 - 2 / 3) / row["trials_per_s"])


def test_a_study_that_nobody_runs_has_no_rate(tiny: Path) -> None:
    (row,) = overview(URL)
    assert (row["n_results"], row["n_trials"]) == (6, 6)
    assert (row["trials_per_s"], row["eta_s"]) == (None, None)


def test_a_study_of_another_program_has_neither_target_nor_rate(tiny: Path) -> None:
    optuna.create_study(study_name="other", storage=URL).add_trial(create_trial(value=1.0))
    (row,) = overview(URL, "other")
    assert (row["n_results"], row["n_trials"], row["eta_s"]) == (1, None, None)


# --- storages shared with other programs, and damaged ones


def test_other_programs_studies_are_told_as_they_are(tiny: Path) -> None:
    optuna.create_study(study_name="two", storage=URL, directions=["minimize", "maximize"])
    up = optuna.create_study(study_name="a[/b]up", storage=URL, direction="maximize")
    for value in (1.0, 3.0, 2.0):
        up.add_trial(create_trial(value=value))
    theirs = optuna.create_study(study_name="theirs", storage=URL)
    theirs.set_user_attr("spec", "v1")
    theirs.set_user_attr("run", "first")
    theirs.add_trial(create_trial(value=float("inf")))
    rows = {row["study"]: row for row in overview(URL)}
    assert rows["two"]["best"] is None
    assert rows["a[/b]up"]["best"] == 3.0
    assert (rows["theirs"]["n_trials"], rows["theirs"]["best"]) == (None, None)


def test_a_thousand_studies_take_as_many_statements_as_one(tiny: Path) -> None:
    def n_statements() -> int:
        seen: list[str] = []
        with on_engines("before_cursor_execute", lambda *about: seen.append(about[2])):
            overview(URL)
        return len(seen)

    few = n_statements()
    for i in range(12):
        study = optuna.create_study(study_name=f"s{i}", storage=URL)
        for value in (2.0, 1.0):
            study.add_trial(create_trial(value=value))
    with closing(MirroredStorage.open(URL, "s3")):
        assert n_statements() == few < 20
        rows = overview(URL)
    assert [row["best"] for row in rows[1:]] == [1.0] * 12
    assert [row["study"] for row in rows if row["owner"]] == ["s3"]


@pytest.mark.parametrize(
    ("url", "direction"),
    few_fast(product(["sqlite", "postgres"], ["MINIMIZE", "MAXIMIZE"]), 3),
    indirect=["url"],
)
def test_the_best_trial_is_the_one_that_optuna_names(url: str, direction: str) -> None:
    inf, way = float("inf"), StudyDirection[direction]
    space: dict[str, BaseDistribution] = {"kind": CategoricalDistribution(["a", "b"])}
    with plain_reader(url) as reader:
        for i, values in enumerate([[3.0, 1.0, 1.0, 2.0], [inf, -inf, 0.5], [inf], [-inf, 7.0]]):
            study = optuna.create_study(study_name=f"s{i}", storage=reader, direction=way)
            for value, kind in zip(values, "abab", strict=False):
                params = {"kind": kind}
                study.add_trial(create_trial(value=value, params=params, distributions=space))
            (row,), best = overview(url, f"s{i}"), study.best_trial
            assert row["best_params"] == best.params
            assert row["best"] == (best.value if math.isfinite(best.values[0]) else None)


def test_diverged_trials_are_results_and_other_failures_are_not(tiny: Path) -> None:
    study = optuna.load_study(study_name="tiny", storage=URL)
    for attrs in ({"outcome": "diverged"}, {"outcome": "failed"}, {}):
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=attrs))
    study._storage.set_study_system_attr(study._study_id, ASKED, 9)
    assert overview(URL)[0]["n_results"] == 7


DAMAGE = {
    "a value": "delete from trial_values where trial_id = 3",
    "an attribute": "update trial_user_attributes set value_json = '{' where trial_id = 3",
    "a distribution": "update trial_params set distribution_json = '{}' where trial_id = 3",
    "a state": "update trials set state = 'FOO' where trial_id = 3",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_rows_are_one_line_that_names_the_doctor(tiny: Path, what: str) -> None:
    with closing(sqlite3.connect("tiny.db")) as connection:
        connection.execute(DAMAGE[what])
        connection.commit()
    looks: list[Callable[[], object]] = [lambda: MirroredStorage.open(URL, "tiny")]
    if what != "a value":  # which readers do without
        looks += [lambda: load_study(URL, "tiny")]
    if what == "a state":  # the others lie in what is not summed up
        looks += [lambda: overview(URL)]
    for look in looks:
        with pytest.raises(StorageError) as error:
            look()
        assert "\n" not in str(error.value) and "sweep doctor" in str(error.value)


def test_readers_do_not_wait_for_a_writer(tiny: Path) -> None:
    with closing(sqlite3.connect("tiny.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert overview(URL)[0]["n_results"] == 6
        assert load_study(URL, "tiny").best_value == overview(URL)[0]["best"]
        writer.execute("ROLLBACK")


@pytest.mark.parametrize("look", [overview, load_study])
def test_no_password_is_told(look: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none.db"
    secret = url.replace("sqlite:///", "postgresql+psycopg://me:sekret@127.0.0.1:1/")
    with pytest.raises(StorageError) as error:
        look(secret, "tiny")
    assert "sekret" not in str(error.value)
