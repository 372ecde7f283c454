"""Who owns a study alone writes to it, and what the database does to it meanwhile."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import optuna
import pytest
import sqlalchemy
from optuna.exceptions import DuplicatedStudyError
from optuna.storages._in_memory import _StudyInfo
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import Connection

from sweep.errors import OwnedElsewhereError, StorageError, StorageFailedError
from sweep.runtime import asked_to_stop
from sweep.storage import lease
from sweep.storage.engine import open_storage
from sweep.storage.finding import Step
from sweep.storage.mirror import MirroredStorage
from sweep.storage.ownership import Ownership
from sweep.storage.schema import STUDY_USER_ATTRS, TRIALS
from tests.support import postgres
from tests.support.mirrors import (
    Own,
    abandon,
    ask,
    assert_mirrored,
    execute,
    on_engines,
    plain_reader,
    run_trials,
)

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


KILLED = """
import os, signal, sys
import optuna
from sweep.storage.mirror import MirroredStorage
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


# --- when the database fails ---------------------------------------------------------------


def test_a_locked_database_is_tried_again(
    sqlite_url: str, own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.storage.engine.BUSY_S", 0.0)
    mirror, study = own(sqlite_url)
    run_trials(study, 2)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("sweep.storage.ownership.RETRY_S", 0.0)
    with pytest.raises(StorageError, match="locked"):
        mirror.flush()
    monkeypatch.setattr("sweep.storage.ownership.RETRY_S", 60.0)
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


def test_a_server_that_restarts_is_waited_for(
    server: postgres.Server, own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url.render_as_string(hide_password=False)
    mirror, study = own(url, str(uuid4()))
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


LASTING = {
    "a dropped database": (
        "DROP DATABASE {0} WITH (FORCE)", "does not exist", "CREATE DATABASE {0}",
    ),
    "a statement timeout": (
        "ALTER DATABASE {0} SET statement_timeout = 1", "statement timeout",
        "ALTER DATABASE {0} RESET statement_timeout",
    ),
    "a role that may not connect": (
        "ALTER DATABASE {0} ALLOW_CONNECTIONS false", "not currently accepting connections",
        "ALTER DATABASE {0} ALLOW_CONNECTIONS true",
    ),
}  # fmt: skip


def drop_connections(server: postgres.Server, database: str) -> None:
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{database}' AND pid <> pg_backend_pid()"
    )


@pytest.mark.parametrize("what", LASTING)
def test_what_lasts_is_not_tried_again(postgres_url: str, own: Own, what: str) -> None:
    server, database = postgres.shared_server(), sqlalchemy.make_url(postgres_url).database
    assert database
    mirror, study = own(postgres_url)
    run_trials(study, 64)
    study.set_user_attr("large", "x" * 5_000_000)  # for a timeout of 1 ms
    harm, says, undo = (text.format(database) for text in LASTING[what])
    server.execute(harm)
    if not harm.startswith("DROP"):
        drop_connections(server, database)
    try:
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(StorageFailedError, match=says) as caught:
                mirror.flush()
            assert "\n" not in str(caught.value)
        with pytest.raises(StorageFailedError, match=says):
            mirror.close()
        assert time.monotonic() - began < 2
    finally:
        server.execute(undo)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM sweep_guest", "permission denied"),
        ("DROP TABLE trial_values CASCADE", "trial_values"),
        ("ALTER ROLE sweep_guest SET default_transaction_read_only = on", "read-only"),
    ],
)
def test_a_right_or_a_table_that_is_gone_is_not_waited_for(
    postgres_url: str, own: Own, statement: str, says: str
) -> None:
    server, as_owner = postgres.shared_server(), sqlalchemy.make_url(postgres_url)
    with plain_reader(postgres_url) as reader:
        execute(
            reader, "DROP ROLE IF EXISTS sweep_guest", "CREATE ROLE sweep_guest LOGIN",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO sweep_guest",
            "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO sweep_guest",
        )  # fmt: skip
        mirror, study = own(
            as_owner.set(username="sweep_guest").render_as_string(hide_password=False)
        )
        run_trials(study, 2)
        mirror.flush()
        run_trials(study, 1)
        execute(reader, statement)
        drop_connections(server, str(as_owner.database))
        began = time.monotonic()
        with pytest.raises(StorageFailedError, match=says):
            mirror.flush()
        with pytest.raises(StorageFailedError, match=says):
            mirror.close()
        assert time.monotonic() - began < 2
    with plain_reader(postgres_url) as reader:
        execute(reader, "DROP OWNED BY sweep_guest", "DROP ROLE sweep_guest")


@pytest.fixture(scope="module")
def own_server() -> Iterator[postgres.Server]:
    server = postgres.new_server()
    yield server
    server.remove()


@pytest.fixture
def server(own_server: postgres.Server) -> Iterator[postgres.Server]:
    """A server to stop: it is started again."""
    yield own_server
    with suppress(AssertionError):  # it runs
        own_server.start()


