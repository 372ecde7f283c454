"""Files over HTTP: sent once, for one project, and named by a study that then runs on them."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.served import Served, served

ROWS = b"a,b\n" + b"1,2\n" * 40
SHA = hashlib.sha256(ROWS).hexdigest()
RAW = {"Content-Type": "application/octet-stream"}


@contextmanager
def running_in(folder: Path) -> Iterator[Served]:
    (folder / "shared").mkdir()
    (folder / "shared" / "common.csv").write_bytes(ROWS)
    limits = {"upload_bytes": 5000, "requests_per_minute": 10_000}
    with served(folder, data=str(folder / "shared"), limits=limits) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with running_in(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Served]:
    """A service to which nobody has sent anything."""
    with running_in(tmp_path) as running:
        yield running


def test_a_file_is_sent_once(fresh: Served) -> None:
    told = {"name": "t.csv", "size_bytes": len(ROWS), "sha256": SHA}
    for status in (201, 200):
        answer = fresh.ask("PUT", "/v1/data/t.csv", ROWS, RAW)
        assert (answer.status, answer.json) == (status, told)
    answer = fresh.ask("PUT", "/v1/data/t.csv", b"other", RAW)
    assert answer.status == 409 and answer.json["key"] == "file"
    common = {"name": "common.csv", "size_bytes": len(ROWS), "sha256": None}
    assert fresh.get("/v1/data").json == {"items": [common, told]}


def test_a_study_may_name_it_and_another_projects_may_not(fresh: Served) -> None:
    fresh.ask("PUT", "/v1/data/own.csv", ROWS, RAW)
    text = "study_name: {}\ndata: {{source: {}, target: b}}"
    kind = {"Content-Type": "application/yaml"}
    for name, status in (("own.csv", 201), ("common.csv", 201), ("gone.csv", 422)):
        body = text.format(f"on-{name}", name)
        assert fresh.ask("POST", "/v1/studies", body, kind).status == status
    other = fresh.token("submit", "speech")
    body = text.format("theirs", "own.csv")
    assert fresh.ask("POST", "/v1/studies", body, kind, other).status == 422
    assert [one["name"] for one in fresh.get("/v1/data", other).json["items"]] == ["common.csv"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("big.csv", b"1\n" * 3000, 413), ("empty.csv", b"", 422), ("wrong.npz", ROWS, 422),
        ("t.pkl", ROWS, 422), ("..%2Fx.csv", ROWS, 404), ("%2e%2e.csv", ROWS, 422),
        (".hidden.csv", ROWS, 422), ("a%00.csv", ROWS, 422), ("%C3%A9.csv", ROWS, 422),
        ("x" * 200 + ".csv", ROWS, 422), ("a/b.csv", ROWS, 404),
    ],
)  # fmt: skip
def test_what_is_no_file_of_rows_is_refused(
    server: Served, path: str, body: bytes, status: int
) -> None:
    answer = server.ask("PUT", f"/v1/data/{path}", body, RAW)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_who_only_reads_sends_nothing(server: Served) -> None:
    assert server.ask("PUT", "/v1/data/r.csv", ROWS, RAW, "read").status == 403
    assert server.get("/v1/data", "read").status == 403
    assert server.ask("PUT", "/v1/data/r.csv", ROWS, RAW, None).status == 401


def test_a_file_that_was_cut_off_is_not_there(server: Served, tmp_path: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("PUT", "/v1/data/cut.csv")
    connection.putheader("Authorization", f"Bearer {server.token()}")
    connection.putheader("Content-Length", "1000")
    connection.endheaders()
    connection.send(ROWS[:50])
    connection.close()
    assert server.ask("PUT", "/v1/data/cut.csv", ROWS, RAW).status == 201
    folder = server.service.uploads("vision")
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".part")]


def test_a_chunked_file_too_large_is_refused_on_its_way(server: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    parts = (b"1\n" * 1000 for _ in range(100))
    headers = {"Authorization": f"Bearer {server.token()}", "Transfer-Encoding": "chunked"}
    try:
        connection.request("PUT", "/v1/data/big.csv", parts, headers, encode_chunked=True)
    except (BrokenPipeError, ConnectionResetError):
        return  # it has closed the connection, as it may
    assert connection.getresponse().status == 413
    connection.close()
