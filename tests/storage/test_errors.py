"""What the layers of a database raise: one line with a next step, and whether it may pass."""

import sqlite3
from functools import partial

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, OperationalError

from sweep.errors import OwnedElsewhereError, StorageError
from sweep.storage.errors import UNREADABLE, insist, legible, may_pass, one_line, storage_error

URL = make_url("postgresql://sweep:secret@host/studies")


def of_sqlite(reason: str) -> DBAPIError:
    return OperationalError("SELECT 1", None, sqlite3.OperationalError(reason))


def of_server(
    reason: str, kind: type[DBAPIError] = OperationalError, lost: bool = False
) -> DBAPIError:
    return kind("SELECT 1", None, Exception(reason), connection_invalidated=lost)


@pytest.mark.parametrize(
    ("reason", "step"),
    [
        ("file is not a database", "Give the path of an SQLite file"),
        ("no such table: studies", "Run a study first"),
        ('relation "studies" does not exist', "Run a study first"),
        ("attempt to write a readonly database", "can be written"),
        ("database disk image is malformed", "Run `sweep doctor`"),
        ("database is locked", "Another program holds the database"),
        ("database or disk is full", "Free some space"),
        ("unable to open database file", "Check that its folder or server exists"),
    ],
)
def test_every_reason_has_its_next_step(reason: str, step: str) -> None:
    assert step in str(storage_error(URL, of_sqlite(reason)))


def test_the_reason_is_the_innermost_one_in_one_line_and_without_the_password() -> None:
    outer = StorageInternalError("An exception is raised during the commit.\nMuch more of it.")
    outer.__cause__ = of_server("could not\n  connect.")
    assert str(storage_error(URL, outer)) == (
        "storage postgresql://sweep:***@host/studies: could not connect. "
        "Check that its folder or server exists and can be written, and try again"
    )


@pytest.mark.parametrize(
    "raised",
    [
        of_sqlite("I/O error"), StorageInternalError("x"), NoSuchModuleError("x"),
        ImportError("x"), PermissionError("x"), ValueError("x"), TypeError("x"),
        sqlite3.ProgrammingError("x"),
    ],
)  # fmt: skip
def test_what_the_layers_raise_becomes_one_line_and_keeps_its_cause(raised: Exception) -> None:
    with pytest.raises(StorageError) as caught, one_line(URL):
        raise raised
    assert caught.value.__cause__ is raised
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raised", [OwnedElsewhereError("x"), KeyError("x"), KeyboardInterrupt()])
def test_what_others_raise_goes_through(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as caught, one_line(URL):
        raise raised
    assert caught.value is raised


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_row_that_cannot_be_read_sends_to_the_doctor(kind: type[Exception]) -> None:
    url = URL.render_as_string(hide_password=False)
    says = r"cannot be read .*sweep doctor"
    with pytest.raises(StorageError, match=says) as caught, legible(url):
        raise kind("x" * 200)
    assert str(caught.value).startswith("storage 'postgresql://sweep:***@host/studies': ")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (of_sqlite("database is locked"), True),
        (of_sqlite("disk I/O error"), False),
        (of_sqlite("database or disk is full"), False),
        (of_server("the server went away"), True),
        (of_server("no such column", DBAPIError), False),
        (of_server("closed in between", DBAPIError, lost=True), True),
        (of_server("No space left on device", lost=True), False),
    ],
)
def test_lost_connections_and_locks_may_pass(error: DBAPIError, passes: bool) -> None:
    assert may_pass(error) == passes


class Sent(Exception):
    """An error as a driver of PostgreSQL raises it."""

    def __init__(self, state: str) -> None:
        super().__init__("whatever the server's language")
        self.sqlstate = state


@pytest.mark.parametrize(
    ("state", "passes"),
    [
        ("08006", True), ("08001", True),  # the connection failed
        ("40001", True), ("40P01", True),  # serialization, deadlock
        ("57P01", True), ("57P02", True), ("57P03", True),  # shuts down, crashes, starts
        ("53300", True), ("55P03", True), ("25P03", True),  # too many, locked, idle
        ("57014", False),  # cancelled by a timeout
        ("3D000", False), ("42P01", False), ("42501", False),  # no database, table, privilege
        ("28P01", False), ("53100", False), ("25006", False),  # password, disk full, read-only
        ("57P04", False), ("XX001", False), ("42601", False),  # dropped, corrupt, syntax
    ],
)  # fmt: skip
@pytest.mark.parametrize("lost", [False, True])
def test_what_a_server_sends_is_told_by_its_code(state: str, passes: bool, lost: bool) -> None:
    error = OperationalError("SELECT 1", None, Sent(state), connection_invalidated=lost)
    assert may_pass(error) == passes


@pytest.mark.parametrize(
    ("reason", "passes"),
    [
        ('FATAL:  database "sweep" does not exist', False),
        ('FATAL:  role "me" does not exist', False),
        ('FATAL:  password authentication failed for user "me"', False),
        ('FATAL:  no pg_hba.conf entry for host "[local]"', False),
        ("FATAL:  the database system is starting up", True),
        ("FATAL:  sorry, too many clients already", True),
        ("Connection refused\n\tIs the server running on that host?", True),
        ("could not translate host name", True),
    ],
)
def test_refused_connections_come_without_a_code(reason: str, passes: bool) -> None:
    assert may_pass(of_server(f"connection failed: {reason}")) == passes


def test_what_passes_is_tried_again_and_no_more_than_five_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)

    def act(errors: list[Exception]) -> int:
        if errors:
            raise errors.pop(0)
        return 7

    locked = sqlite3.OperationalError("database is locked")
    assert insist(partial(act, [locked] * 4), "already exists", "is locked") == 7
    with pytest.raises(sqlite3.OperationalError, match="is locked"):
        insist(partial(act, [locked] * 5), "is locked")
    left = [of_sqlite("I/O error"), locked]
    with pytest.raises(DBAPIError, match="I/O error"):
        insist(partial(act, left), "is locked")
    assert left == [locked]
