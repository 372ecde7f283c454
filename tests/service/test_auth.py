"""Who may ask what: every route of the OpenAPI document, with every kind of token."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sweep.service.tokens import TOKENS
from tests.support.served import Answer, Served, served

SITE = "https://evil.example"


@dataclass(frozen=True)
class Call:
    """An operation of the document, as a request that is in order but for its token."""

    method: str
    path: str
    role: str | None

    def send(self, server: Served, token: str | None, **headers: str) -> Answer:
        kind = {"Content-Type": "application/json"} if self.method != "get" else {}
        body = "{}" if kind else None
        path = f"/v1{self.path.replace('{name}', 'one').replace('{file}', 'rows.csv')}"
        if path.endswith("/events"):  # a stream: its head is enough
            return server.head_of(path, token, headers)
        return server.ask(self.method.upper(), path, body, {**kind, **headers}, token)


def calls(document: dict[str, Any]) -> list[Call]:
    return [
        Call(method, path, operation.get("x-role"))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = {"requests_per_minute": 100_000, "streams": 1000}
    with served(tmp_path_factory.mktemp("auth"), limits=limits) as server:
        assert server.submit("one").status == 201
        yield server


@pytest.fixture(scope="module")
def operations(running: Served) -> list[Call]:
    return [call for call in calls(running.get("/v1/openapi.json").json) if call.role]


def altered(server: Served, **columns: float) -> str:
    """Return a good token that was altered in the table."""
    token = server.service.door.tokens.add("bob", "vision", "admin")
    row = TOKENS.update().where(TOKENS.c.token_id == token.split("_")[1])
    with server.service.database.writing() as connection:
        connection.execute(row.values(**columns))
    return token


def test_every_route_but_login_names_its_role(running: Served) -> None:
    found = calls(running.get("/v1/openapi.json").json)
    assert [(c.method, c.path) for c in found if c.role is None] == [
        ("post", "/session"), ("delete", "/session"),
    ]  # fmt: skip
    assert len(found) > 15
    writes = {c.role for c in found if c.method in ("post", "patch", "put") and c.role}
    assert writes == {"submit"}


def test_no_token_opens_nothing(running: Served, operations: list[Call]) -> None:
    for call in operations:
        answer = call.send(running, None)
        assert answer.status == 401, call
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("how", ["expired", "revoked", "unknown", "no token"])
def test_a_bad_token_opens_nothing(running: Served, operations: list[Call], how: str) -> None:
    if how in ("expired", "revoked"):
        token = altered(running, **{"expires" if how == "expired" else "revoked": time.time() - 1})
    else:
        token = "swp_0123456789ab_" + "A" * 43 if how == "unknown" else "swp_x"
    for call in operations:
        assert call.send(running, token).status == 401, call


def test_who_asks_is_known_before_a_body_is_read(running: Served) -> None:
    kind = {"Content-Type": "application/json"}
    for method, path in (("POST", "/v1/studies"), ("PATCH", "/v1/studies/one")):
        assert running.ask(method, path, "{", kind, token=None).status == 401
        assert running.ask(method, path, "{", kind, token="read").status == 403


def test_a_role_opens_what_it_may(running: Served, operations: list[Call]) -> None:
    for call in operations:
        refused = {role: call.send(running, role).status == 403 for role in ROLES}
        assert refused == {
            "metrics": True, "read": call.role != "read", "submit": False, "admin": False,
        }, call  # fmt: skip


ROLES = ("metrics", "read", "submit", "admin")


def test_another_project_s_study_is_not_there(running: Served, operations: list[Call]) -> None:
    foreign = running.token("admin", "speech")
    for call in operations:
        if "{name}" in call.path:
            answer = call.send(running, foreign)
            assert answer.status == 404, call
            assert b"alice" not in answer.body and b"iris" not in answer.body
    assert running.get("/v1/studies", token=foreign).json["items"] == []


def test_another_site_s_page_changes_nothing(running: Served, operations: list[Call]) -> None:
    for call in operations:
        if call.method != "get":
            assert call.send(running, "admin", Origin=SITE).status == 403, call
            assert call.send(running, "admin", Origin="null").status == 403, call


def log_in(server: Served, token: str, **headers: str) -> Answer:
    kind = {"Content-Type": "application/json", "Origin": server.origin, **headers}
    return server.ask("POST", "/v1/session", f'{{"token": "{token}"}}', kind, token=None)


def test_a_browser_logs_in_with_a_cookie_and_out_again(running: Served) -> None:
    answer = log_in(running, running.token("submit"))
    assert (answer.status, answer.json["user"]) == (200, "alice")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    assert "Secure" not in cookie  # plain HTTP, of this machine
    sent = {"Cookie": cookie.split(";")[0]}
    assert running.ask("GET", "/v1/me", headers=sent, token=None).status == 200
    post = ("POST", "/v1/studies/one/resume", "")
    assert running.ask(*post, headers=sent, token=None).status == 403  # no Origin
    own = {**sent, "Origin": running.origin}
    assert running.ask(*post, headers=own, token=None).status == 200
    out = running.ask("DELETE", "/v1/session", headers=own, token=None)
    assert out.status == 204
    assert 'sweep=""' in out.headers["set-cookie"]


def test_a_login_needs_a_good_token_and_the_own_origin(running: Served) -> None:
    assert log_in(running, "swp_x").status == 401
    assert log_in(running, running.token("submit"), Origin=SITE).status == 403
    body = f'{{"token": "{running.token("submit")}"}}'
    kind = {"Content-Type": "application/json"}
    assert running.ask("POST", "/v1/session", body, kind, token=None).status == 403


def test_the_cookie_is_for_tls_alone_where_others_come_in(tmp_path: Path) -> None:
    with served(tmp_path, public_url="https://sweep.example.org") as server:
        headers = {"Host": "sweep.example.org", "Origin": "https://sweep.example.org"}
        answer = log_in(server, server.token("read"), **headers)
        assert answer.status == 200
        assert answer.headers["set-cookie"].startswith("__Host-sweep=swp_")
        assert "; Secure" in answer.headers["set-cookie"]
        assert server.get("/v1/me").status == 421  # under the name 127.0.0.1


def test_without_auth_everyone_of_this_machine_is_an_admin(tmp_path: Path) -> None:
    one = {"vision": f"sqlite:///{tmp_path}/vision.db"}
    with served(tmp_path, auth="none", projects=one) as server:
        me = server.get("/v1/me", token=None).json
        assert (me["user"], me["project"], me["role"]) == ("local", "vision", "admin")
        assert server.get("/v1/me", token=None, Host="evil.example").status == 421
        assert server.ask("POST", "/v1/studies", "", {"Origin": SITE}, None).status == 403


def test_a_token_may_ask_so_often_and_no_more(tmp_path: Path) -> None:
    with served(tmp_path, limits={"requests_per_minute": 5}) as server:
        answers = [server.get("/v1/me") for _ in range(6)]
        assert [answer.status for answer in answers] == [200] * 5 + [429]
        assert int(answers[-1].headers["retry-after"]) in range(1, 13)
        assert server.get("/v1/me", token="read").status == 200  # another token
        assert server.get("/healthz", token=None).status == 200
