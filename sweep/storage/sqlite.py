"""Set SQLite up so that many can use one file at once: its log, its locks, its waits for the disk.

Whoever begins transactions does it here, for servers too: they need none of this.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import OperationalError

from sweep.errors import StorageError
from sweep.storage.errors import insist

_only_reads: ContextVar[bool] = ContextVar("_only_reads", default=False)


def set_up(engine: Engine, create: bool, read_only: bool) -> None:
    """Have an engine's connections share their file; `create` and `read_only`: see open_storage.

    Raises StorageError, as it connects: the file lies where SQLite cannot write its log.
    """

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver would begin late, and DEFERRED
        if not create:
            return
        # For the lock under which a database changes to WAL, SQLite does not wait.
        use_wal = partial(connection.execute, "PRAGMA journal_mode=WAL")
        (mode,) = insist(use_wal, "database is locked").fetchone()
        if mode != "wal":
            raise StorageError(
                f"storage {engine.url!r}: must lie where SQLite can write its log (WAL), got mode "
                f"{mode}. Use a local disk, or PostgreSQL"
            )
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def _began(connection: Connection) -> None:
        reads = read_only or _only_reads.get()
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    engine.dispose()  # connections made before do not know these listeners


def file_of(url: URL) -> Path | None:
    """Return the file of an SQLite database, None where it is none, or a URI names it."""
    is_file = url.get_backend_name() == "sqlite" and not str(url.database).startswith("file:")
    return Path(str(url.database)) if is_file else None


def absolute(url: URL) -> URL:
    """Return the URL as a process in another working folder needs it."""
    path = file_of(url)
    return url if path is None else url.set(database=str(path.absolute()))


@contextmanager
def begin(engine: Engine, durable: bool) -> Iterator[Connection]:
    """Begin a transaction; a durable one survives a power loss."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":  # obeyed outside a transaction only, so it goes raw
            level = "FULL" if durable else "NORMAL"
            raw = connection.connection.driver_connection
            assert raw is not None
            try:
                raw.execute(f"PRAGMA synchronous={level}")
            except sqlite3.Error as error:  # as SQLAlchemy would, had it been asked
                raise OperationalError("PRAGMA synchronous", None, error) from error
        with connection.begin():
            yield connection


@contextmanager
def reading() -> Iterator[None]:
    """Let transactions begun inside leave SQLite's write lock alone."""
    token = _only_reads.set(True)
    try:
        yield
    finally:
        _only_reads.reset(token)


def _how_to_read(path: Path) -> str:
    """Return the options of SQLite's URI with which a file is read.

    Where nothing can be written, SQLite cannot make the files beside it that a log (WAL) needs.
    As long as there is no log, nobody writes: all is in the file itself, which `immutable` reads.
    """
    effective = os.access in os.supports_effective_ids
    writable = os.access(path.absolute().parent, os.W_OK, effective_ids=effective)
    if not writable and not path.with_name(f"{path.name}-wal").exists():
        return "immutable=1"
    return "mode=rw"  # not mode=ro: the last such connection would leave the log lying around


class QueryOnly(sqlite3.Connection):
    """A connection that writes nothing, from its first statement on, and makes no file."""

    def __init__(self, path: str, *args: Any, **kwargs: Any) -> None:
        if not path.startswith("file:"):
            path = f"{Path(path).absolute().as_uri()}?{_how_to_read(Path(path))}"
        super().__init__(path, *args, **{**kwargs, "uri": True})
        self.execute("PRAGMA query_only=ON")
