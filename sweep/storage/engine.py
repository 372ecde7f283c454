"""Open the database in which Optuna keeps studies, set up so that many can use it at once."""

import importlib.util
import itertools
import os
import secrets
import sqlite3
from collections.abc import Container
from contextlib import suppress
from functools import cache
from typing import Any

import alembic.command  # noqa: F401 - Optuna would as it opens a storage, when others may wait
import sqlalchemy.dialects.sqlite  # noqa: F401 - as above
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyModel
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL, ColumnElement, Connection, create_engine, make_url, or_, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool, StaticPool

from sweep.errors import StorageError
from sweep.storage import lease, schema
from sweep.storage import reading as stored
from sweep.storage.errors import insist, one_line
from sweep.storage.sqlite import QueryOnly, begin, file_of, reading, set_up

StudyModel.registry.configure()  # likewise: else with the first query
BUSY_S = 60.0  # how long SQLite waits for another writer
MANY_IDS = 10_000  # SQLite takes 32,766 in a query; from here on, reading all trials is as fast


def open_storage(url: str, *, create: bool = True, read_only: bool = False) -> RDBStorage:
    """Open a database as Optuna's own storage: for readers, and for writes that are rare.

    SQLite: WAL, so that readers and the owner do not wait for each other; writers begin
    IMMEDIATE, because Optuna reads before it writes and two could act on the same reading.

    Without `create` a file or tables that are missing are an error: who only reads has mistyped
    the path. Opening changes nothing about the database then, not even SQLite's kind of log.
    Such a reader keeps no connection open between its queries.

    With `read_only`, which goes without `create`, the database itself refuses every write. In
    WAL, no writer ever waits for such a reader.

    Raises StorageError: the URL, its driver, the file, its folder or its schema will not do.
    """
    parsed = check_url(url)
    create = create and not read_only
    with one_line(parsed):
        _make_file(parsed, create)
        # Processes that create the tables of one new database get in each other's way.
        clashes = ("already exists", "UNIQUE constraint", "unique constraint")
        return insist(lambda: _connect(parsed, create, read_only), *clashes)


def prepare(url: str) -> None:
    """Do, while others are waited for, what opening a new database takes longest at.

    Nothing is written. Raises StorageError: the URL or its driver will not do.
    """
    parsed = check_url(url)
    with one_line(parsed):
        path = file_of(parsed)
        if path and not path.exists():
            _blank()


def rename_study(url: str, old: str, new: str) -> bool:
    """Give a study another name, so that the old one is free; return whether there was one.

    Its id, trials and attributes stay: nothing that a running dashboard caches goes wrong but
    the name. Where the new name is taken, `-2`, `-3` and so on follow it.

    Raises OwnedElsewhereError: a living process runs it. StorageError: see open_storage.
    """
    schema.check_key(new, "study_name")
    storage = open_storage(url)
    names = StudyModel.__table__
    try:
        with one_line(storage.engine.url), begin(storage.engine, durable=True) as connection:
            study_id = find_study(connection, old)
            if study_id is not None:
                lease.release(connection, lease.acquire(connection, study_id, old))
                tried = itertools.chain([new], (f"{new}-{n}" for n in itertools.count(2)))
                free = next(name for name in tried if find_study(connection, name) is None)
                chosen = names.update().where(names.c.study_id == study_id)
                connection.execute(chosen.values(study_name=free))
    finally:
        storage.engine.dispose()
    return study_id is not None


class _Storage(RDBStorage):
    """Optuna's storage, which reads whole studies faster and without SQLite's write lock."""

    def __init__(self, url: str, engine_kwargs: dict[str, Any], create: bool) -> None:
        try:
            super().__init__(
                url,
                engine_kwargs,
                skip_compatibility_check=True,  # we check it
                skip_table_creation=not create,
            )
            if create:
                with self.engine.begin() as connection:
                    lease.create_table(connection)
        except BaseException:
            if hasattr(self, "engine"):
                self.engine.dispose()  # nobody else could reach its connections any more
            raise

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        trial_id = schema.TRIALS.c.trial_id
        chosen = trial_id > trial_id_greater_than  # a cache in front of us lacks these
        if len(included_trial_ids) < MANY_IDS:
            chosen = or_(chosen, trial_id.in_(included_trial_ids))
        else:
            chosen = true()
        with reading():
            trials = self._load(study_id, chosen)
        return [trial for trial in trials if states is None or trial.state in states]

    def _load(self, study_id: int, chosen: ColumnElement[bool]) -> list[FrozenTrial]:
        # Several queries must see one state: PostgreSQL's default is a state for each query.
        of_server = self.engine.dialect.name != "sqlite"
        options = {"isolation_level": "REPEATABLE READ"} if of_server else {}
        with _create_scoped_session(self.scoped_session) as session:
            connection = session.connection(execution_options=options)
            StudyModel.find_or_raise_by_id(study_id, session)
            return stored.load_trials(connection, study_id, chosen)


