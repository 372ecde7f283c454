"""What a study comes to, by real requests: a study is run to its end once for all tests."""

import csv
import io
import json
import time
import tomllib
from collections.abc import Iterator

import pytest

from sweep.spec.yaml import read_yaml
from tests.support.served import STUDY, YAML, Answer, Served, served

pytestmark = pytest.mark.slow
PATIENCE_S = 300.0


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with the finished study `one` and the waiting study `two`."""
    limits = {"requests_per_minute": 100_000, "streams": 1000}
    with served(tmp_path_factory.mktemp("results"), True, limits=limits, device="cpu") as server:
        server.submit("one")
        wait_for(server, "one")
        server.service.supervisor.limits = server.service.supervisor.limits.__class__(0, 0)
        server.submit("two")
        yield server


def wait_for(server: Served, name: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (state := server.get(f"/v1/studies/{name}").json["state"]) != "done":
        assert state in ("queued", "starting", "running"), server.get(f"/v1/studies/{name}/log")
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_the_study_tells_its_best_and_its_verdict(done: Served) -> None:
    shown = done.get("/v1/studies/one").json
    assert shown["trials"] == {"COMPLETE": 6} and shown["progress"]["n_results"] == 6
    assert "alpha = " in shown["verdict"] and shown["best"] > 0 and shown["ending"] == "done"
    waiting = done.get("/v1/studies/two").json
    assert (waiting["state"], waiting["verdict"], waiting["trials"]) == ("queued", None, {})


def test_trials_come_as_json_and_csv(done: Served) -> None:
    page = done.get("/v1/studies/one/trials").json
    assert [row["number"] for row in page["items"]] == list(range(6)) and page["next"] is None
    assert [row["number"] for row in done.get("/v1/studies/one/trials?after=3").json["items"]] == [
        4, 5,
    ]  # fmt: skip
    answer = done.get("/v1/studies/one/trials?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = [*csv.DictReader(io.StringIO(answer.body.decode()))]
    assert [float(row["alpha"]) for row in rows] == [row["alpha"] for row in page["items"]]
    assert done.get("/v1/studies/two/trials").json["items"] == []


def config(server: Served, query: str = "", accept: str = "*/*") -> Answer:
    return server.get(f"/v1/studies/one/config{query}", Accept=accept)


def test_the_config_comes_as_it_is_asked_for(done: Served) -> None:
    yaml, toml = config(done), config(done, accept="text/x, application/toml;q=0.9")
    json_ = config(done, "?format=json", accept="application/toml")
    kinds = [answer.headers["content-type"].split(";")[0] for answer in (yaml, toml, json_)]
    assert kinds == ["application/yaml", "application/toml", "application/json"]
    alpha = json_.json["best_params"]["alpha"]
    assert read_yaml(yaml.body.decode())["best_params"]["alpha"] == alpha
    assert "storage" not in json_.json["spec"] and json_.json["provenance"]["folder"] is None
    assert tomllib.loads(toml.body.decode())["best_params"]["alpha"] == alpha
    assert 'filename="one.yaml"' in yaml.headers["content-disposition"]
    assert config(done, accept="image/png").status == 406
    assert config(done, "?select=1se").status == 200
    assert config(done, "?select=worst").status == 422


def test_there_is_no_config_before_there_is_a_result(done: Served) -> None:
    for part in ("config", "report"):
        answer = done.get(f"/v1/studies/two/{part}")
        assert (answer.status, answer.json["key"]) == (409, "study")


@pytest.mark.alone
def test_the_report_is_a_page_in_a_sandbox_and_drawn_once(done: Served) -> None:
    answer = done.get("/v1/studies/one/report")
    assert answer.status == 200, answer.body
    assert answer.body.startswith(b"<!doctype html>") and b"one" in answer.body
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts")
    began = time.monotonic()
    assert done.get("/v1/studies/one/report").body == answer.body
    assert time.monotonic() - began < 1.0


def test_the_log_s_last_lines_come(done: Served) -> None:
    lines = done.get("/v1/studies/one/log?tail=1").body.decode().splitlines()
    assert len(lines) == 1 and "done" in lines[0]
    assert done.get("/v1/studies/two/log").body == b""


def test_events_tell_the_whole_run_in_order(done: Served) -> None:
    ids, kinds = [], []
    with done.stream("/v1/studies/one/events") as answer:
        while "end" not in kinds:
            line = answer.readline().decode().rstrip()
            ids += [int(line[4:])] if line.startswith("id: ") else []
            kinds += [line[7:]] if line.startswith("event: ") else []
    assert ids == sorted(set(ids))
    assert kinds.count("trial") == 6 and kinds[0] == "state" and kinds[-1] == "end"


def test_validate_tells_the_plan(done: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.service.outcomes.VALIDATE_S", 100.0)  # on a busy machine
    answer = done.ask("POST", "/v1/validate", STUDY.format(name="three"), YAML)
    assert answer.status == 200, answer.body
    assert answer.json["plan"]["penalised"] and answer.json["spec"]["study_name"] == "three"
    assert "storage" not in answer.json["spec"]
    wrong = STUDY.format(name="three").replace("train_rows: 60", "train_rows: 600")
    answer = done.ask("POST", "/v1/validate", wrong, YAML)
    assert (answer.status, answer.json["key"]) == (422, "data.train_rows"), answer.body


def test_a_plan_that_takes_too_long_is_given_up(
    done: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.service.outcomes.VALIDATE_S", 0.2)
    answer = done.ask("POST", "/v1/validate", STUDY.format(name="three"), YAML)
    assert (answer.status, answer.json["key"]) == (504, "study")


def test_the_dashboard_shows_the_own_project_and_writes_nothing(done: Served) -> None:
    shown = done.get("/api/studies", token="read")
    names = [study["study_name"] for study in json.loads(shown.body)["study_summaries"]]
    assert (shown.status, names) == (200, ["one"])
    assert done.get("/dashboard", token="read").status == 200
    assert done.get("/static/bundle.js", token="read").status == 200
    assert done.ask("DELETE", "/api/studies/1", token="admin").status == 405
    assert done.get("/api/studies", token=None).status == 401
    assert done.get("/api/studies", token="metrics").status == 403
    page = done.get("/dashboard", token=None, Accept="text/html")
    assert (page.status, page.headers["location"]) == (303, "/")
    foreign = done.get("/api/studies", token=done.token("admin", "speech"))
    assert foreign.status == 404 and foreign.json["key"] == "dashboard"


def test_metrics_count_what_happened(done: Served) -> None:
    text = done.get("/metrics", token=None).body.decode()
    assert 'sweep_jobs{state="done"} 1.0' in text
    assert "sweep_trials 6.0" in text
    assert 'sweep_http_requests_total{route="/v1/studies",status="201"} 2.0' in text
    assert "one" not in text.replace("done", "")
