"""The routes of the queue, by real requests."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.served import STUDY, YAML, Served


def test_a_study_is_queued_and_shown(server: Served) -> None:
    answer = server.submit("one")
    assert answer.status == 201
    assert answer.headers["location"] == "/v1/studies/one"
    assert (answer.json["name"], answer.json["state"], answer.json["position"]) == (
        "one", "queued", 1,
    )  # fmt: skip
    shown = server.get("/v1/studies/one", token="read").json
    assert shown["spec"]["search"]["n_trials"] == 6
    assert shown["best"] is None and shown["owner"] == "alice"
    assert "storage" not in shown["spec"]


def test_the_same_study_as_json_is_the_same(server: Served) -> None:
    server.submit("one")
    tree = {"study_name": "two", "search": {"n_trials": 3, "timeout_s": 60}}
    body, kind = json.dumps(tree), {"Content-Type": "application/json"}
    assert server.ask("POST", "/v1/studies", body, kind).status == 201
    assert server.ask("POST", "/v1/studies", body, kind).status == 200
    names = [row["name"] for row in server.get("/v1/studies").json["items"]]
    assert names == ["two", "one"]


def test_a_repeated_key_is_one_study(server: Served) -> None:
    with ThreadPoolExecutor(12) as pool:
        headers = {"Idempotency-Key": "k-1"}
        sent = [pool.submit(server.submit, "one", **headers) for _ in range(12)]
        answers = [one.result() for one in sent]
    assert sorted(answer.status for answer in answers) == [200] * 11 + [201]
    assert len({answer.json["id"] for answer in answers}) == 1
    other = server.submit("two", **headers)
    assert (other.status, other.json["key"]) == (422, "Idempotency-Key")


def test_a_taken_name_says_what_differs(server: Served) -> None:
    server.submit("one")
    body = STUDY.format(name="one").replace("hidden: [4]", "hidden: [8]")
    answer = server.ask("POST", "/v1/studies", body, YAML)
    assert answer.status == 409
    assert answer.json["differences"] == [{"key": "model.hidden", "there": [4], "sent": [8]}]


@pytest.mark.parametrize(
    ("body", "kind", "status", "key"),
    [
        ("study_name: [", "application/yaml", 400, "study"),
        ("study_name: a\nsearhc: {}", "application/yaml", 422, "searhc"),
        ("study_name: a\nstorage: sqlite:///x.db", "application/yaml", 403, "storage"),
        ('{"study_name": "a", "study_name": "b"}', "application/json", 400, "study"),
        ("study_name: a", "text/plain", 415, "Content-Type"),
        ("study_name: a", "", 415, "Content-Type"),
    ],
)
def test_a_bad_study_is_a_problem(
    server: Served, body: str, kind: str, status: int, key: str | None
) -> None:
    answer = server.ask("POST", "/v1/studies", body, {"Content-Type": kind})
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status and answer.json["title"]
    assert key is None or answer.json["key"] == key


@pytest.mark.parametrize(
    ("method", "path", "headers", "line"),
    [
        ("GET", "/v1/studies/..", {}, "name: must be ASCII letters, digits, '.', '_' or '-'"),
        ("GET", "/v1/studies?prefix=%2F", {}, "prefix: must be ASCII letters, digits"),
        ("GET", "/v1/studies?cursor=x", {}, "cursor: must be the `next` of a page before"),
        ("GET", "/v1/studies?limit=x", {}, "limit: must be a valid integer, got 'x'"),
        ("PUT", "/v1/data/.csv", {}, "file: must be NAME.csv, .parquet or .npz of ASCII"),
        ("GET", "/v1/data/a.csv/guess?target=", {}, "target: must be the name of a column"),
        ("POST", "/v1/studies", {"Idempotency-Key": "a b"}, "Idempotency-Key: must be 1 to 200"),
        ("PATCH", "/v1/studies/one", {}, "body: must be valid JSON, got"),
    ],
)
def test_a_wrong_request_is_told_in_plain_words(
    server: Served, method: str, path: str, headers: dict[str, str], line: str
) -> None:
    server.submit("one")
    answer = server.ask(method, path, "{" if method != "GET" else None, {**YAML, **headers})
    assert answer.status == 422
    assert f"{answer.json['key']}: {answer.json['detail']}".startswith(line)


def test_an_unknown_change_is_named(server: Served) -> None:
    server.submit("one")
    answer = server.ask("PATCH", "/v1/studies/one", '{"search.n_trials": 9}')
    assert (answer.status, answer.json["key"]) == (422, "search.n_trials")
    assert answer.json["detail"] == "must be left out, got 9"


def test_lists_come_in_pages(server: Served) -> None:
    for name in ("a-1", "a-2", "b-1"):
        server.submit(name)
    first = server.get("/v1/studies?limit=2").json
    assert [row["name"] for row in first["items"]] == ["b-1", "a-2"]
    rest = server.get(f"/v1/studies?limit=2&cursor={first['next']}").json
    assert ([row["name"] for row in rest["items"]], rest["next"]) == (["a-1"], None)
    found = server.get("/v1/studies?prefix=a-&state=queued&state=running").json["items"]
    assert [row["name"] for row in found] == ["a-2", "a-1"]
    assert server.get("/v1/studies?state=done").json["items"] == []
    assert server.get("/v1/studies?state=odd").json["key"] == "state.0"


def test_an_unchanged_study_is_not_sent_again(server: Served) -> None:
    server.submit("one")
    tag = server.get("/v1/studies/one").headers["etag"]
    again = server.ask("GET", "/v1/studies/one", headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    server.ask("PATCH", "/v1/studies/one", '{"priority": 3}', {"Content-Type": "application/json"})
    assert server.ask("GET", "/v1/studies/one", headers={"If-None-Match": tag}).status == 200


def test_what_may_change_is_changed(server: Served) -> None:
    server.submit("one")

    def change(body: str) -> int:
        kind = {"Content-Type": "application/json"}
        return server.ask("PATCH", "/v1/studies/one", body, kind).status

    assert change('{"n_trials": 9, "selection": "1se"}') == 200
    shown = server.get("/v1/studies/one").json
    assert (shown["n_trials"], shown["spec"]["selection"]) == (9, "1se")
    assert change('{"study_name": "x"}') == 422
    assert change('{"n_trials": "9"}') == 422
    assert change('{"priority": 1000}') == 422
    assert change('{"n_trials": 5000}') == 403  # more than the policy allows
    assert change("{}") == 200
    assert change('{"timeout_s": null}') == 200
    assert server.get("/v1/studies/one").json["timeout_s"] == 600  # no way around the limit
    assert change('{"timeout_s": NaN}') in (400, 422)


def test_cancel_and_resume(server: Served) -> None:
    server.submit("one")

    def post(what: str) -> tuple[int, str]:
        answer = server.ask("POST", f"/v1/studies/one/{what}")
        return answer.status, answer.json.get("state", "")

    assert post("cancel") == (202, "cancelled")
    assert post("cancel") == (200, "cancelled")
    assert post("resume") == (202, "queued")
    assert post("resume") == (200, "queued")


def test_a_user_may_change_a_large_study_of_an_admin_within_his_own_limits(server: Served) -> None:
    large = STUDY.format(name="large").replace("epochs: 3", "epochs: 20000")
    assert server.ask("POST", "/v1/studies", large, YAML).status == 403
    assert server.ask("POST", "/v1/studies", large, YAML, token="admin").status == 201
    kind = {"Content-Type": "application/json"}
    sent = [('{"priority": 3}', 200), ('{"n_trials": 9}', 200), ('{"n_trials": 5000}', 403)]
    for body, status in sent:
        assert server.ask("PATCH", "/v1/studies/large", body, kind).status == status