def check_url(url: str) -> URL:
    """Parse the URL of a storage, which need not be there.

    Raises StorageError: the URL is none, or not of a database that studies can be kept in.
    """
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError) as error:
        raise StorageError(
            f"storage: must be an SQLAlchemy URL, got {url!r}. "
            "Give one such as sqlite:///studies/out/studies.db"
        ) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StorageError(
            f"storage {parsed!r}: must be sqlite or postgresql, got {parsed.get_backend_name()}. "
            "Give a URL such as sqlite:///studies/out/studies.db"
        )
    in_memory = parsed.database in (None, "", ":memory:") or parsed.query.get("mode") == "memory"
    if parsed.get_backend_name() == "sqlite" and in_memory:
        raise StorageError(
            f"storage {parsed!r}: must be a file that others can read. "
            "Give a URL such as sqlite:///studies/out/studies.db"
        )
    if parsed.get_backend_name() == "sqlite" and "?" in url and not parsed.query:
        raise StorageError(
            f"storage {parsed!r}: must have options such as timeout=5 behind its ?, got {url!r}."
            " Write a ? of the file's name as %3F"
        )
    if parsed.drivername == "postgresql" and importlib.util.find_spec("psycopg2") is None:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _make_file(url: URL, create: bool) -> None:
    """Make the file of a new database whole at once, where that can be done."""
    path = file_of(url)
    if path is None or path.exists():
        return
    if not create:
        raise StorageError(
            f"storage {url!r}: must exist to be read, got no file {path}. "
            "Run a study first, or give another --storage"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    blank, part = _blank(), path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    if blank is None:
        return
    # Else Optuna makes it, or says why not; another process may have been faster.
    with suppress(OSError):
        try:
            # The mode is that of SQLite's own files.
            made = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            with open(made, "wb") as file:
                file.write(blank)
            os.link(part, path)
        finally:
            part.unlink(missing_ok=True)


@cache
def _blank() -> bytes | None:
    """Return what the file of a database without studies holds; None of an SQLite too old."""
    if not hasattr(sqlite3.Connection, "serialize"):
        return None
    storage = _Storage("sqlite://", {"poolclass": StaticPool}, create=True)
    try:
        raw = storage.engine.raw_connection().driver_connection
        assert isinstance(raw, sqlite3.Connection)
        return raw.serialize()
    finally:
        storage.engine.dispose()


def _connect(url: URL, create: bool, read_only: bool) -> RDBStorage:
    if create:
        _refuse_holes(url)
    sqlite = url.get_backend_name() == "sqlite"
    options: dict[str, Any] = (
        {"connect_args": {"timeout": BUSY_S}} if sqlite else {"pool_pre_ping": True}
    )
    if not create:
        options["poolclass"] = NullPool
    if read_only and sqlite:
        options["connect_args"]["factory"] = QueryOnly
    elif read_only:
        options["execution_options"] = {"postgresql_readonly": True}
    storage = _Storage(url.render_as_string(hide_password=False), options, create)
    try:
        if sqlite:
            set_up(storage.engine, create, read_only)
        _check_schema(storage)
    except BaseException:
        storage.engine.dispose()
        raise
    return storage


def _refuse_holes(url: URL) -> None:
    """Refuse a database with some of Optuna's tables: the others would be made anew, empty.

    Raises StorageError: it lacks a table.
    """
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            schema.check_tables(connection)
    finally:
        engine.dispose()


def _check_schema(storage: RDBStorage) -> None:
    with reading():
        version = storage.get_current_version()
        with storage.engine.begin() as connection:
            schema.check_tables(connection)
    if version != schema.HEAD:
        raise StorageError(
            f"storage {storage.engine.url!r}: must have Optuna's schema {schema.HEAD}, got "
            f"{version}. Run `optuna storage upgrade`, or use the Optuna that made it"
        )


def find_study(connection: Connection, study_name: str) -> int | None:
    """Return the id of a study, None where there is none of this name."""
    table = StudyModel.__table__
    query = select(table.c.study_id).where(table.c.study_name == study_name)
    return connection.execute(query).scalar_one_or_none()
