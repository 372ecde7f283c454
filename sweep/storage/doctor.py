"""Say what is wrong with a storage, and repair what can be repaired, behind a backup."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from optuna.storages._rdb.models import BaseModel
from sqlalchemy import Connection, Engine

from sweep.errors import OwnedElsewhereError, StorageError
from sweep.storage import lease
from sweep.storage.checks import CHECKS, diagnose
from sweep.storage.engine import open_storage
from sweep.storage.errors import one_line
from sweep.storage.finding import DEEDS, Defect, Finding, execute
from sweep.storage.sqlite import begin, reading

__all__ = ["Finding", "Repair", "examine", "repair"]

WAL_BYTES = 64 * 2**20  # SQLite starts over at 4 MiB, unless a reader never lets go


@dataclass(frozen=True)
class Repair:
    """What a repair did, one line each, and what it left.

    `backup` is the file or the schema that holds the state before; None if no row had to change.
    """

    backup: str | None
    done: list[str]
    left: list[Finding]


def examine(url: str) -> list[Finding]:
    """Look for damage in a storage, without changing anything.

    Raises StorageError: see open_storage, or the database cannot be read.
    """
    with _opened(url, read_only=True) as engine:
        return _examine(engine)


def repair(url: str) -> Repair:
    """Mend what can be mended, in one transaction behind a backup.

    After an error everything is as it was, and there is no backup. A second repair does nothing.

    Raises OwnedElsewhereError: a living process runs a damaged study. StorageError: see
    open_storage, or the database or its folder cannot be written.
    """
    with _opened(url) as engine:
        backup, done = _mend_all(engine)
        left = _examine(engine)
        logs = [finding for finding in left if finding.kind == "wal"]
        if logs and _shorten_wal(engine):
            done += map(_done, logs)
            left = [finding for finding in left if finding.kind != "wal"]
        return Repair(backup, done, left)


@contextmanager
def _opened(url: str, read_only: bool = False) -> Iterator[Engine]:
    engine = open_storage(url, create=False, read_only=read_only).engine
    if engine.dialect.name == "postgresql":  # all checks, and the backup, of one moment
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    try:
        with one_line(engine.url):
            yield engine
    finally:
        engine.dispose()


def _examine(engine: Engine) -> list[Finding]:
    with reading(), begin(engine, durable=False) as connection:
        found = [defect.finding for defect in diagnose(connection)]
        found += _long_wal(connection)
        connection.rollback()  # see _mend_all
        return found


def _mend_all(engine: Engine) -> tuple[str | None, list[str]]:
    with begin(engine, durable=True) as connection:
        defects = diagnose(connection)
        if not any(defect.steps for defect in defects):
            connection.rollback()  # even an empty commit is refused by a broken file
            return None, []
        lease.create_table(connection)  # a storage of Optuna's alone has none
        _refuse_owned(connection, defects)
        with _backed_up(connection) as backup:
            return backup, list(_mend(connection))


def _refuse_owned(connection: Connection, defects: list[Defect]) -> None:
    for finding, study_id, _ in defects:
        owner = None if study_id is None else lease.owner(connection, study_id)
        if owner is not None and finding.severity == "damage":
            raise OwnedElsewhereError(
                f"study {finding.study!r}: only a study that nobody runs can be repaired, and "
                f"pid {owner.pid} on {owner.host} runs it. Stop that one, or wait for it"
            )


def _mend(connection: Connection) -> Iterator[str]:
    """Check again and mend, check by check; hold the leases of damaged studies meanwhile."""
    held: dict[int, lease.Lease] = {}
    for check in CHECKS:
        for finding, study_id, steps in list(check(connection)):
            if not steps:
                continue
            if study_id is not None and finding.severity == "damage" and study_id not in held:
                held[study_id] = lease.acquire(connection, study_id, str(finding.study))
            execute(connection, steps)
            yield _done(finding)
    for ours in held.values():
        lease.release(connection, ours)


def _done(finding: Finding) -> str:
    where = f"study {finding.study!r}: " if finding.study else ""
    return f"{where}{finding.message}; {DEEDS[finding.kind]}"


@contextmanager
def _backed_up(connection: Connection) -> Iterator[str]:
    """Keep a copy; one of a repair that failed goes, a schema with the transaction."""
    if connection.dialect.name == "postgresql":
        yield _copy_schema(connection)
        return
    file = _copy_file(connection)
    try:
        yield str(file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _copy_file(connection: Connection) -> Path:
    """Copy an SQLite database beside itself; the caller's write lock keeps it still meanwhile."""
    file = _file(connection)
    path = file.with_name(f"{file.name}.{datetime.now():%Y%m%d-%H%M%S}.bak")
    part = path.with_name(f"{path.name}.part")
    if path.exists():
        raise StorageError(f"backup: must be a new file, got {path}. Try again in a second")
    try:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        shutil.copymode(file, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _copy_schema(connection: Connection) -> str:
    """Copy the tables into a schema of the same PostgreSQL database."""
    name = f"sweep_backup_{datetime.now():%Y%m%d_%H%M%S}"
    connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    for table in (*BaseModel.metadata.sorted_tables, lease.LEASES):
        connection.exec_driver_sql(f"CREATE TABLE {name}.{table} AS SELECT * FROM {table}")
    return name


def _long_wal(connection: Connection) -> Iterator[Finding]:
    if connection.dialect.name != "sqlite":
        return
    wal = _file(connection).with_name(f"{_file(connection).name}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > WAL_BYTES:
        message = f"the log {wal.name} has grown to {size / 2**20:.0f} MiB: a reader never lets go"
        yield Finding("wal", None, message, True, "note")


def _shorten_wal(engine: Engine) -> bool:
    """Empty SQLite's log, which works outside a transaction only, hence on the raw connection."""
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        (busy, *_) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _file(connection: Connection) -> Path:
    rows = connection.exec_driver_sql("PRAGMA database_list").all()
    return Path(next(file for _, name, file in rows if name == "main"))