def test_a_database_that_stays_away_is_waited_for_once(
    server: postgres.Server, own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.storage.ownership.RETRY_S", 1.0)
    mirror, study = own(server.url.render_as_string(hide_password=False), str(uuid4()))
    ask(study)
    server.stop("immediate")
    began = time.monotonic()
    for write in (mirror.flush, mirror.flush, mirror.close):
        with pytest.raises(StorageFailedError):
            write()
    assert time.monotonic() - began < 1.5


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("asked_before", [True, False])
@pytest.mark.parametrize("who_waits", ["this thread", "another thread"])
def test_an_interrupt_ends_the_wait_for_a_database(
    server: postgres.Server, own: Own, who_waits: str, asked_before: bool
) -> None:
    mirror, study = own(server.url.render_as_string(hide_password=False), str(uuid4()))
    ask(study)
    server.stop("immediate")

    def beat() -> None:
        with suppress(StorageError, KeyboardInterrupt):
            mirror.flush()

    other = threading.Thread(target=beat, daemon=True)
    if who_waits == "another thread":
        other.start()
    with asked_to_stop(lambda: None) as should_stop:
        timer = threading.Timer(
            0.0 if asked_before else 1.7, os.kill, (os.getpid(), signal.SIGINT)
        )
        began = time.monotonic() + timer.interval
        timer.start()
        if asked_before:
            timer.join()
        for write in (mirror.flush, mirror.flush, mirror.close):
            with pytest.raises(KeyboardInterrupt, match=r"must answer .* Run again to resume"):
                write()
        assert should_stop() and time.monotonic() - began < 2
    if who_waits == "another thread":
        other.join(timeout=5)  # nor does that one go on
        assert not other.is_alive()
    mirror._rdb.engine.dispose()


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


# --- its own face --------------------------------------------------------------------------


@pytest.fixture
def owned(url: str) -> Iterator[Ownership]:
    """An ownership of one study, "s", with nothing in it."""
    rdb = open_storage(url)
    studies: dict[int, _StudyInfo] = {}
    ownership = Ownership(rdb, studies)
    study_id, name = ownership.create([StudyDirection.MINIMIZE], "s")
    studies[study_id] = _StudyInfo(name, [StudyDirection.MINIMIZE])
    yield ownership
    rdb.remove_session()
    rdb.engine.dispose()


def n_leases(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM sweep_leases").scalar_one())


def test_every_transaction_renews_the_leases_and_gives_back_what_its_work_does(
    owned: Ownership,
) -> None:
    (study_id,) = owned.leases
    ticks = []
    for durable in (False, True):
        assert owned.transact(n_leases, durable) == 1
        ticks.append(owned.leases[study_id].tick)
    assert ticks == [1, 2]


def test_work_that_fails_leaves_leases_and_database_as_they_were(owned: Ownership) -> None:
    def write_and_fail(connection: Connection) -> None:
        connection.execute(STUDY_USER_ATTRS.insert().values(study_id=1, key="a", value_json="1"))
        raise ZeroDivisionError

    def attrs(connection: Connection) -> int:
        return len(connection.execute(STUDY_USER_ATTRS.select()).all())

    before = dict(owned.leases)
    with pytest.raises(ZeroDivisionError):
        owned.transact(write_and_fail)
    assert owned.leases == before
    assert owned.transact(attrs) == 0


def test_a_study_that_cannot_be_loaded_is_free_again(owned: Ownership, url: str) -> None:
    owned.give_back()
    heir = Ownership(open_storage(url), {})

    def fail(connection: Connection, study_id: int, study_name: str) -> list[Step]:
        assert (n_leases(connection), study_name) == (1, "s")
        raise LookupError("gone")

    for _ in range(2):
        with pytest.raises(StorageError, match=r"cannot be read .*gone.*sweep doctor"):
            heir.take("s", fail)
        assert heir.leases == {}
    heir.take("no such study", fail)
    loaded: list[tuple[int, str]] = []

    def load(connection: Connection, study_id: int, study_name: str) -> list[Step]:
        loaded.append((study_id, study_name))
        return []

    heir.take("s", load)
    assert loaded == [(study_id, "s") for study_id in heir.leases]
    heir._rdb.engine.dispose()


def test_a_study_that_never_is_fit_to_be_loaded_is_free_again(owned: Ownership, url: str) -> None:
    owned.give_back()
    heir = Ownership(open_storage(url), {})
    step = (STUDY_USER_ATTRS.delete(), list[dict[str, Any]]())
    with pytest.raises(StorageError, match="goes on adding them"):
        heir.take("s", lambda *_: [step])
    assert heir.leases == {}
    heir._rdb.engine.dispose()


def test_nothing_is_asked_of_what_was_given_back(owned: Ownership) -> None:
    (study_id,) = owned.leases
    owned.give_back()
    with pytest.raises(OwnedElsewhereError, match="lease is gone"):
        owned.transact(n_leases)
    with pytest.raises(OwnedElsewhereError, match="lease is gone"):
        owned.next_trial_id(study_id)


def test_a_study_is_deleted_with_its_lease(owned: Ownership) -> None:
    (study_id,) = owned.leases
    assert owned.next_trial_id(study_id) < owned.next_trial_id(study_id)
    owned.delete(study_id)
    assert owned.leases == {}
    assert owned.transact(n_leases) == 0
    assert owned.transact(lambda connection: len(connection.execute(TRIALS.select()).all())) == 0
