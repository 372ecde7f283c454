"""Requests over a way that loses connections: repeated, and each study handed in once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sweep.errors import SweepError, UsageError
from sweep.service import connection
from sweep.service.client import Client
from sweep.service.connection import Connection, LostError
from tests.support.lossy import Fate, Lossy, lossy
from tests.support.served import Served

STUDY = {"study_name": "x", "data": {"source": "sklearn:iris"}}


@pytest.fixture
def way(server: Served) -> Iterator[Lossy]:
    with lossy(server.port) as way:
        yield way


def client(server: Served, way: Lossy, role: str = "submit") -> Client:
    return Client(way.url, server.token(role), timeout_s=20, patience_s=20)


@pytest.mark.parametrize(
    "fates", [("refused",), ("deaf",), ("torn",), ("deaf", "refused", "torn")]
)
def test_a_study_whose_answer_is_lost_is_handed_in_once(
    server: Served, way: Lossy, fates: tuple[Fate, ...]
) -> None:
    way.fates.extend(fates)
    assert client(server, way).submit(STUDY).name == "x"
    assert [job.study_name for job in server.service.queue.list("vision").items] == ["x"]
    assert way.n_asked == len(fates) + 1


def test_a_service_that_is_not_there_is_one_line_and_soon_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "FIRST_PATIENCE_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(SweepError, match=r"service: must answer, got .* Is it up\?") as error:
        Client(f"http://127.0.0.1:{port}", "swp_secret", patience_s=1).jobs()
    assert time.monotonic() - began < 5 and "\n" not in str(error.value)
    assert error.value.exit_code == 1 and "secret" not in str(error.value)


def test_refusals_are_the_services_one_line(server: Served) -> None:
    url = server.origin
    with pytest.raises(UsageError, match=r"^token: must be given") as error:
        Client(url).me()
    assert error.value.exit_code == 2
    with pytest.raises(UsageError, match=r"^device: is set by the service.* Remove it$"):
        Client(url, server.token()).submit({**STUDY, "device": "cuda"})
    with pytest.raises(UsageError, match="Did you mean search"):
        Client(url, server.token()).submit({**STUDY, "searhc": {}})
    with pytest.raises(UsageError, match="must be submit for this"):
        Client(url, server.token("read")).submit(STUDY)


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Answer each connection with these bytes; give the address and what was asked."""
    asked: list[bytes] = []

    def run() -> None:
        for answer in answers:
            near, _ = listener.accept()
            with near:
                asked.append(near.recv(1 << 16))
                near.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        thread.join(10)


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers))
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def ask(url: str, patience_s: float = 5.0) -> int:
    return Connection(url, "swp_secret", 5, patience_s).ask("GET", "/v1/me").status


def test_a_service_too_busy_is_asked_again_after_the_time_that_it_says() -> None:
    busy = http("429 Too Many Requests", b"{}", "Retry-After: 1")
    with answering(busy, http("503 Away"), http("200 OK", b"{}")) as (url, asked):
        began = time.monotonic()
        assert ask(url) == 200
        assert time.monotonic() - began >= 1 and len(asked) == 3


def test_a_token_goes_to_no_other_host() -> None:
    with (
        answering(http("200 OK", b"{}")) as (other, stolen),
        answering(http("302 Found", b"", f"Location: {other}/v1/me")) as (url, _),
    ):
        with pytest.raises(UsageError, match="Set SWEEP_URL to its own address"):
            ask(url)
        assert not stolen
        ask(other)


def test_a_proxy_of_the_environment_is_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(http("200 OK", b"{}")) as (url, asked):
        assert ask(url) == 200
    assert b"Authorization: Bearer swp_secret" in asked[0]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http("502 Bad Gateway", b"<html>"), LostError), (http("500 Oh", b"<html>"), SweepError),
        (http("404 Not Found", b"<html>"), UsageError), (http("400 Bad", b"[1]"), UsageError),
        (http("400 Bad", b'{"detail": "a\\nb \\u001b[31m", "key": null}'), UsageError),
        (b"SSH-2.0-OpenSSH\r\n", LostError), (b"", LostError),
    ],
)  # fmt: skip
def test_what_is_no_answer_of_ours_is_one_line(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, kind: type[SweepError]
) -> None:
    monkeypatch.setattr(connection, "FIRST_PATIENCE_S", 0.0)  # only one connection is answered
    with answering(answer) as (url, _), pytest.raises(kind) as error:
        ask(url, 0.0)
    assert type(error.value) is kind
    assert str(error.value).isprintable()
