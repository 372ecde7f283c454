"""Start a real PostgreSQL for the tests: initdb in a temporary folder, reached by a socket."""

import atexit
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy

OPTIONS = "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=60"
DEBIAN = Path("/usr/lib/postgresql")

_numbers = itertools.count()


class Server:
    """One PostgreSQL server in a folder of its own; root runs it as another user."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="sweep-pg-"))
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        self._run("initdb", "--no-sync", "--auth=trust", "--username=sweep", "--encoding=UTF8")

    @property
    def url(self) -> sqlalchemy.URL:
        return sqlalchemy.make_url(f"postgresql+psycopg://sweep@/postgres?host={self.folder}")

    def start(self) -> None:
        options = f"{OPTIONS} -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def execute(self, statement: str) -> None:
        engine = sqlalchemy.create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(statement))
        engine.dispose()

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Create a database, empty unless it copies another one, give its URL, drop it."""
        name = f"sweep_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url.set(database=name).render_as_string(hide_password=False)
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), "-D", str(self.folder / "data"), *arguments]
        environment = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
        done = subprocess.run(
            command,
            user=self.user,
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would stay open as long as the server lives
            stderr=subprocess.DEVNULL,
        )
        assert done.returncode == 0, command


def new_server() -> Server:
    """Start a server of one's own, to be stopped and removed by the caller."""
    binaries = _binaries()
    if binaries is None:
        missing = "no PostgreSQL found: apt-get install postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    server = Server(binaries)
    server.start()
    return server


@cache
def shared_server() -> Server:
    """Start the server that all tests share; it goes when Python ends."""
    server = new_server()
    atexit.register(server.remove)
    return server


def _binaries() -> Path | None:
    versions = sorted(DEBIAN.glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if versions:
        return versions[-1]
    found = shutil.which("initdb")
    return None if found is None else Path(found).parent
