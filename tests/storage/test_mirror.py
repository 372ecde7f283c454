"""The mirror is a full Optuna storage, and what it holds is what plain Optuna reads."""

import pickle
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
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
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.storages._rdb.models import BaseModel
from optuna.study import StudyDirection
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Connection

from sweep.errors import StorageError
from sweep.runner.resume import reconcile
from sweep.storage.engine import open_storage
from sweep.storage.mirror import MirroredStorage
from tests.support import postgres
from tests.support.cases import few_fast
from tests.support.mirrors import (
    ALPHA,
    ENDS,
    Own,
    abandon,
    ask,
    assert_mirrored,
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


@pytest.fixture(params=few_fast(["sqlite", "postgres"], 2))
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


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


@pytest.fixture(params=few_fast([MirroredStorage, EagerMirror], 2))
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


# --- opened and closed ---------------------------------------------------------------------


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


# --- any order of events -------------------------------------------------------------------

FLOATS = st.floats().map(lambda x: x + 0.0)  # SQLite stores -0.0 as 0.0
FINITE_OR_INF = st.floats(allow_nan=False).map(lambda x: x + 0.0)
KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


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
        reconcile(self.mirror, self.study._study_id, attempts)
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


FEW = settings(max_examples=10, stateful_step_count=25, database=None, derandomize=True)
MANY = settings(max_examples=40, stateful_step_count=40, database=None)


def test_any_order_of_events_is_mirrored() -> None:
    run_state_machine_as_test(OwnedStudy, settings=FEW)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [OwnedStudy, OwnedPostgresStudy])
def test_many_orders_of_events_are_mirrored(machine: type[OwnedStudy]) -> None:
    run_state_machine_as_test(machine, settings=MANY)
