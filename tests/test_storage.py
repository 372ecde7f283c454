"""The mirror is a full Optuna storage, and what it holds is what plain Optuna reads."""

import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import sqlalchemy
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.storages._rdb.models import BaseModel
from optuna.study import StudyDirection
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from sqlalchemy import Connection

from sweep import lease
from sweep.database import open_storage
from sweep.errors import OwnedElsewhereError, StorageError, StorageFailedError
from sweep.storage import MirroredStorage
from tests import postgres
from tests.mirrors import (
    ALPHA,
    Own,
    Owner,
    abandon,
    ask,
    assert_mirrored,
    execute,
    on_engines,
    plain_reader,
    plain_study,
    plain_trial,
    run_trials,
)

INF = float("inf")
NAN = float("nan")
WRITES = [
    "create_new_study",
    "create_new_trial",
    "set_study_system_attr",
    "set_study_user_attr",
    "set_trial_intermediate_value",
    "set_trial_param",
    "set_trial_state_values",
    "set_trial_system_attr",
    "set_trial_user_attr",
]


# --- Optuna's contract ---------------------------------------------------------------------


def _flushed(name: str) -> Callable[..., Any]:
    def call(self: MirroredStorage, *args: Any, **kwargs: Any) -> Any:
        done = getattr(MirroredStorage, name)(self, *args, **kwargs)
        self.flush()
        return done

    return call


class EagerMirror(MirroredStorage):
    """A mirror that flushes after every write."""


for _name in WRITES:
    setattr(EagerMirror, _name, _flushed(_name))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RDBStorage, RDBStorage]]:
    """One database for all tests of the contract, opened once by the mirrors and once plainly."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('contract')}/studies.db"
        with plain_reader(url) as reader:
            yield open_storage(url), reader
    else:
        with postgres.shared_server().database() as url, plain_reader(url) as reader:
            yield open_storage(url), reader


@pytest.fixture(params=[MirroredStorage, EagerMirror])
def storage(
    request: pytest.FixtureRequest, database: tuple[RDBStorage, RDBStorage]
) -> Iterator[MirroredStorage]:
    rdb, reader = database
    mirror: MirroredStorage = request.param(rdb)
    yield mirror
    mirror.flush()
    assert_mirrored(mirror, reader)
    assert len(reader.get_all_studies()) == len(mirror.get_all_studies())
    mirror.close()
    with rdb.engine.begin() as connection:
        for table in reversed(BaseModel.metadata.sorted_tables):
            if table.name != "version_info":
                connection.execute(table.delete())
    rdb.engine.dispose()


class TestOptunasContract(StorageTestCase):
    """Optuna's own suite; after each test a plain storage reads what memory holds."""

    def test_pickle_storage(self, storage: BaseStorage) -> None:
        study_id = storage.create_new_study([StudyDirection.MINIMIZE])
        storage.set_study_system_attr(study_id, "key", "pickle")
        restored = pickle.loads(pickle.dumps(storage))
        assert restored.get_study_system_attrs(study_id) == {"key": "pickle"}
        restored._backend.engine.dispose()  # Optuna's own test leaves its connections open


@pytest.mark.parametrize(
    "name",
    [
        "_lock",
        "_max_study_id",
        "_max_trial_id",
        "_studies",
        "_study_name_to_id",
        "_trial_id_to_study_id_and_number",
        "_prev_waiting_trial_number",
        "_update_cache",
        "_get_trial",
        "_set_trial",
        "_check_study_id",
    ],
)
def test_the_private_names_that_the_mirror_builds_on_exist(name: str) -> None:
    assert hasattr(InMemoryStorage(), name)


@pytest.mark.parametrize("name", ["trials", "param_distribution", "user_attrs", "system_attrs"])
def test_the_private_names_of_a_study_exist(name: str) -> None:
    memory = InMemoryStorage()
    study_id = memory.create_new_study([StudyDirection.MINIMIZE])
    assert hasattr(memory._studies[study_id], name)


# --- who owns ------------------------------------------------------------------------------


def test_a_second_owner_is_refused_before_it_loads(url: str, own: Own) -> None:
    own(url)
    with pytest.raises(OwnedElsewhereError, match=f"pid {os.getpid()} on"):
        MirroredStorage.open(url, "digits")


def test_a_study_created_by_another_owner_in_the_meantime_is_refused(url: str, own: Own) -> None:
    late = MirroredStorage.open(url, "digits")
    own(url)
    with pytest.raises(OwnedElsewhereError):
        optuna.create_study(storage=late, study_name="digits", load_if_exists=True)
    late.close()


def test_a_study_created_by_a_plain_program_in_the_meantime_is_loaded(url: str, own: Own) -> None:
    mirror = MirroredStorage.open(url, "digits")
    with plain_reader(url) as plain:
        run_trials(optuna.create_study(storage=plain, study_name="digits"), 2)
        with pytest.raises(DuplicatedStudyError):
            optuna.create_study(storage=mirror, study_name="digits")
        assert_mirrored(mirror, plain)
    with pytest.raises(OwnedElsewhereError):
        MirroredStorage.open(url, "digits")
    mirror.close()


def test_a_closed_study_can_be_owned_again(url: str, own: Own) -> None:
    mirror, study = own(url)
    for _ in range(3):
        trial = study.ask()
        for name in ("zeta", "alpha", "lr"):  # their order counts
            trial.suggest_float(name, 1e-6, 1.0, log=True)
        study.tell(trial, trial.params["alpha"])
    before = plain_study(mirror, "digits")
    mirror.close()
    mirror.close()  # harmless
    again, study = own(url)
    assert plain_study(again, "digits") == before
    assert study.best_value == min(trial.values[0] for trial in study.trials)
    run_trials(study, 1)
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3]


