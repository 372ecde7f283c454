"""What monitors and orchestrators are told."""

import time
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support import postgres
from tests.support.served import Served, served


def test_a_service_that_works_is_ready(server: Served) -> None:
    for path in ("/healthz", "/readyz"):
        answer = server.get(path, token=None)
        assert (answer.status, answer.json) == (200, {"status": "ok", "failing": {}})


def test_a_full_disk_takes_no_study(tmp_path: Path) -> None:
    with served(tmp_path, limits={"disk_bytes": 2**40}) as server:
        ready = server.get("/readyz", token=None)
        assert (ready.status, [*ready.json["failing"]]) == (503, ["disk"])
        refused = server.submit("one")
        assert (refused.status, refused.json["key"]) == (507, "disk")
        assert server.get("/v1/studies").json["items"] == []


def test_a_supervisor_that_stands_still_is_seen(server: Served) -> None:
    server.service.supervisor.beat_at = time.monotonic() - 60
    ready = server.get("/readyz", token=None)
    assert (ready.status, [*ready.json["failing"]]) == (503, ["supervisor"])
    assert "sweep_supervisor_beat_age_seconds 6" in server.get("/metrics").body.decode()


def test_without_its_database_it_accepts_nothing_and_comes_back(tmp_path: Path) -> None:
    postgresql = postgres.shared_server()
    with postgresql.database() as url, served(tmp_path, database=url) as server:
        token, name = server.token("submit"), make_url(url).database
        postgresql.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        postgresql.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        ready = server.get("/readyz", token=None)
        assert (ready.status, [*ready.json["failing"]]) == (503, ["database"])
        answer = server.submit("one", token=token)
        assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
        assert server.get("/healthz", token=None).status == 200
        postgresql.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        assert server.submit("one", token=token).status == 201


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"X-Forwarded-For": "203.0.113.9"}, 401),
        ({"Forwarded": "for=203.0.113.9"}, 401),
        ({"Host": "sweep.example.org"}, 421),
    ],
)
def test_metrics_are_for_this_machine_or_a_token(
    server: Served, headers: dict[str, str], status: int
) -> None:
    assert server.get("/metrics", token=None, **headers).status == status
    if status == 401:
        found = {role: server.get("/metrics", role, **headers).status for role in
                 ("read", "submit", "admin", "metrics")}  # fmt: skip
        assert found == {"read": 403, "submit": 403, "admin": 200, "metrics": 200}


def test_behind_a_proxy_metrics_need_a_token(tmp_path: Path) -> None:
    with served(tmp_path, public_url="https://sweep.example.org") as server:
        host = {"Host": "sweep.example.org"}
        assert server.get("/metrics", token=None, **host).status == 401
        assert server.get("/metrics", token="metrics", **host).status == 200
