"""Open the database in which Optuna keeps studies, set up so that many can use it at once."""

import importlib.util
import sqlite3
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import alembic.command  # noqa: F401 - Optuna would as it opens a storage, when others may wait
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyModel
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import URL, ColumnElement, Connection, Engine, event, make_url, or_, select, true
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from sweep import lease, schema, stored
from sweep.errors import StorageError
from sweep.faults import one_line

BUSY_S = 60.0  # how long SQLite waits for another writer
MANY_IDS = 10_000  # SQLite takes 32,766 in a query; from here on, reading all trials is as fast

T = TypeVar("T")


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
    parsed = _checked_url(url)
    create = create and not read_only
    with one_line(parsed):
        _make_folder(parsed, create)
        # Processes that create the tables of one new database get in each other's way.
        clashes = ("already exists", "UNIQUE constraint", "unique constraint")
        return _insist(lambda: _connect(parsed, create, read_only), *clashes)


def public_url(url: str) -> str:
    """Return a URL as it may be shown: without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        return url


def rename_study(url: str, old: str, new: str) -> bool:
    """Give a study another name, so that the old one is free; return whether there was one.

    Its id, trials and attributes stay: nothing that a running dashboard caches goes wrong but
    the name.

    Raises OwnedElsewhereError: a living process runs it. StorageError: see open_storage, or the
    new name is taken.
    """
    schema.check_key(new, "study_name")
    storage = open_storage(url)
    names = StudyModel.__table__
    try:
        with one_line(storage.engine.url), begin(storage.engine, durable=True) as connection:
            study_id = find_study(connection, old)
            if study_id is not None:
                lease.release(connection, lease.acquire(connection, study_id, old))
                chosen = names.update().where(names.c.study_id == study_id)
                connection.execute(chosen.values(study_name=new))
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


_only_reads: ContextVar[bool] = ContextVar("_only_reads", default=False)


@contextmanager
def reading() -> Iterator[None]:
    """Let transactions begun inside leave SQLite's write lock alone."""
    token = _only_reads.set(True)
    try:
        yield
    finally:
        _only_reads.reset(token)


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


def _checked_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError) as error:
        raise StorageError(
            f"storage: must be an SQLAlchemy URL, got {url!r}. "
            "Give one such as sqlite:///studies/out/studies.db."
        ) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StorageError(
            f"storage {parsed!r}: must be sqlite or postgresql, got {parsed.get_backend_name()}. "
            "Give a URL such as sqlite:///studies/out/studies.db."
        )
    in_memory = parsed.database in (None, "", ":memory:") or parsed.query.get("mode") == "memory"
    if parsed.get_backend_name() == "sqlite" and in_memory:
        raise StorageError(
            f"storage {parsed!r}: must be a file that others can read. "
            "Give a URL such as sqlite:///studies/out/studies.db."
        )
    if parsed.get_backend_name() == "sqlite" and "?" in url and not parsed.query:
        raise StorageError(
            f"storage {parsed!r}: must have options such as timeout=5 behind its ?, got {url!r}."
            " Write a ? of the file's name as %3F."
        )
    if parsed.drivername == "postgresql" and importlib.util.find_spec("psycopg2") is None:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _make_folder(url: URL, create: bool) -> None:
    path = Path(str(url.database))
    if url.get_backend_name() != "sqlite" or str(path).startswith("file:"):
        return
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.exists():
        raise StorageError(
            f"storage {url!r}: must exist to be read, got no file {path}. "
            "Run a study first, or give another --storage."
        )


class _QueryOnly(sqlite3.Connection):
    """A connection that writes nothing, from its first statement on, and makes no file."""

    def __init__(self, path: str, *args: Any, **kwargs: Any) -> None:
        if not path.startswith("file:"):
            # Not mode=ro: the last such connection would leave SQLite's log lying around.
            path = f"{Path(path).absolute().as_uri()}?mode=rw"
        super().__init__(path, *args, **{**kwargs, "uri": True})
        self.execute("PRAGMA query_only=ON")


def _connect(url: URL, create: bool, read_only: bool) -> RDBStorage:
    sqlite = url.get_backend_name() == "sqlite"
    options: dict[str, Any] = (
        {"connect_args": {"timeout": BUSY_S}} if sqlite else {"pool_pre_ping": True}
    )
    if not create:
        options["poolclass"] = NullPool
    if read_only and sqlite:
        options["connect_args"]["factory"] = _QueryOnly
    elif read_only:
        options["execution_options"] = {"postgresql_readonly": True}
    storage = _Storage(url.render_as_string(hide_password=False), options, create)
    try:
        if sqlite:
            _set_up_sqlite(storage.engine, create, read_only)
        _check_schema(storage)
    except BaseException:
        storage.engine.dispose()
        raise
    return storage


def _insist(action: Callable[[], T], *passing: str) -> T:
    """Do something again, a few times, after errors that name one of the passing reasons."""
    for pause_s in (0.1, 0.2, 0.4, 0.8):
        try:
            return action()
        except (DBAPIError, sqlite3.Error) as error:
            if not any(reason in str(error) for reason in passing):
                raise
        time.sleep(pause_s)
    return action()


def _check_schema(storage: RDBStorage) -> None:
    with reading():
        version = storage.get_current_version()
    if version != schema.HEAD:
        raise StorageError(
            f"storage {storage.engine.url!r}: must have Optuna's schema {schema.HEAD}, got "
            f"{version}. Run `optuna storage upgrade`, or use the Optuna that made it."
        )


def _set_up_sqlite(engine: Engine, create: bool, read_only: bool) -> None:
    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver would begin late, and DEFERRED
        if not create:
            return
        # For the lock under which a database changes to WAL, SQLite does not wait.
        use_wal = partial(connection.execute, "PRAGMA journal_mode=WAL")
        (mode,) = _insist(use_wal, "database is locked").fetchone()
        if mode != "wal":
            raise StorageError(
                f"storage {engine.url!r}: must lie where SQLite can write its log (WAL), got mode "
                f"{mode}. Use a local disk, or PostgreSQL."
            )
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def _began(connection: Connection) -> None:
        reads = read_only or _only_reads.get()
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    engine.dispose()  # connections made before do not know these listeners


def find_study(connection: Connection, study_name: str) -> int | None:
    """Return the id of a study, None where there is none of this name."""
    table = StudyModel.__table__
    query = select(table.c.study_id).where(table.c.study_name == study_name)
    return connection.execute(query).scalar_one_or_none()
