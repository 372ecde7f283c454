"""Bodies that are too large or too slow, wrong hosts, headers: by raw connections."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.served import YAML, Served, served

LARGE = 300_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for all: what it refuses leaves nothing in it."""
    folder = tmp_path_factory.mktemp("served")
    with served(folder, limits={"requests_per_minute": 100_000}) as running:
        yield running


def exchange(server: Served, sent: bytes, patience_s: float = 30.0) -> bytes:
    """Send bytes and return all that comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=patience_s) as connection:
        connection.sendall(sent)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def head(server: Served, method: str, path: str, *lines: str) -> bytes:
    given = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}",
             f"Authorization: Bearer {server.token('submit')}", *lines, "", ""]  # fmt: skip
    return "\r\n".join(given).encode()


def test_a_body_that_says_it_is_too_large_is_not_read(server: Served) -> None:
    lines = ("Content-Type: application/yaml", f"Content-Length: {LARGE}")
    answer = exchange(server, head(server, "POST", "/v1/studies", *lines))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"at most 262144 bytes" in answer


def test_a_body_without_a_length_is_read_no_further_than_it_may_go(server: Served) -> None:
    lines = ("Content-Type: application/yaml", "Transfer-Encoding: chunked")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = exchange(server, head(server, "POST", "/v1/studies", *lines) + chunk * 5)
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("path", "line", "status"),
    [
        ("/v1/studies", "Content-Type: application/yaml", 413),  # longer than it may be
        ("/v1/studies", "Content-Type: image/png", 415),
        ("/v1/studies", "Origin: https://evil.example", 403),
        ("/v1/nowhere", "Content-Type: application/yaml", 404),
        ("/v1/data/x.csv", "Host: evil.example", 421),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["length", "chunked"])
def test_a_refusal_is_heard_by_a_client_that_is_still_sending(
    server: Served, path: str, line: str, status: int, whole: bool
) -> None:
    # Without a pause a client that sends on is reset, often before it has read the answer.
    method = "PUT" if "data" in path else "POST"
    sent = 40 * 0x10000
    how = f"Content-Length: {sent}" if whole else "Transfer-Encoding: chunked"
    begin = head(server, method, path, line, how, "Connection: close")
    if "Host" in line:
        begin = begin.replace(f"Host: 127.0.0.1:{server.port}\r\n".encode(), b"")
    part = b"x" * 0x10000 if whole else b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    end = b"" if whole else b"0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(begin)
        for _ in range(40):
            connection.sendall(part)
            time.sleep(0.002)
        connection.sendall(end)
        got = b"".join(iter(lambda: connection.recv(65536), b""))
    assert got.startswith(f"HTTP/1.1 {status}".encode())


def test_a_client_that_asks_first_is_refused_before_it_sends(server: Served) -> None:
    lines = ("Content-Type: application/yaml", f"Content-Length: {LARGE}", "Expect: 100-continue")
    began = time.monotonic()
    answer = exchange(server, head(server, "POST", "/v1/studies", *lines))
    assert answer.startswith(b"HTTP/1.1 413") and b"100 Continue" not in answer
    assert time.monotonic() - began < 1


def test_a_slow_body_is_given_up(tmp_path: Path) -> None:
    with served(tmp_path, limits={"body_s": 0.5}) as server:
        lines = ("Content-Type: application/yaml", "Content-Length: 100")
        began = time.monotonic()
        answer = exchange(server, head(server, "POST", "/v1/studies", *lines) + b"study")
        assert answer.startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("path", ["/v1/session", "/v1/studies/one"])
def test_every_route_bounds_its_body(server: Served, path: str) -> None:
    server.submit("one")  # as often as it likes: the same one
    method = "PATCH" if path.endswith("one") else "POST"
    lines = ("Content-Type: application/json", f"Content-Length: {LARGE}",
             f"Origin: {server.origin}")  # fmt: skip
    assert exchange(server, head(server, method, path, *lines)).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", ""])
def test_another_host_s_name_is_refused(server: Served, host: str) -> None:
    for path in ("/", "/v1/me", "/dashboard", "/static/bundle.js", "/nowhere"):
        assert server.get(path, Host=host).status == 421, path
    assert server.get("/healthz", Host=host).status == 200


def test_this_machine_s_names_are_all_right(server: Served) -> None:
    for name in ("localhost", "127.0.0.1", "[::1]"):
        assert server.get("/v1/me", Host=f"{name}:{server.port}").status == 200


@pytest.mark.parametrize("path", ["/", "/studies/one", "/v1/me", "/v1/nowhere", "/healthz", "/x"])
def test_every_answer_has_the_security_headers(server: Served, path: str) -> None:
    headers = server.get(path, token=None).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] in ("no-store", "no-cache")
    assert "access-control-allow-origin" not in headers and "server" not in headers
    assert len(headers["x-request-id"]) == 16


def test_a_preflight_of_another_site_is_not_allowed(server: Served) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = server.ask("OPTIONS", "/v1/studies", headers=asked)
    assert answer.status == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_wrong_method_says_which_are_right(server: Served) -> None:
    answer = server.ask("DELETE", "/v1/studies")
    assert (answer.status, answer.headers["content-type"]) == (405, "application/problem+json")
    assert answer.headers["allow"]
    assert server.get("/v1/nowhere").json["status"] == 404


def test_the_log_tells_every_request_and_no_token(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    token = server.token("submit")
    with caplog.at_level("INFO", "sweep.service"):
        server.submit("logged")
        server.get(f"/v1/studies/{token}")
        server.get(f"/v1/studies?cursor={token}")
        server.ask("POST", "/v1/studies", f"study_name: {token}", YAML)
    from sweep.service.logs import JsonFormatter

    lines = [JsonFormatter().format(record) for record in caplog.records]
    text = "\n".join(lines)
    assert '"user": "alice"' in text and '"route": "POST /v1/studies"' in text
    assert '"project": "vision"' in text and '"status": 201' in text
    assert token.split("_", 2)[2] not in text