def test_a_closed_mirror_refuses_to_write(url: str, own: Own) -> None:
    mirror, _ = own(url)
    mirror.close()
    with pytest.raises(StorageError, match="closed"):
        mirror.flush()


KILLED = """
import os, signal, sys
import optuna
from sweep.storage import MirroredStorage
mirror = MirroredStorage.open(sys.argv[1], "digits")
study = optuna.create_study(storage=mirror, study_name="digits")
study.ask().suggest_float("alpha", 1e-6, 1.0, log=True)
mirror.flush()
study.ask()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_study_of_a_killed_process_is_taken_over_at_once(sqlite_url: str, own: Own) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, sqlite_url], stderr=subprocess.DEVNULL)
    assert done.returncode < 0
    _, study = own(sqlite_url)
    assert [trial.state for trial in study.trials] == [TrialState.RUNNING]


def test_an_owner_that_was_fenced_writes_nothing(url: str, own: Own) -> None:
    mirror, study = own(url)
    run_trials(study, 2)
    mirror.flush()
    with mirror._rdb.engine.begin() as connection:
        connection.execute(lease.LEASES.update().values(expires=0.0))
    heir, heirs = own(url)
    run_trials(study, 1)
    for write in (mirror.flush, mirror.flush, mirror.close):
        with pytest.raises(OwnedElsewhereError, match="taken it over"):
            write()
    run_trials(heirs, 2)
    heir.flush()
    assert len(heirs.trials) == 4
    with plain_reader(url) as reader:
        assert_mirrored(heir, reader)


def test_a_fenced_owner_learns_of_it_when_it_needs_trial_ids(url: str, own: Own) -> None:
    mirror, study = own(url)
    with mirror._rdb.engine.begin() as connection:
        connection.execute(lease.LEASES.delete())
    with pytest.raises(OwnedElsewhereError, match="gone"):
        study.ask()


@pytest.mark.parametrize("asks_after", [0, 100])
def test_trials_added_by_another_program_are_noticed(url: str, own: Own, asks_after: int) -> None:
    mirror, study = own(url)
    run_trials(study, 2)
    mirror.flush()
    with plain_reader(url) as plain:
        optuna.load_study(storage=plain, study_name="digits").enqueue_trial({"alpha": 0.1})
    with pytest.raises(StorageError, match="another program added one") as caught:
        for _ in range(asks_after):  # beyond the reserved ids
            study.ask()
        mirror.flush()
    assert "\n" not in str(caught.value)
    abandon(mirror)
    _, study = own(url)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "WAITING"]


def test_a_study_deleted_by_another_program_is_noticed(url: str, own: Own) -> None:
    mirror, study = own(url)
    run_trials(study, 2)
    mirror.flush()
    with plain_reader(url) as plain:
        optuna.delete_study(storage=plain, study_name="digits")
    run_trials(study, 1)
    with pytest.raises(StorageError, match="must not be deleted"):
        mirror.flush()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_removed_under_a_run_is_noticed(
    tmp_path: Path, own: Own, replaced: bool
) -> None:
    mirror, study = own(f"sqlite:///{tmp_path}/s.db")
    run_trials(study, 1)
    mirror.flush()
    (tmp_path / "s.db").rename(tmp_path / "away.db")
    if replaced:
        shutil.copy(tmp_path / "away.db", tmp_path / "s.db")
    ask(study)
    with pytest.raises(StorageFailedError, match=r"was removed or replaced\. Run again"):
        mirror.flush()
    with pytest.raises(StorageFailedError):
        mirror.close()


# --- what a flush carries over -------------------------------------------------------------


def test_a_running_trial_is_seen_as_it_stood_at_the_last_flush(url: str, own: Own) -> None:
    mirror, study = own(url)
    trial = ask(study)
    for step, value in enumerate([0.5, NAN, INF, -INF]):
        trial.report(value, step)
    mirror.flush()
    trial.report(1.0, 9)
    with plain_reader(url) as reader:
        seen = reader.get_trial(trial._trial_id)
        assert seen.state == TrialState.RUNNING
        assert repr(seen.intermediate_values) == "{0: 0.5, 1: nan, 2: inf, 3: -inf}"
        mirror.flush()
        assert_mirrored(mirror, reader)


@pytest.mark.parametrize("durable", [False, True])
def test_a_finished_trial_may_be_seen_for_the_first_time(
    url: str, own: Own, durable: bool
) -> None:
    mirror, study = own(url, directions=["minimize", "maximize"])
    study.tell(ask(study), [INF, -INF])
    study.tell(ask(study), state=TrialState.FAIL)
    study.tell(ask(study), state=TrialState.PRUNED)
    mirror.flush(durable=durable)
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)


def test_templates_and_the_queue_are_mirrored(url: str, own: Own) -> None:
    mirror, study = own(url)
    study.enqueue_trial({"alpha": 0.5}, user_attrs={"why": "grid"})
    study.add_trial(
        create_trial(
            params={"alpha": 0.25, "kind": "b"},
            distributions={"alpha": ALPHA, "kind": CategoricalDistribution(["a", "b", None])},
            value=-INF,
            user_attrs={"n": [1, {"2": None}]},
            system_attrs={"s": 1.5},
            intermediate_values={1: NAN, 2: 0.5},
        )
    )
    study.enqueue_trial({"alpha": 0.125})
    mirror.flush()
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
    assert [(ask(study).number, study.trials[i].params["alpha"]) for i in (0, 2)] == [
        (0, 0.5),
        (2, 0.125),
    ]


def test_a_template_whose_parameter_changed_its_kind_is_refused(url: str, own: Own) -> None:
    _, study = own(url)
    ask(study)
    linear = FloatDistribution(1e-6, 1.0)
    with pytest.raises(ValueError, match="log configuration"):
        study.add_trial(
            create_trial(params={"alpha": 0.5}, distributions={"alpha": linear}, value=0.0)
        )
    assert len(study.trials) == 1


@pytest.mark.parametrize("reopened", [False, True])
def test_a_parameter_keeps_the_kind_that_a_template_gave_it(
    url: str, own: Own, reopened: bool
) -> None:
    mirror, study = own(url)
    study.add_trial(create_trial(params={"alpha": 0.5}, distributions={"alpha": ALPHA}, value=0.0))
    if reopened:
        mirror.close()
        mirror, study = own(url)
    with pytest.raises(ValueError, match="log configuration"):
        study.ask().suggest_float("alpha", 1e-6, 1.0)
    mirror.flush()


def test_memory_holds_what_the_database_would_give_back(url: str, own: Own) -> None:
    mirror, study = own(url)
    trial = ask(study)
    trial.set_user_attr("pair", (1, {2: "two"}))
    study.set_user_attr("nested", {"a": (1,)})
    mirror.set_trial_intermediate_value(trial._trial_id, np.int64(3), np.float32(0.5))  # type: ignore[arg-type]
    assert study.trials[0].user_attrs["pair"] == [1, {"2": "two"}]
    assert study.user_attrs["nested"] == {"a": [1]}
    mirror.flush()
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)


def test_later_changes_of_a_value_given_as_attribute_do_not_leak_in(url: str, own: Own) -> None:
    _, study = own(url)
    losses = [1.0]
    study.set_user_attr("losses", losses)
    losses.append(2.0)
    assert study.user_attrs["losses"] == [1.0]


Write = Callable[[MirroredStorage, int], object]
REFUSED: dict[str, Write] = {
    "a set": lambda m, t: m.set_trial_user_attr(t, "a", {1}),
    "an object": lambda m, t: m.set_trial_system_attr(t, "a", object()),
    "an array": lambda m, t: m.set_trial_user_attr(t, "a", np.zeros(2)),
    "a NUL": lambda m, t: m.set_trial_user_attr(t, "a\0b", 1),
    "a surrogate": lambda m, t: m.set_trial_system_attr(t, "a\ud800", 1),
    "a long key": lambda m, t: m.set_trial_user_attr(t, "a" * 513, 1),
    "no key": lambda m, t: m.set_trial_user_attr(t, 1, 1),  # type: ignore[arg-type]
    "a long name": lambda m, t: m.set_trial_param(t, "a" * 513, 0.5, ALPHA),
    "a NaN param": lambda m, t: m.set_trial_param(t, "a", NAN, ALPHA),
    "a large step": lambda m, t: m.set_trial_intermediate_value(t, 2**31, 0.5),
    "half a step": lambda m, t: m.set_trial_intermediate_value(t, 0.5, 0.5),  # type: ignore[arg-type]
    "no number": lambda m, t: m.set_trial_intermediate_value(t, 1, "x"),  # type: ignore[arg-type]
    "a NaN value": lambda m, t: m.set_trial_state_values(t, TrialState.COMPLETE, [NAN]),
    "a set on a study": lambda m, t: m.set_study_user_attr(1, "a", {1}),
    "a long key on a study": lambda m, t: m.set_study_system_attr(1, "a" * 513, 1),
    "a template with a set": lambda m, t: m.create_new_trial(
        1, create_trial(state=TrialState.WAITING, user_attrs={"a": {1}})
    ),
    "a template with a long name": lambda m, t: m.create_new_trial(
        1, create_trial(value=0.5, params={"a" * 513: 0.5}, distributions={"a" * 513: ALPHA})
    ),
    "a study with a NUL": lambda m, t: m.create_new_study([StudyDirection.MINIMIZE], "a\0b"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_database_could_not_hold_is_refused_at_the_call(
    sqlite_url: str, own: Own, what: str
) -> None:
    mirror, study = own(sqlite_url)
    trial = ask(study)
    before = plain_study(mirror, "digits")
    with pytest.raises((StorageError, TypeError, ValueError)) as caught:
        REFUSED[what](mirror, trial._trial_id)
    assert "\n" not in str(caught.value)
    assert plain_study(mirror, "digits") == before
    mirror.flush()
    with plain_reader(sqlite_url) as reader:
        assert_mirrored(mirror, reader)


def test_strange_text_survives(url: str, own: Own) -> None:
    mirror, study = own(url)
    study.set_user_attr("α ‖W‖ 'quoted\" \\", "NUL \0, half a pair \ud800, 重み")
    trial = ask(study)
    trial.set_user_attr("k" * 512, "x" * 100_000)
    mirror.flush()
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)


def test_attributes_that_others_set_are_left_alone(url: str, own: Own) -> None:
    mirror, study = own(url)
    study.set_user_attr("ours", 1)
    mirror.flush()
    with plain_reader(url) as plain:
        optuna.load_study(storage=plain, study_name="digits").set_user_attr("note", "theirs")
        study.set_user_attr("ours", 2)
        mirror.flush()
        assert plain.get_study_user_attrs(study._study_id) == {"ours": 2, "note": "theirs"}


def test_a_deleted_study_is_gone_and_its_unwritten_changes_with_it(url: str, own: Own) -> None:
    mirror, study = own(url)
    run_trials(study, 2)
    mirror.flush()
    trial = ask(study)
    trial.report(1.0, 1)
    study.set_user_attr("a", 1)
    optuna.delete_study(storage=mirror, study_name="digits")
    _, study = own(url)
    assert study.trials == []
    assert study.user_attrs == {}


def test_deleting_one_of_two_studies_leaves_the_other(url: str, own: Own) -> None:
    mirror, study = own(url, "one")
    other = optuna.create_study(storage=mirror, study_name="two")
    run_trials(study, 2)
    run_trials(other, 2)
    optuna.delete_study(storage=mirror, study_name="one")
    mirror.flush()
    with plain_reader(url) as reader, reader.engine.connect() as connection:
        assert_mirrored(mirror, reader)
        assert connection.exec_driver_sql("SELECT count(*) FROM trial_params").scalar_one() == 2


def test_an_unpickled_copy_is_a_plain_reader(url: str, own: Own) -> None:
    mirror, study = own(url)
    run_trials(study, 1)
    reader = pickle.loads(pickle.dumps(mirror))
    assert not isinstance(reader, MirroredStorage)
    assert_mirrored(mirror, reader)
    run_trials(study, 1)
    mirror.flush()
    assert_mirrored(mirror, reader)
    reader._backend.engine.dispose()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs tzset")
def test_times_are_utc_in_the_database_whatever_the_time_zone(
    url: str, own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = monkeypatch.context()
    with zone as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        mirror, study = own(url)
        study.tell(ask(study), 1.0)
        mirror.flush()
        with plain_reader(url) as reader:
            assert_mirrored(mirror, reader)
        (there,) = study.trials
        instants = [_instant(there.datetime_start), _instant(there.datetime_complete)]
        mirror.close()
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        mirror, study = own(url)
        (here,) = study.trials
        assert here.datetime_start != there.datetime_start
        assert [_instant(here.datetime_start), _instant(here.datetime_complete)] == instants
        study.tell(ask(study), 1.0)
        mirror.flush()
        with plain_reader(url) as reader:
            assert_mirrored(mirror, reader)
    time.tzset()


def _instant(local: datetime | None) -> datetime:
    assert local is not None
    return local.astimezone(UTC)


# --- the lagged view -----------------------------------------------------------------------


@pytest.fixture
def mixed(sqlite_url: str, own: Own) -> Owner:
    """Trials 0 COMPLETE 3.0, 1 RUNNING, 2 COMPLETE 1.0, 3 PRUNED, 4 FAIL, 5 WAITING."""
    mirror, study = own(sqlite_url)
    trials = [ask(study) for _ in range(5)]
    for trial in trials:
        trial.report(0.5, 1)
    study.tell(trials[0], 3.0)
    study.tell(trials[2], 1.0)
    study.tell(trials[3], state=TrialState.PRUNED)
    study.tell(trials[4], state=TrialState.FAIL)
    study.enqueue_trial({"alpha": 0.5})
    return mirror, study


@pytest.mark.parametrize(
    ("last_seen", "states", "best"),
    [
        (-1, "RRRRRW", None),
        (0, "CRRRRW", 0),
        (1, "CRRRRW", 0),
        (2, "CRCRRW", 2),
        (3, "CRCPRW", 2),
        (9, "CRCPFW", 2),
    ],
)
def test_a_lagged_view_shows_later_results_as_running(
    mixed: Owner, last_seen: int, states: str, best: int | None
) -> None:
    mirror, study = mixed
    before = plain_study(mirror, "digits")
    with mirror.showing(last_seen):
        for deepcopy in (False, True):
            seen = study.get_trials(deepcopy=deepcopy)
            assert "".join(trial.state.name[0] for trial in seen) == states
        assert [mirror.get_trial(trial._trial_id) for trial in seen] == seen
        for trial in seen:
            if trial.state == TrialState.RUNNING:
                assert trial.values is None
                assert trial.datetime_complete is None
                assert trial.intermediate_values == {}
                assert "alpha" in trial.params
        for state in TrialState:
            assert mirror.get_n_trials(study._study_id, state) == states.count(state.name[0])
        if best is None:
            with pytest.raises(ValueError, match="No trials"):
                mirror.get_best_trial(study._study_id)
        else:
            assert mirror.get_best_trial(study._study_id).number == best
    assert plain_study(mirror, "digits") == before


def test_a_lagged_view_shows_one_trial_whole_to_its_pruner(mixed: Owner) -> None:
    mirror, study = mixed
    running = study.get_trials(deepcopy=False)[1]
    mirror.set_trial_intermediate_value(running._trial_id, 3, 0.5)
    mirror.set_trial_system_attr(running._trial_id, "completed_rung_0", 0.5)
    with mirror.showing(3):
        seen = study.get_trials(deepcopy=False)[1]
        assert (seen.intermediate_values, seen.system_attrs) == ({}, {})
    with mirror.showing(3, whole=1):
        seen = study.get_trials(deepcopy=False)[1]
        assert seen.intermediate_values[3] == 0.5
        assert seen.system_attrs == {"completed_rung_0": 0.5}
        later = study.get_trials(deepcopy=False)[4]
        assert later.state == TrialState.RUNNING


def test_views_nest_and_end_with_an_error(mixed: Owner) -> None:
    mirror, study = mixed
    with suppress(ZeroDivisionError), mirror.showing(2):
        with mirror.showing(0):
            assert mirror.get_n_trials(study._study_id, TrialState.COMPLETE) == 1
        assert mirror.get_n_trials(study._study_id, TrialState.COMPLETE) == 2
        _ = 1 / 0
    assert mirror.get_n_trials(study._study_id, TrialState.PRUNED) == 1


def test_the_best_of_a_maximised_study_follows_the_view(sqlite_url: str, own: Own) -> None:
    mirror, study = own(sqlite_url, direction="maximize")
    for value in (1.0, 3.0, 2.0, 9.0):
        study.tell(ask(study), value)
    with mirror.showing(2):
        assert study.best_trial.number == 1
    assert study.best_trial.number == 3


@pytest.mark.parametrize("lagged", [False, True])
def test_an_ask_in_a_lagged_view_does_not_depend_on_later_results(
    tmp_path: Path, own: Own, lagged: bool
) -> None:
    def asked(finished: int) -> float:
        mirror, study = own(f"sqlite:///{tmp_path}/{finished}.db")
        for _ in range(12):
            trial = ask(study)
            study.tell(trial, trial.params["alpha"])
        trials = [ask(study) for _ in range(6)]
        for trial in trials[:finished]:
            trial.report(0.25, 1)
            study.tell(trial, 1e-9)
        study.sampler = TPESampler(seed=1)
        with mirror.showing(11 if lagged else 99):
            return float(ask(study).params["alpha"])

    assert (asked(0) == asked(3) == asked(6)) == lagged


def test_a_lagged_view_is_the_same_at_once_as_trial_by_trial(url: str, own: Own) -> None:
    mirror, study = own(url)
    rng = np.random.default_rng(0)
    running: list[Trial] = []
    for turn in range(60):
        trial = ask(study)
        trial.report(0.5, 1)
        running.append(trial)
        while running and rng.random() < 0.5:
            done = running.pop(rng.integers(len(running)))
            if rng.random() < 0.2:
                mirror.requeue_trial(done._trial_id)
            else:
                state = ENDS[turn % 3]
                study.tell(done, 1.0 if state == TrialState.COMPLETE else None, state)
        last, whole = int(rng.integers(-2, turn + 3)), int(rng.integers(turn + 1))
        with mirror.showing(last, whole):
            seen = study.get_trials(deepcopy=False)
            one_by_one = [mirror.get_trial(trial._trial_id) for trial in seen]
            states = (TrialState.RUNNING,)
            some = study.get_trials(deepcopy=False, states=states)
        assert [*map(plain_trial, seen)] == [*map(plain_trial, one_by_one)]
        assert [t.number for t in some] == [t.number for t in seen if t.state in states]
        late = [t for t in seen if t.number > last and t.number != whole]
        assert not any(t.state.is_finished() for t in late)


def test_attributes_are_set_together_or_not_at_all(url: str, own: Own) -> None:
    mirror, study = own(url)
    trial = ask(study)
    trial.set_user_attr("a", 1)
    with pytest.raises(TypeError):
        mirror.set_trial_user_attrs(trial._trial_id, {"a": 2, "b": {1, 2}})
    assert mirror.get_trial(trial._trial_id).user_attrs == {"a": 1}
    mirror.set_trial_user_attrs(trial._trial_id, {"a": (2,), "b": None})
    assert mirror.get_trial(trial._trial_id).user_attrs == {"a": [2], "b": None}
    mirror.flush()
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)


def test_a_wider_distribution_reaches_every_trial(url: str, own: Own) -> None:
    mirror, study = own(url)
    run_trials(study, 3)
    running = ask(study)
    study.enqueue_trial({"alpha": 0.5})
    mirror.flush()
    before = plain_study(mirror, "digits")
    wider = FloatDistribution(1e-9, 1e3, log=True)
    mirror.widen(study._study_id, "alpha", wider)
    mirror.flush()
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
        seen = reader.get_all_trials(study._study_id)
    assert [t.distributions["alpha"] for t in seen[:4]] == [wider] * 4
    assert seen[4].distributions == {}
    study.tell(running, 1.0)
    study.sampler = TPESampler(seed=1, n_startup_trials=1)
    space = study.sampler.infer_relative_search_space(study, study.trials[-1])
    assert space["alpha"] == wider
    assert study.ask({"alpha": wider}).params["alpha"] == 0.5  # the queue goes on
    assert len(plain_study(mirror, "digits")) == len(before)


# --- after a crash -------------------------------------------------------------------------


def test_a_trial_that_was_cut_off_is_asked_again(url: str, own: Own) -> None:
    mirror, study = own(url)
    run_trials(study, 1)
    cut_off = ask(study)
    cut_off.report(0.5, 1)
    without_params = study.ask()
    mirror.flush()
    alpha = cut_off.params["alpha"]
    abandon(mirror)

    mirror, study = own(url)
    mirror.reconcile(study._study_id)
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
        assert [trial.state.name for trial in study.trials] == ["COMPLETE", "WAITING", "WAITING"]
        assert [trial.user_attrs for trial in study.trials[1:]] == [{"attempts": 1}] * 2
        again, other = ask(study), ask(study)
        assert (again.number, again.params["alpha"]) == (1, alpha)
        assert other.number == without_params.number
        again.report(0.75, 1)
        study.tell(again, 1.0)
        mirror.flush()
        assert_mirrored(mirror, reader)
    assert study.trials[1].intermediate_values == {1: 0.75}
    assert len(study.trials) == 3


@pytest.mark.parametrize("flushed", [False, True])
def test_what_a_pruner_noted_of_a_curve_goes_with_it(url: str, own: Own, flushed: bool) -> None:
    mirror, study = own(url)
    trial = ask(study)
    trial.report(0.5, 1)
    mirror.set_trial_system_attr(trial._trial_id, "completed_rung_0", 0.5)
    mirror.set_trial_system_attr(trial._trial_id, "completed rung", "another program's")
    if flushed:
        mirror.flush()
    mirror.requeue(study._study_id)
    assert study.trials[0].intermediate_values == {}
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
        (seen,) = reader.get_all_trials(study._study_id)
    assert set(seen.system_attrs) == {"completed rung"}


def test_reconciling_twice_changes_nothing_more(sqlite_url: str, own: Own) -> None:
    mirror, study = own(sqlite_url)
    ask(study)
    mirror.reconcile(study._study_id)
    before = plain_study(mirror, "digits")
    mirror.reconcile(study._study_id)
    assert plain_study(mirror, "digits") == before


def test_a_trial_cut_off_too_often_fails_by_name(url: str, own: Own) -> None:
    mirror, study = own(url)
    ask(study)
    for attempts in (1, 2, 3):
        mirror.reconcile(study._study_id, max_attempts=3)
        (trial,) = study.trials
        assert trial.user_attrs["attempts"] == attempts
        if attempts < 3:
            assert trial.state == TrialState.WAITING
            assert ask(study).number == 0
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs["outcome"] == "failed"
    assert "3 times" in trial.user_attrs["reason"]
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
    assert ask(study).number == 1


def test_an_owner_that_stops_in_good_order_counts_no_attempt(url: str, own: Own) -> None:
    mirror, study = own(url)
    trials = [ask(study), ask(study)]
    for trial in trials:
        trial.report(0.5, 1)
    mirror.requeue_trial(trials[0]._trial_id)
    assert [trial.state.name for trial in study.trials] == ["WAITING", "RUNNING"]
    mirror.requeue(study._study_id)
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
    for stored in study.trials:
        assert stored.state == TrialState.WAITING
        assert stored.intermediate_values == {}
        assert stored.user_attrs == {}


def test_a_trial_put_back_into_the_queue_is_found_behind_later_ones(
    sqlite_url: str, own: Own
) -> None:
    mirror, study = own(sqlite_url)
    first = ask(study)
    run_trials(study, 3)
    mirror.set_trial_state_values(first._trial_id, TrialState.WAITING)
    assert ask(study).number == 0


# --- when the database fails ---------------------------------------------------------------


def test_a_full_disk_is_one_line_and_loses_nothing(sqlite_url: str, own: Own) -> None:
    mirror, study = own(sqlite_url)
    run_trials(study, 2)
    mirror.flush()

    def full(connection: Connection) -> None:
        connection.connection.cursor().execute("PRAGMA max_page_count = 1")

    def free(connection: Connection) -> None:
        connection.connection.cursor().execute("PRAGMA max_page_count = 1000000")

    run_trials(study, 50)
    study.set_user_attr("large", "x" * 200_000)
    with on_engines("begin", full):
        for _ in range(2):
            with pytest.raises(StorageError, match="full") as caught:
                mirror.flush()
            assert "\n" not in str(caught.value)
            run_trials(study, 1)
    with on_engines("begin", free):
        mirror.flush()
        with plain_reader(sqlite_url) as reader:
            assert_mirrored(mirror, reader)
    assert len(study.trials) == 54


def test_changes_made_while_a_flush_fails_are_newer_than_what_it_puts_back(
    sqlite_url: str, own: Own
) -> None:
    mirror, study = own(sqlite_url)
    trial, other = ask(study), ask(study)
    for t in (trial, other):
        t.report(0.5, 1)

    def change_and_fail(connection: Connection) -> None:
        mirror.set_trial_intermediate_value(trial._trial_id, 1, 0.75)
        mirror.requeue_trial(other._trial_id)
        raise sqlalchemy.exc.OperationalError(
            "COMMIT", None, sqlite3.OperationalError("I/O error")
        )

    with on_engines("commit", change_and_fail), pytest.raises(StorageError, match="I/O error"):
        mirror.flush()
    mirror.flush()
    with plain_reader(sqlite_url) as reader:
        assert_mirrored(mirror, reader)
        curves = [t.intermediate_values for t in reader.get_all_trials(study._study_id)]
    assert curves == [{1: 0.75}, {}]


@pytest.mark.parametrize("name", ["begin", "commit"])
def test_an_interrupted_flush_can_be_repeated(sqlite_url: str, own: Own, name: str) -> None:
    mirror, study = own(sqlite_url)
    run_trials(study, 3)

    def interrupt(connection: Connection) -> None:
        raise KeyboardInterrupt

    with on_engines(name, interrupt), pytest.raises(KeyboardInterrupt):
        mirror.flush()
    mirror.flush()
    with plain_reader(sqlite_url) as reader:
        assert_mirrored(mirror, reader)


def test_only_a_durable_flush_waits_for_the_disk(sqlite_url: str, own: Own) -> None:
    mirror, _ = own(sqlite_url)
    levels: list[int] = []

    def note(connection: Connection) -> None:
        levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    with on_engines("commit", note):
        mirror.flush()
        mirror.flush(durable=True)
        mirror.flush()
    assert levels == [1, 2, 1]  # NORMAL, FULL, NORMAL


def test_flushes_from_another_thread_miss_nothing(url: str, own: Own) -> None:
    mirror, study = own(url)
    done = threading.Event()

    def flush_on() -> None:
        while not done.is_set():
            mirror.flush()

    thread = threading.Thread(target=flush_on)
    thread.start()
    run_trials(study, 150)
    done.set()
    thread.join()
    mirror.flush()
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)


def test_a_locked_database_is_tried_again(
    sqlite_url: str, own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.database.BUSY_S", 0.0)
    mirror, study = own(sqlite_url)
    run_trials(study, 2)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("sweep.storage.RETRY_S", 0.0)
    with pytest.raises(StorageError, match="locked"):
        mirror.flush()
    monkeypatch.setattr("sweep.storage.RETRY_S", 60.0)
    pauses: list[float] = []

    def let_go(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 3:
            other.execute("COMMIT")

    monkeypatch.setattr("time.sleep", let_go)
    mirror.flush()
    assert pauses == sorted(pauses)
    assert len(pauses) == 3
    other.close()
    with plain_reader(sqlite_url) as reader:
        assert_mirrored(mirror, reader)


def test_a_flush_whose_commit_had_an_unknown_outcome_is_harmless(url: str, own: Own) -> None:
    mirror, study = own(url)
    run_trials(study, 3)
    ask(study).report(0.5, 1)
    lost: list[bool] = []

    def commit_and_lose(connection: Connection) -> None:
        if not lost:
            lost.append(True)
            connection.connection.commit()
            raise sqlalchemy.exc.OperationalError(
                "COMMIT", None, OSError("connection lost"), connection_invalidated=True
            )

    with on_engines("commit", commit_and_lose):
        mirror.flush()
    assert lost
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
    run_trials(study, 1)
    mirror.flush()
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)


def test_killed_connections_are_replaced(postgres_url: str, own: Own) -> None:
    mirror, study = own(postgres_url)
    for _ in range(3):
        run_trials(study, 2)
        postgres.shared_server().execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname LIKE 'sweep_%' AND pid <> pg_backend_pid()"
        )
        mirror.flush()
    with plain_reader(postgres_url) as reader:
        assert_mirrored(mirror, reader)


def test_a_server_that_restarts_is_waited_for(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    server = postgres.new_server()
    url = server.url.render_as_string(hide_password=False)
    mirror, study = own(url)
    run_trials(study, 2)
    mirror.flush()
    server.stop("immediate")
    run_trials(study, 2)
    sleep = time.sleep

    def restart_once(pause_s: float) -> None:
        monkeypatch.setattr("time.sleep", sleep)
        server.start()

    monkeypatch.setattr("time.sleep", restart_once)
    mirror.flush()
    with plain_reader(url) as reader:
        assert_mirrored(mirror, reader)
    mirror.close()
    server.remove()


@pytest.mark.parametrize("tick", ["1", "tick - 1"])
def test_commits_that_the_database_lost_are_written_again(url: str, own: Own, tick: str) -> None:
    mirror, study = own(url)
    study.set_user_attr("spec", {"a": 1})
    run_trials(study, 3)
    for _ in range(3):
        mirror.flush()
    with plain_reader(url) as reader:
        execute(  # as after a crash of a server that had lied
            reader,
            "DELETE FROM study_user_attributes",
            "DELETE FROM trial_values",
            "DELETE FROM trial_params",
            "UPDATE trials SET state = 'RUNNING', datetime_complete = NULL",
            f"UPDATE sweep_leases SET tick = {tick}",
        )
        run_trials(study, 1)
        mirror.flush()
        assert_mirrored(mirror, reader)


def test_an_error_of_the_database_gives_the_reason_in_one_line(
    postgres_url: str, own: Own
) -> None:
    mirror, study = own(postgres_url)
    run_trials(study, 1)
    with plain_reader(postgres_url) as reader:
        execute(reader, "ALTER TABLE trial_values RENAME TO hidden")
        with pytest.raises(StorageError, match="trial_values") as caught:
            mirror.flush()
        assert "\n" not in str(caught.value)
        execute(reader, "ALTER TABLE hidden RENAME TO trial_values")
        mirror.flush()
        assert_mirrored(mirror, reader)


# --- any order of events -------------------------------------------------------------------

FLOATS = st.floats().map(lambda x: x + 0.0)  # SQLite stores -0.0 as 0.0
FINITE_OR_INF = st.floats(allow_nan=False).map(lambda x: x + 0.0)
KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
ENDS = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]


class OwnedStudy(RuleBasedStateMachine):
    """An owner that asks, reports, tells, flushes, fails and crashes in any order.

    `saved` is the study as last flushed, `ended` the trials that readers have seen finished.
    """

    def __init__(self) -> None:
        super().__init__()
        self.url = self.new_database()
        self._open()
        self.plain = RDBStorage(self.url)
        self.cached = optuna.storages.get_storage(self.url)
        self.ended: dict[int, str] = {}
        self._note_saved()

    def new_database(self) -> str:
        self.folder = tempfile.TemporaryDirectory()
        return f"sqlite:///{self.folder.name}/studies.db"

    def drop_database(self) -> None:
        self.folder.cleanup()

    def _open(self) -> None:
        self.mirror = MirroredStorage.open(self.url, "digits")
        self.study = optuna.create_study(
            storage=self.mirror, study_name="digits", load_if_exists=True, sampler=RandomSampler(0)
        )

    def _note_saved(self) -> None:
        self.saved = plain_study(self.mirror, "digits")
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state.is_finished():
                self.ended[trial.number] = plain_trial(trial)

    def _unfinished(self, *states: TrialState) -> list[FrozenTrial]:
        states = states or (TrialState.RUNNING, TrialState.WAITING)
        return self.study.get_trials(deepcopy=False, states=states)

    def _some_trial(self, data: st.DataObject, *states: TrialState) -> int:
        return data.draw(st.sampled_from(self._unfinished(*states)))._trial_id

    def _has_running(self) -> bool:
        return bool(self._unfinished(TrialState.RUNNING))

    @rule()
    def ask(self) -> None:
        ask(self.study)

    @rule(alpha=st.floats(1e-6, 1.0))
    def enqueue(self, alpha: float) -> None:
        self.study.enqueue_trial({"alpha": alpha})

    @rule(
        state=st.sampled_from(list(TrialState)),
        value=FINITE_OR_INF,
        attrs=st.dictionaries(KEYS, JSON),
    )
    def add(self, state: TrialState, value: float, attrs: dict[str, Any]) -> None:
        self.study.add_trial(
            create_trial(
                state=state,
                value=value if state == TrialState.COMPLETE else None,
                params={"alpha": 0.5},
                distributions={"alpha": ALPHA},
                user_attrs=attrs,
                intermediate_values={1: value},
            )
        )

    @precondition(_has_running)
    @rule(data=st.data(), step=st.integers(-2, 4), value=FLOATS)
    def report(self, data: st.DataObject, step: int, value: float) -> None:
        trial_id = self._some_trial(data, TrialState.RUNNING)
        self.mirror.set_trial_intermediate_value(trial_id, step, value)

    @precondition(_has_running)
    @rule(data=st.data(), key=KEYS, value=JSON, user=st.booleans())
    def set_attr(self, data: st.DataObject, key: str, value: Any, user: bool) -> None:
        set_it = self.mirror.set_trial_user_attr if user else self.mirror.set_trial_system_attr
        set_it(self._some_trial(data), key, value)

    @rule(key=KEYS, value=JSON)
    def set_study_attr(self, key: str, value: Any) -> None:
        self.study.set_user_attr(key, value)

    @precondition(_has_running)
    @rule(data=st.data(), what=st.sampled_from(sorted(REFUSED)))
    def refuse(self, data: st.DataObject, what: str) -> None:
        before = plain_study(self.mirror, "digits")
        with pytest.raises((StorageError, TypeError, ValueError)):
            REFUSED[what](self.mirror, self._some_trial(data))
        assert plain_study(self.mirror, "digits") == before

    @precondition(_has_running)
    @rule(data=st.data(), state=st.sampled_from(ENDS), value=FINITE_OR_INF)
    def tell(self, data: st.DataObject, state: TrialState, value: float) -> None:
        trial_id = self._some_trial(data, TrialState.RUNNING)
        number = self.mirror.get_trial_number_from_id(trial_id)
        self.study.tell(number, value if state == TrialState.COMPLETE else None, state)
        with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
            self.mirror.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])

    @rule()
    def look(self) -> None:
        self.cached.get_all_trials(self.study._study_id, deepcopy=False)

    @rule(durable=st.booleans())
    def flush(self, durable: bool) -> None:
        self.mirror.flush(durable=durable)
        self._note_saved()
        assert_mirrored(self.mirror, self.plain, self.cached)

    @rule(after=st.booleans())
    def fail_to_flush(self, after: bool) -> None:
        """Fail before the transaction, or with its outcome unknown."""

        def broken(connection: Connection) -> None:
            if after:
                connection.connection.commit()
            raise sqlalchemy.exc.OperationalError("", None, sqlite3.OperationalError("I/O error"))

        with on_engines("commit" if after else "begin", broken), pytest.raises(StorageError):
            self.mirror.flush()
        if after:
            self._note_saved()

    @rule()
    def reopen(self) -> None:
        self.mirror.close()
        self._note_saved()
        self._open()
        assert plain_study(self.mirror, "digits") == self.saved

    @rule(attempts=st.sampled_from([1, 2, 9]))
    def crash(self, attempts: int) -> None:
        abandon(self.mirror)
        assert plain_study(self.plain, "digits") == self.saved
        self._open()
        assert plain_study(self.mirror, "digits") == self.saved
        self.mirror.reconcile(self.study._study_id, attempts)
        assert not self._has_running()
        self._note_saved()
        assert_mirrored(self.mirror, self.plain, self.cached)

    @invariant()
    def every_number_is_there_once_and_ends_once(self) -> None:
        trials = self.study.get_trials(deepcopy=False)
        assert [trial.number for trial in trials] == list(range(len(trials)))
        for number, text in self.ended.items():
            assert plain_trial(trials[number]) == text

    def teardown(self) -> None:
        self.mirror.close()
        assert_mirrored(self.mirror, self.plain, self.cached)
        for reader in (self.plain, self.cached._backend):  # type: ignore[attr-defined]
            reader.engine.dispose()
        self.drop_database()


class OwnedPostgresStudy(OwnedStudy):
    """The same on PostgreSQL."""

    def new_database(self) -> str:
        self.database = postgres.shared_server().database()
        return self.database.__enter__()

    def drop_database(self) -> None:
        self.database.__exit__(None, None, None)


FEW = settings(
    max_examples=10, stateful_step_count=25, deadline=None, database=None, derandomize=True
)
MANY = settings(max_examples=40, stateful_step_count=40, deadline=None, database=None)


def test_any_order_of_events_is_mirrored() -> None:
    run_state_machine_as_test(OwnedStudy, settings=FEW)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [OwnedStudy, OwnedPostgresStudy])
def test_many_orders_of_events_are_mirrored(machine: type[OwnedStudy]) -> None:
    run_state_machine_as_test(machine, settings=MANY)
