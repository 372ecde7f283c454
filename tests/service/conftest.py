"""The queue's tables, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.service.database import Database
from tests.support import postgres
from tests.support.served import Served, served


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/service.db"
    else:
        with postgres.shared_server().database() as url:
            yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The open tables."""
    database = Database.open(database_url)
    yield database
    database.close()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """The open tables in SQLite, for what no database does in its own way."""
    database = Database.open(f"sqlite:///{tmp_path}/service.db")
    yield database
    database.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    """The service in a thread, on SQLite, with the projects vision and speech."""
    with served(tmp_path, limits={"requests_per_minute": 100_000}) as running:
        yield running
