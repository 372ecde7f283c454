"""One process at a time holds the lease of a study, on SQLite and on PostgreSQL."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Connection, Engine

from sweep.errors import OwnedElsewhereError
from sweep.storage import lease
from tests.support import postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/leases.db")
        sqlalchemy.event.listen(engine, "connect", _let_us_begin)
        sqlalchemy.event.listen(engine, "begin", _begin_immediate)
        yield engine
        engine.dispose()
    else:
        with postgres.shared_server().database() as url:
            engine = sqlalchemy.create_engine(url)
            yield engine
            engine.dispose()


def _let_us_begin(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        lease.create_table(connection)
        yield connection


def _alter(connection: Connection, **columns: Any) -> None:
    connection.execute(lease.LEASES.update().values(**columns))


def _pid_of_dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_free_study_is_taken_by_this_process(connection: Connection) -> None:
    assert lease.owner(connection, 7) is None
    taken = lease.acquire(connection, 7, "digits")
    found = lease.owner(connection, 7)
    assert found is not None
    assert (found.study_id, found.token, found.tick) == (7, taken.token, 0)
    assert (found.host, found.pid) == (socket.gethostname(), os.getpid())
    assert 0 < found.left_s <= lease.LIFE_S


def test_the_table_can_be_created_twice(connection: Connection) -> None:
    lease.create_table(connection)


def test_a_second_owner_is_told_in_one_line_who_runs_it(connection: Connection) -> None:
    lease.acquire(connection, 7, "digits")
    with pytest.raises(OwnedElsewhereError) as caught:
        lease.acquire(connection, 7, "digits")
    message = str(caught.value)
    assert "\n" not in message
    assert "'digits'" in message
    assert f"pid {os.getpid()} on {socket.gethostname()}" in message


def test_studies_have_leases_of_their_own(connection: Connection) -> None:
    lease.acquire(connection, 7, "digits")
    assert lease.acquire(connection, 8, "iris").study_id == 8


def test_renewing_counts_ticks_and_moves_the_expiry(connection: Connection) -> None:
    taken = lease.acquire(connection, 7, "digits")
    _alter(connection, expires=0.0)
    renewed = lease.renew(connection, taken, "digits")
    assert renewed.tick == 1
    assert lease.renew(connection, renewed, "digits").tick == 2
    found = lease.find(connection, 7)
    assert found is not None
    assert found.left_s > 0


def test_a_renewal_shows_that_the_database_lost_commits(connection: Connection) -> None:
    taken = lease.acquire(connection, 7, "digits")
    for _ in range(5):
        taken = lease.renew(connection, taken, "digits")
    _alter(connection, tick=2)
    assert lease.renew(connection, taken, "digits").tick <= taken.tick


def test_a_released_lease_is_free(connection: Connection) -> None:
    lease.release(connection, lease.acquire(connection, 7, "digits"))
    assert lease.find(connection, 7) is None
    lease.acquire(connection, 7, "digits")


def test_an_expired_lease_is_taken_over_and_its_owner_fenced(connection: Connection) -> None:
    old = lease.acquire(connection, 7, "digits")
    _alter(connection, expires=0.0)
    assert lease.owner(connection, 7) is None
    new = lease.acquire(connection, 7, "digits")
    with pytest.raises(OwnedElsewhereError, match="taken it over") as caught:
        lease.renew(connection, old, "digits")
    assert "\n" not in str(caught.value)
    lease.release(connection, old)  # harmless
    assert lease.renew(connection, new, "digits").tick == 1


def test_a_lease_that_is_gone_fences_too(connection: Connection) -> None:
    taken = lease.acquire(connection, 7, "digits")
    lease.release(connection, taken)
    with pytest.raises(OwnedElsewhereError, match="gone"):
        lease.renew(connection, taken, "digits")


def _dead_pid(taken: lease.Lease) -> dict[str, Any]:
    return {"pid": _pid_of_dead_process()}


def _reused_pid(taken: lease.Lease) -> dict[str, Any]:
    return {"started": taken.started + "1"}


def _other_host(taken: lease.Lease) -> dict[str, Any]:
    return {"host": "elsewhere", "pid": _pid_of_dead_process()}


def _other_container(taken: lease.Lease) -> dict[str, Any]:
    return {"started": "another-boot-pid:[1]/77", "pid": _pid_of_dead_process()}


@pytest.mark.parametrize(
    ("differs", "free"),
    [(_dead_pid, True), (_reused_pid, True), (_other_host, False), (_other_container, False)],
)
def test_only_an_owner_known_to_be_dead_loses_its_lease_before_it_expires(
    connection: Connection, differs: Callable[[lease.Lease], dict[str, Any]], free: bool
) -> None:
    _alter(connection, **differs(lease.acquire(connection, 7, "digits")))
    assert (lease.owner(connection, 7) is None) == free
    if free:
        lease.acquire(connection, 7, "digits")
    else:
        with pytest.raises(OwnedElsewhereError):
            lease.acquire(connection, 7, "digits")


HAS_PS = pytest.mark.skipif(shutil.which("ps") is None, reason="no ps found")


@pytest.mark.parametrize("ps", [pytest.param("ps", marks=HAS_PS), "no-such-program"])
def test_without_proc_the_start_time_comes_from_ps_or_is_unknown(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, ps: str
) -> None:
    run = subprocess.run

    def run_ps(command: list[str], **options: Any) -> Any:
        return run([ps, *command[1:]], **options)

    def no_proc(_: object) -> str:
        raise OSError("no /proc here")

    monkeypatch.setattr("os.readlink", no_proc)
    monkeypatch.setattr("subprocess.run", run_ps)
    lease.acquire(connection, 7, "digits")
    assert lease.owner(connection, 7) is not None
    _alter(connection, pid=_pid_of_dead_process())
    assert (lease.owner(connection, 7) is None) == (ps == "ps")


@pytest.mark.parametrize("expired", [False, True])
def test_of_owners_that_race_one_wins(engine: Engine, expired: bool) -> None:
    with engine.begin() as connection:
        lease.create_table(connection)
        if expired:
            lease.acquire(connection, 7, "digits")
            _alter(connection, expires=0.0)
    outcomes: list[lease.Lease | OwnedElsewhereError] = []
    start = threading.Barrier(4)

    def compete() -> None:
        start.wait()
        try:
            with engine.begin() as connection:
                outcomes.append(lease.acquire(connection, 7, "digits"))
        except OwnedElsewhereError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=compete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if isinstance(outcome, lease.Lease)]
    assert len(outcomes) == 4
    assert len(winners) == 1
    with engine.begin() as connection:
        lease.renew(connection, winners[0], "digits")
