"""Say in one line what the layers of a database raise, and try again what may pass."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from sweep.errors import StorageError

T = TypeVar("T")

# What Optuna's decoders and ours raise on rows that they cannot read.
UNREADABLE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)

# SQLSTATEs, or their classes, of errors that pass (PostgreSQL's manual, appendix A).
PASSING = (
    "08",  # the connection failed
    "40",  # the transaction was rolled back: serialization, deadlock
    "25P03", "57P05",  # the server ended an idle session
    "53200", "53300",  # it is short of memory, or of connections
    "55006", "55P03",  # an object is in use, or locked
    "57P01", "57P02", "57P03",  # it shuts down, crashes, or starts
)  # fmt: skip
# By these words the others are told where no code comes with them: from the file system, and
# from a server that refuses a connection.
LASTING = (
    "disk is full", "No space left", "does not exist", "authentication failed", "pg_hba.conf",
    "permission denied", "not permitted to log in", "not currently accepting connections",
)  # fmt: skip

# Raised by importing a driver, by making a folder, by options of a URL, and by our listeners.
_BELOW_SQLALCHEMY = (ImportError, OSError, ValueError, TypeError, sqlite3.Error)


@contextmanager
def one_line(url: URL) -> Iterator[None]:
    """Turn what the database's layers raise into one line."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError, *_BELOW_SQLALCHEMY) as error:
        raise storage_error(url, error) from error


@contextmanager
def legible(url: str) -> Iterator[None]:
    """Turn what reading a damaged study raises into one line."""
    parsed = make_url(url)
    with one_line(parsed):
        try:
            yield
        except UNREADABLE as error:
            shown = parsed.render_as_string(hide_password=True)
            raise StorageError(
                f"storage {shown!r}: a stored row cannot be read ({error!r:.80}). "
                "Run `sweep doctor`"
            ) from error


def storage_error(url: URL, error: BaseException) -> StorageError:
    """Say in one line what the database's layers raised, and what to do."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    cause = getattr(cause, "orig", None) or cause
    reason = " ".join(str(cause).split()).rstrip(".")
    return StorageError(f"storage {url!r}: {reason}. {_next_step(reason)}")


def may_pass(error: DBAPIError) -> bool:
    """Tell a lost connection or a lock from an error that would come again."""
    reason, state = str(error.orig), _sqlstate(error)
    if any(text in reason for text in LASTING):
        return False
    if state is not None:
        return state.startswith(PASSING)
    of_server = not type(error.orig).__module__.startswith("sqlite3")
    lost = error.connection_invalidated or (of_server and isinstance(error, OperationalError))
    return lost or "database is locked" in reason


def _sqlstate(error: DBAPIError) -> str | None:
    """Return the five characters by which PostgreSQL tells errors apart, if it sent them."""
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return None if state is None else str(state)


def insist(action: Callable[[], T], *passing: str) -> T:
    """Do something again, a few times, after errors that name one of the passing reasons."""
    for pause_s in (0.1, 0.2, 0.4, 0.8):
        try:
            return action()
        except (DBAPIError, sqlite3.Error) as error:
            if not any(reason in str(error) for reason in passing):
                raise
        time.sleep(pause_s)
    return action()


def _next_step(reason: str) -> str:
    steps = {
        "not a database": "Give the path of an SQLite file that Optuna wrote, or a new one",
        "import DB access module": "Install the driver: pip install 'alpha-sweep[postgres]'",
        "No module named": "Install the driver: pip install 'alpha-sweep[postgres]'",
        "no such table": "Run a study first, or give another --storage",
        'relation "': "Run a study first, or give another --storage",
        "does not exist": "Create it, or give another --storage",
        "statement timeout": "Raise statement_timeout for this role, and run again to resume",
        "permission denied": "Grant this role to read and write, and run again",
        "authentication failed": "Check user and password",
        "readonly database": "Check that file and folder can be written, or copy it: SQLite writes"
        " beside a file even to read it",
        "malformed": "Run `sweep doctor`, or restore a backup",
        "database is locked": "Another program holds the database; stop it and try again",
        "disk is full": "Free some space and try again; nothing is lost until then",
    }
    default = "Check that its folder or server exists and can be written, and try again"
    return next((step for word, step in steps.items() if word in reason), default)
