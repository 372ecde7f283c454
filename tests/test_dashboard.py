"""The dashboard answers on loopback, to readers only."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.simple_server import make_server

import pytest

from sweep import dashboard
from sweep.errors import UsageError

URL = "sqlite:///tiny.db"


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


Ask = Callable[..., Answer]


@pytest.fixture
def address(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """Serve the tiny study on a free port until the test is over."""
    servers: list[Any] = []

    def remembered(*args: Any, **kwargs: Any) -> Any:
        servers.append(make_server(*args, **kwargs))
        return servers[-1]

    monkeypatch.setattr(dashboard, "make_server", remembered)
    announced: list[str] = []
    ready = threading.Event()

    def announce(url: str) -> None:
        announced.append(url)
        ready.set()

    thread = threading.Thread(target=dashboard.serve, args=(URL, 0, announce))
    thread.start()
    try:
        assert ready.wait(30)
        host, port = announced[0].removeprefix("http://").rstrip("/").split(":")
        yield host, int(port)
    finally:
        servers[0].shutdown()
        thread.join()


@pytest.fixture
def ask(address: tuple[str, int]) -> Ask:
    def request(method: str, path: str, host: str | None = None) -> Answer:
        connection = http.client.HTTPConnection(*address, timeout=30)
        try:
            connection.request(method, path, headers={"Host": host} if host else {})
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))
        finally:
            connection.close()

    return request


def test_it_listens_on_loopback_only(address: tuple[str, int]) -> None:
    assert address[0] == "127.0.0.1"
    assert address[1] > 0


def test_the_page_and_the_studies_are_there(ask: Ask) -> None:
    page = ask("GET", "/dashboard")
    assert page.status == 200 and b"<html" in page.body
    studies = ask("GET", "/api/studies")
    assert studies.status == 200 and b'"tiny"' in studies.body


def test_the_address_that_is_announced_leads_to_the_page(ask: Ask) -> None:
    first = ask("GET", "/")
    assert first.status in (200, 302)
    if first.status == 302:
        assert ask("GET", "/" + first.headers["Location"].split("/", 3)[-1]).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writers_are_refused(ask: Ask, method: str) -> None:
    answer = ask(method, "/api/studies/1")
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert b'"tiny"' in ask("GET", "/api/studies").body


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "localhost", "LocalHost:1", "[::1]", "[::1]:8080"]
)
def test_loopback_names_are_let_in(ask: Ask, host: str) -> None:
    assert ask("GET", "/api/studies", host).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example",
     "[::2]", "evil.example:80:127.0.0.1", "0.0.0.0", "::1:evil"],
)  # fmt: skip
def test_other_names_are_refused(ask: Ask, host: str) -> None:
    answer = ask("GET", "/api/studies", host)
    assert (answer.status, answer.body) == (403, b"unknown host")


def test_a_request_without_a_host_is_refused() -> None:
    said: list[str] = []

    def never(*_: Any) -> list[bytes]:
        raise AssertionError("passed on")

    guarded = dashboard.read_only(never)
    guarded({"REQUEST_METHOD": "GET"}, lambda status, headers: said.append(status))
    assert said == ["403 Forbidden"]


def test_a_taken_port_is_one_line(tiny: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"^--port: must be free, got {port}: .*--port 0$"):
            dashboard.serve(URL, port, announce=pytest.fail)


def test_a_storage_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("this is no database, but a text of some length")
    with pytest.raises(UsageError, match="not a database"):
        dashboard.serve(f"sqlite:///{tmp_path}/x.db", 0, announce=pytest.fail)
