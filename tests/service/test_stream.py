"""Streams of events, and how the service ends: real connections, and real processes."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from sweep.service import events, stream
from sweep.service.database import JOBS, Database
from sweep.service.jobs import Queue
from tests.support.queued import submission
from tests.support.served import Served, free_port, port_of, process, served

PATIENCE_S = 300.0


def happen(database: Database, name: str, *lines: str) -> None:
    """Write events of a study, as its process would."""
    with database.writing() as connection:
        chosen = JOBS.c.study_name == name
        connection.execute(JOBS.update().where(chosen).values(priority=JOBS.c.priority))
        (job_id,) = connection.execute(
            JOBS.select().with_only_columns(JOBS.c.id).where(chosen)
        ).one()
        events.append(connection, job_id, [("log", {"line": line}) for line in lines])


def read(answer: HTTPResponse, n_events: int) -> list[tuple[int, str]]:
    """Read ids and data of the next events."""
    found: list[tuple[int, str]] = []
    last = 0
    while len(found) < n_events:
        line = answer.readline().decode()
        assert line, "the stream has ended"
        if line.startswith("id: "):
            last = int(line[4:])
        elif line.startswith("data: "):
            found.append((last, line[6:].rstrip()))
    return found


def test_events_come_as_they_happen_each_once(server: Served) -> None:
    server.submit("one")
    with server.stream("/v1/studies/one/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        ((first, data),) = read(answer, 1)
        assert '"state": "queued"' in data
        happen(server.service.database, "one", "a", "b")
        later = read(answer, 2)
    assert first < later[0][0] < later[1][0]
    assert '"line": "a"' in later[0][1] and '"line": "b"' in later[1][1]


def test_a_stream_goes_on_after_the_last_event_that_was_seen(server: Served) -> None:
    server.submit("one")
    happen(server.service.database, "one", "a", "b", "c")
    with server.stream("/v1/studies/one/events") as answer:
        seen = read(answer, 2)
    after = {"Last-Event-ID": str(seen[-1][0])}
    with server.stream("/v1/studies/one/events", headers=after) as answer:
        rest = read(answer, 2)
    assert ['"line": "b"' in rest[0][1], '"line": "c"' in rest[1][1]] == [True, True]


def test_another_study_s_events_do_not_come(server: Served) -> None:
    server.submit("one")
    server.submit("two")
    happen(server.service.database, "two", "of two")
    happen(server.service.database, "one", "of one")
    with server.stream("/v1/studies/one/events") as answer:
        assert '"of one"' in read(answer, 2)[1][1]


def test_events_that_were_deleted_are_gone(server: Served) -> None:
    server.submit("one")
    happen(server.service.database, "one", *"abcdef")
    server.service.watch.events.prune(keep=2)
    answer = server.head_of("/v1/studies/one/events", "read", {"Last-Event-ID": "1"})
    assert answer.status == 410 and answer.json["key"] == "events"
    assert server.head_of("/v1/studies/one/events", "read").status == 200


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30])
def test_an_id_that_is_none_is_refused(server: Served, last: str) -> None:
    server.submit("one")
    answer = server.head_of("/v1/studies/one/events", "read", {"Last-Event-ID": last})
    assert (answer.status, answer.json["key"]) == (422, "Last-Event-ID")


def test_a_silent_stream_says_that_it_lives(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "COMMENT_S", 0.1)
    server.submit("one")
    with server.stream("/v1/studies/one/events") as answer:
        read(answer, 1)
        assert [answer.readline() for _ in range(3)][1:] == [b": alive\n", b"\n"]


def test_a_stream_ends_when_its_token_is_revoked(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "COMMENT_S", 0.1)
    server.submit("one")
    token = server.token("read")
    with server.stream("/v1/studies/one/events", token) as answer:
        read(answer, 1)
        server.service.door.tokens.revoke(token)
        assert not answer.read().replace(b": alive\n\n", b"").strip()


def test_a_token_has_so_many_streams_at_once(tmp_path: Path) -> None:
    with served(tmp_path, limits={"streams": 2}) as server:
        server.submit("one")
        path = "/v1/studies/one/events"
        with server.stream(path), server.stream(path):
            assert server.head_of(path, "read").status == 429
            assert server.head_of(path, "submit").status == 200  # another token
        deadline = time.monotonic() + PATIENCE_S
        while server.service.door.rates.n_streams:  # they were left
            happen(server.service.database, "one", "x")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert server.head_of(path, "read").status == 200


def test_open_streams_do_not_hold_the_service(tmp_path: Path) -> None:
    with ExitStack() as streams:
        with served(tmp_path) as server:
            server.submit("one")
            answer = streams.enter_context(server.stream("/v1/studies/one/events"))
            read(answer, 1)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        assert answer.read() in (b"", b"\n")  # it has ended in good order


# --- the service as a process


def open_stream(port: int, last: int = 0) -> tuple[HTTPConnection, HTTPResponse]:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    headers = {"Last-Event-ID": str(last)}
    connection.request("GET", "/v1/studies/one/events", headers=headers)
    return connection, connection.getresponse()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """The tables of a service that is not there yet, with a study that nobody will run."""
    database = Database.open(f"sqlite:///{tmp_path}/service.db")
    queue = Queue(database)
    queue.submit(submission("one", project="default"))
    queue.cancel("default", "one")
    yield database
    database.close()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_within_seconds_with_open_streams(
    database: Database, tmp_path: Path, number: signal.Signals
) -> None:
    with process(tmp_path, "--port", "0", "--auth", "none") as child:
        port = port_of(child)
        connections = [open_stream(port) for _ in range(3)]
        for _, answer in connections:
            read(answer, 1)
        began = time.monotonic()
        child.send_signal(number)
        assert child.wait(10) == 0
        assert time.monotonic() - began < 5
        for connection, answer in connections:
            answer.read()
            connection.close()
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_a_stream_has_no_gap_and_no_repeat_over_a_kill_of_the_service(
    database: Database, tmp_path: Path
) -> None:
    port = free_port()
    options = ("--port", str(port), "--auth", "none")
    seen: list[tuple[int, str]] = []
    for turn in range(3):
        with process(tmp_path, *options) as child:
            port_of(child)
            connection, answer = open_stream(port, seen[-1][0] if seen else 0)
            happen(database, "one", f"{turn}.a", f"{turn}.b")
            while not seen or f'"{turn}.b"' not in seen[-1][1]:
                seen += read(answer, 1)
            child.send_signal(signal.SIGKILL)
            child.wait()
            connection.close()
        happen(database, "one", f"{turn}.c")  # while nobody serves
    ids = [at for at, _ in seen]
    assert ids == sorted(set(ids))
    lines = [data.split('"line": "')[1].split('"')[0] for _, data in seen if '"line": "' in data]
    ours = [line for line in lines if line[:2] in ("0.", "1.", "2.")]
    assert ours == ["0.a", "0.b", "0.c", "1.a", "1.b", "1.c", "2.a", "2.b"]


@pytest.mark.slow
@pytest.mark.alone
def test_two_hundred_idle_streams_cost_little(tmp_path: Path) -> None:
    with served(tmp_path, limits={"streams": 300, "requests_per_minute": 10_000}) as server:
        server.submit("one")
        with ExitStack() as streams:
            answers = [
                streams.enter_context(server.stream("/v1/studies/one/events")) for _ in range(200)
            ]
            for answer in answers:
                read(answer, 1)
            assert server.service.door.rates.n_streams == 200
            before = time.process_time()
            time.sleep(5)
            assert time.process_time() - before < 1.0  # CPU of the whole process, in 5 s
            began = time.monotonic()
            assert server.get("/v1/me").status == 200
            assert time.monotonic() - began < 1.0
            happen(server.service.database, "one", "for all")
            assert all('"for all"' in read(answer, 1)[0][1] for answer in answers)
            began = time.monotonic()
        assert time.monotonic() - began < 5
