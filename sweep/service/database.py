"""The service's own tables: studies handed in, and what has happened to them.

All rows are written in short transactions that survive a power loss unless said otherwise. Every
time is the database's clock, in seconds since 1970, so the clocks of hosts need not agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from sweep.errors import StorageError, StorageFailedError
from sweep.storage import sqlite
from sweep.storage.engine import check_url
from sweep.storage.errors import insist, may_pass, one_line, storage_error

VERSION = 1  # of the tables below
BUSY_S = 30.0  # how long SQLite waits for another writer
_LOCK = 7_306_512_889  # of PostgreSQL's advisory locks: one at a time changes the queue's order
_FULL = ("disk is full", "No space left", "disk I/O error")  # the last: a log that cannot grow

TABLES = MetaData()
_ROW = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up in an INTEGER alone

VERSIONS = Table("sweep_service", TABLES, Column("version", Integer, nullable=False))

JOBS = Table(
    "sweep_jobs",
    TABLES,
    Column("seq", _ROW, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("project", String(64), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("study_name", String(200), nullable=False),
    Column("body", Text, nullable=False),  # the study as it was sent
    Column("folder", Text),  # where its relative paths start; NULL: a folder of the job's own
    Column("storage", Text),  # where its trials go; NULL: into its project's storage
    Column("spec_hash", String(64), nullable=False),
    Column("changes", Text, nullable=False),  # JSON: dotted keys that win over the body
    Column("n_trials", Integer, nullable=False),
    Column("timeout_s", Float(53)),
    Column("idem_key", String(255)),
    Column("idem_hash", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("want", String(16), nullable=False),  # "", "cancel" or "fail"
    Column("wanted", Float(53)),  # when that was asked for
    Column("priority", Integer, nullable=False),
    Column("token", String(32)),  # of the lease: who may write about the run
    Column("expires", Float(53)),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String(255), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Float(53)),  # when a waiting one is tried again
    Column("created", Float(53), nullable=False),
    Column("queued", Float(53), nullable=False),
    Column("begun", Float(53)),
    Column("ended", Float(53)),
    Column("ending", String(32), nullable=False),
    Column("error", String(64), nullable=False),  # the name of the error's class
    Column("message", Text, nullable=False),  # its one line
    Column("progress", Text),  # JSON
    Column("pruned", BigInteger, nullable=False),  # the last event that was deleted
    UniqueConstraint("project", "study_name"),
    UniqueConstraint("project", "owner", "idem_key"),
    Index("sweep_jobs_state", "state", "priority", "queued"),
)

EVENTS = Table(
    "sweep_events",
    TABLES,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    Column("job_id", String(36), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("data", Text, nullable=False),  # JSON
    Column("created", Float(53), nullable=False),
    Index("sweep_events_job", "job_id", "id"),
    sqlite_autoincrement=True,  # else the id of the last row could come twice after a deletion
)


class DatabaseAwayError(StorageFailedError):
    """Report a database that does not answer now; nothing was stored. Try again later."""


class DiskFullError(StorageFailedError):
    """Report that there is no room to store it; nothing was stored."""


class Database:
    """The open tables; any number of threads may use one."""

    def __init__(self, engine: Engine):
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> Database:
        """Open the tables and make those that are missing.

        Args:
            url: SQLAlchemy's, of an SQLite file or a PostgreSQL database.

        Raises:
            StorageError: the URL, its driver, file or folder will not do, or a newer version of
                sweep has made the tables.
            DatabaseAwayError, DiskFullError: see there.
        """
        parsed = sqlite.absolute(check_url(url))  # processes in other folders open it too
        is_file = parsed.get_backend_name() == "sqlite"
        with one_line(parsed):
            if (path := sqlite.file_of(parsed)) is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(
                parsed,
                connect_args={"timeout": BUSY_S} if is_file else {"connect_timeout": 10},
                pool_pre_ping=not is_file,
            )
        if is_file:
            sqlite.set_up(engine, create=True, read_only=False)
        database = cls(engine)
        try:
            database._make_tables()
        except BaseException:
            engine.dispose()
            raise
        return database

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    @contextmanager
    def writing(self, durable: bool = True) -> Iterator[Connection]:
        """Begin a transaction; it is undone where the block raises.

        Args:
            durable: whether it must survive a power loss.

        Raises:
            DatabaseAwayError, DiskFullError, StorageError: nothing was stored.
        """
        with self._legible(), sqlite.begin(self.engine, durable) as connection:
            yield connection

    @contextmanager
    def ordering(self) -> Iterator[Connection]:
        """Begin a transaction, as `writing` does, of which there is one at a time."""
        with self.writing() as connection:
            if self.engine.dialect.name != "sqlite":  # whose writers are one at a time anyway
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Begin a transaction that only reads; no writer waits for it.

        Raises:
            DatabaseAwayError, StorageError: the database cannot be read.
        """
        with self._legible(), sqlite.reading(), self.engine.connect() as connection:
            yield connection

    def check(self) -> None:
        """Find out whether rows can be written now.

        Raises:
            DatabaseAwayError, DiskFullError, StorageError: they cannot.
        """
        with self.writing() as connection:
            connection.execute(VERSIONS.update().values(version=VERSIONS.c.version))

    def _make_tables(self) -> None:
        clashes = ("already exists", "unique constraint", "UNIQUE constraint")  # of two at once
        with self._legible():
            insist(lambda: TABLES.create_all(self.engine), *clashes)
        with self.ordering() as connection:
            version = connection.execute(select(VERSIONS.c.version)).scalar()
            if version is None:
                connection.execute(VERSIONS.insert().values(version=VERSION))
        if version is not None and version > VERSION:
            raise StorageError(
                f"database {self.engine.url!r}: must have tables of version {VERSION} or less, got"
                f" {version}. Use the newer sweep that made them"
            )

    @contextmanager
    def _legible(self) -> Iterator[None]:
        """Turn what SQLAlchemy raises into one line of the kind that it is."""
        try:
            yield
        except IntegrityError:  # a rule of the tables: whoever wrote knows what it means
            raise
        except SQLAlchemyError as error:
            line = str(storage_error(self.engine.url, error))
            if any(words in line for words in _FULL):
                raise DiskFullError(line) from error
            if isinstance(error, DBAPIError) and may_pass(error):
                raise DatabaseAwayError(line) from error
            raise StorageError(line) from error
