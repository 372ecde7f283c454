"""SQLite as many use it at once: who waits for whom, and who for the disk."""

import sqlite3
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy import Connection

from sweep.storage.engine import open_storage
from sweep.storage.sqlite import begin, reading
from tests.support.mirrors import (
    Own,
    on_engines,
    opened,
    run_trials,
)


def test_sqlite_is_opened_for_readers_beside_a_writer(sqlite_url: str) -> None:
    storage = open_storage(sqlite_url)
    with storage.engine.connect() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    storage.engine.dispose()
    assert pragma == {"journal_mode": "wal", "synchronous": 1, "busy_timeout": 60_000}


def test_reading_trials_does_not_wait_for_a_writer(sqlite_url: str, own: Own) -> None:
    mirror, study = own(sqlite_url)
    run_trials(study, 2)
    mirror.flush()
    reader = open_storage(sqlite_url)
    with mirror._rdb.engine.begin():  # holds the write lock
        assert len(reader.get_all_trials(study._study_id)) == 2
    reader.engine.dispose()


def test_plain_writers_begin_with_the_write_lock(sqlite_url: str) -> None:
    storage = open_storage(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=0.0)
    with storage.engine.begin(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()
    storage.engine.dispose()


def test_a_read_only_storage_does_not_wait_for_a_writer(sqlite_url: str) -> None:
    url = sqlite_url
    with opened(url) as writer, writer.engine.begin() as connection:  # holds the write lock
        with opened(url, read_only=True) as reader:
            assert reader.get_all_studies() == []
        connection.exec_driver_sql("INSERT INTO studies VALUES (1, 'a')")


def test_a_file_that_is_gone_is_not_made_anew(sqlite_url: str, tmp_path: Path) -> None:
    with opened(sqlite_url, read_only=True) as reader:
        (tmp_path / "studies.db").unlink()
        with pytest.raises(StorageInternalError) as refused:
            reader.get_all_studies()
        assert "unable to open" in str(refused.value.__cause__)
    assert not list(tmp_path.iterdir())


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


def test_a_transaction_inside_reading_leaves_the_write_lock_to_others(sqlite_url: str) -> None:
    storage = open_storage(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=0.0)
    with reading(), storage.engine.begin():
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    with begin(storage.engine, durable=False), pytest.raises(sqlite3.OperationalError):
        other.execute("BEGIN IMMEDIATE")
    other.close()
    storage.engine.dispose()


def test_a_transaction_begins_on_a_server_as_on_a_file(url: str) -> None:
    storage = open_storage(url)
    for durable in (False, True):
        with begin(storage.engine, durable) as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    storage.engine.dispose()
