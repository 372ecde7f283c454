"""The service's tables: made once, read in later versions, and whole whatever the disk does."""

import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event

from sweep.errors import StorageError
from sweep.service.claims import Claims, Limits
from sweep.service.database import VERSIONS, Database, DatabaseAwayError, DiskFullError
from sweep.service.events import Events
from sweep.service.jobs import Queue
from tests.support import postgres
from tests.support.queued import submission

GOLDEN = Path(__file__).with_name("tables_v1.sql")  # never made anew: rows of the first version


@pytest.fixture
def golden(tmp_path: Path) -> Iterator[Database]:
    """Tables that version 1 wrote."""
    with sqlite3.connect(tmp_path / "golden.db") as connection:
        connection.executescript(GOLDEN.read_text(encoding="utf-8"))
    connection.close()
    database = Database.open(f"sqlite:///{tmp_path}/golden.db")
    yield database
    database.close()


def test_rows_of_version_1_are_read(golden: Database) -> None:
    queue = Queue(golden)
    jobs = {job.study_name: job for job in queue.list("vision").items}
    assert {name: job.state for name, job in jobs.items()} == {
        "done": "done", "waits": "waiting", "runs": "running", "cancelled": "cancelled",
        "queued": "queued",
    }  # fmt: skip
    assert jobs["done"].progress is not None and jobs["done"].progress["n_results"] == 6
    assert jobs["waits"].message == "its process ended by signal 9"
    assert jobs["queued"].spec.search.n_trials == 9
    kinds = [event.kind for event in Events(golden).since(jobs["done"].id)]
    assert kinds == ["state"] * 3 + ["log", "trial", "progress", "state", "end"]
    assert queue.submit(submission("done", key="key-1")) == (jobs["done"], False)


def test_rows_of_version_1_are_gone_on_with(golden: Database) -> None:
    queue, claims = Queue(golden), Claims(golden)
    queue.resume("vision", "cancelled")
    names = [
        run.job.study_name for _ in range(9) if (run := claims.claim(Limits(9, 9))) is not None
    ]
    assert names == ["queued", "waits", "cancelled"]


def test_tables_of_a_newer_version_are_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/service.db"
    database = Database.open(url)
    with database.writing() as connection:
        connection.execute(VERSIONS.update().values(version=99))
    database.close()
    with pytest.raises(StorageError, match="version 1 or less, got 99"):
        Database.open(url)


def test_many_may_make_the_tables_at_once(database_url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(Database.open, [database_url] * 6))
    with opened[0].reading() as connection:
        assert len(connection.execute(VERSIONS.select()).all()) == 1
    for database in opened:
        database.check()
        database.close()


def test_a_path_is_the_same_in_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = Database.open("sqlite:///out/service.db")
    assert database.engine.url.database == str(tmp_path / "out" / "service.db")
    database.close()


def test_a_full_disk_is_named_and_nothing_is_half_stored(sqlite_database: Database) -> None:
    queue, log = Queue(sqlite_database), Events(sqlite_database)
    job, _ = queue.submit(submission("before"))
    limit = [1]

    @event.listens_for(sqlite_database.engine, "checkout")
    def _limited(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={limit[0]}")  # it never shrinks a file

    with pytest.raises(DiskFullError, match="disk is full"):
        for number in range(100):
            queue.submit(submission(f"s{number}"))
    names = {each.study_name for each in queue.list(limit=1000).items}
    told = {each.study_name for each in queue.list(limit=1000).items if log.since(each.id)}
    assert names == told  # each with its event, or none of both
    limit[0] = 2**30
    assert queue.submit(submission("after"))[1]
    assert queue.find("vision", "before") == job


def test_a_file_that_cannot_grow_is_a_full_disk(tmp_path: Path) -> None:
    """As a disk without room does it: the kernel refuses the write."""
    resource = pytest.importorskip("resource")
    read, write = os.pipe()
    if not (pid := os.fork()):
        os.close(read)
        said = "stored"
        try:
            database = Database.open(f"sqlite:///{tmp_path}/service.db")
            size = (tmp_path / "service.db-wal").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            Queue(database).submit(submission())
        except BaseException as error:
            said = type(error).__name__
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "DiskFullError"
    os.waitpid(pid, 0)


def test_a_server_that_is_away_takes_nothing_and_is_found_again() -> None:
    server = postgres.new_server()
    try:
        database = Database.open(server.url.render_as_string(hide_password=False))
        queue = Queue(database)
        queue.submit(submission("before"))
        server.stop("immediate")
        for use in (
            lambda: queue.submit(submission("during")),
            lambda: queue.list(),
            lambda: Claims(database).runs(),
            database.check,
        ):
            with pytest.raises(DatabaseAwayError) as caught:
                use()
            assert "\n" not in str(caught.value)
        server.start()
        assert [job.study_name for job in queue.list().items] == ["before"]
        assert queue.submit(submission("during"))[1]
        database.close()
    finally:
        server.remove()
