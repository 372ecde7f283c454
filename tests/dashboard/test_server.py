"""The dashboard answers on loopback, to readers only, with what the database holds now."""

import base64
import http.client
import io
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import optuna_dashboard
import pytest
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.storages import RDBStorage
from optuna.trial import create_trial
from waitress import create_server, wasyncore

import sweep
from sweep.dashboard import server as dashboard
from sweep.errors import UsageError
from sweep.storage.engine import open_storage, rename_study
from sweep.storage.mirror import MirroredStorage
from tests.support import browser, postgres
from tests.support.foreign import everything, write

URL = "sqlite:///tiny.db"
SCRIPT = (
    "<!DOCTYPE html><title>calm</title><p style='color: red'>shown</p>"
    "<script>document.title = 'ran'; document.body.append('ran')</script>"
    "<img src='data:,' onerror=\"document.title = 'ran'\">"
    "<script>fetch('/api/studies').then(r => r.text()).then(t => document.title = t)</script>"
)
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DRAWING = (
    "<svg xmlns='http://www.w3.org/2000/svg' width='99' height='99'>"
    "<rect id='r' width='99' height='99' fill='rgb(255,0,0)'/>"
    "<script>document.getElementById('r').setAttribute('fill', 'ran')</script></svg>"
)


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served(NamedTuple):
    """A dashboard that answers."""

    host: str
    port: int

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))
        finally:
            connection.close()

    def raw(self, sent: bytes) -> bytes:
        """Send bytes as they are and return all that comes back until the end."""
        with socket.create_connection((self.host, self.port), timeout=60) as connection:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def trials(self, study_id: int) -> list[Any]:
        return list(self.ask(f"/api/studies/{study_id}").json["trials"])


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that must happen within ten seconds."""
    for _ in range(100):
        if happened():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen")


@contextmanager
def served(url: str) -> Iterator[Served]:
    """Serve a storage on a free port, from a thread of this process."""
    servers: list[Any] = []
    announced: list[str] = []
    failed: list[BaseException] = []
    ready = threading.Event()

    def remembered(*args: Any, **kwargs: Any) -> Any:
        servers.append(create_server(*args, **kwargs))
        return servers[-1]

    def announce(address: str) -> None:
        announced.append(address)
        ready.set()

    def run() -> None:
        try:
            dashboard.serve(url, 0, announce)
        except BaseException as error:
            failed.append(error)
            ready.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dashboard, "create_server", remembered)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            assert ready.wait(60)
            assert not failed, failed
            host, port = announced[0].removeprefix("http://").rstrip("/").split(":")
            yield Served(host, int(port))
        finally:
            for server in servers:
                with suppress(OSError):  # a worker's own pull may be in time to have it closed
                    server.trigger.pull_trigger(lambda: wasyncore.close_all(servers[0]._map))
            thread.join()
    assert not failed, failed


@pytest.fixture
def page(tiny: Path) -> Iterator[Served]:
    """The finished tiny study."""
    with served(URL) as up:
        yield up


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A new database with one study of two trials."""
    made = f"sqlite:///{tmp_path}/studies.db"
    with opened(made) as storage:
        add_study(storage, "first", 1.0, 2.0)
    return made


@pytest.fixture
def server_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    with postgres.shared_server().database() as made:
        yield made


@contextmanager
def opened(url: str) -> Iterator[RDBStorage]:
    storage = open_storage(url)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def add_study(storage: Any, name: str, *values: float) -> int:
    study = optuna.create_study(storage=storage, study_name=name)
    for value in values:
        study.add_trial(create_trial(value=value, intermediate_values={1: value}))
    return study._study_id


def request(path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# --- what is there


def test_it_listens_on_loopback_only(page: Served) -> None:
    assert page.host == "127.0.0.1"
    assert page.port > 0
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", page.port), timeout=5):
        pass


def test_the_page_and_the_studies_are_there(page: Served) -> None:
    assert b"<html" in page.ask("/dashboard").body
    assert page.ask("/static/bundle.js").status == 200
    (study,) = page.ask("/api/studies").json["study_summaries"]
    assert study["study_name"] == "tiny"
    assert len(page.trials(study["study_id"])) == 6


def test_the_address_that_is_announced_leads_to_the_page(page: Served) -> None:
    first = page.ask("/")
    assert first.status == 302
    assert page.ask("/" + first.headers["Location"].split("/", 3)[-1]).status == 200


@pytest.mark.parametrize("path", ["/dashboard", "/static/bundle.js", "/api/studies"])
def test_a_head_is_a_get_without_its_body(page: Served, path: str) -> None:
    get, head = page.ask(path), page.raw(request(path, method="HEAD"))
    about, _, body = head.partition(b"\r\n\r\n")
    assert status(head) == get.status
    assert f"Content-Length: {len(get.body)}".encode() in about
    assert body == b""


def test_a_poll_may_ask_for_the_trials_that_it_lacks(page: Served) -> None:
    assert [t["number"] for t in page.ask("/api/studies/1?after=4").json["trials"]] == [4, 5]


# --- who may ask, and what for


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"]
)
@pytest.mark.parametrize("path", ["/api/studies/1", "/api/studies/1/rename", "/dashboard"])
def test_writers_are_refused(page: Served, method: str, path: str) -> None:
    answer = page.ask(path, method)
    assert (answer.status, answer.body) == (405, b"read-only")
    assert answer.headers["Allow"] == "GET, HEAD"
    assert b'"tiny"' in page.ask("/api/studies").body


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "localhost", "LocalHost:1", "[::1]", "[::1]:8080"]
)
def test_loopback_names_are_let_in(page: Served, host: str) -> None:
    assert page.ask("/api/studies", Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example",
     "[::2]", "evil.example:80:127.0.0.1", "0.0.0.0", "::1:evil", "", "127.0.0.1, evil.example"],
)  # fmt: skip
def test_other_names_are_refused(page: Served, host: str) -> None:
    answer = page.ask("/api/studies", Host=host)
    assert (answer.status, answer.body) == (403, b"unknown host")
    assert page.ask("/api/studies", "HEAD", Host=host).status == 403


def test_requests_without_a_host_or_with_two_are_refused(page: Served) -> None:
    assert status(page.raw(b"GET /api/studies HTTP/1.0\r\n\r\n")) == 403
    both = b"GET /api/studies HTTP/1.0\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n"
    assert status(page.raw(both)) in (400, 403)


def test_what_a_proxy_would_say_of_the_host_counts_for_nothing(page: Served) -> None:
    forwarded = {"X-Forwarded-Host": "127.0.0.1", "Forwarded": "host=127.0.0.1"}
    assert page.ask("/api/studies", Host="evil.example", **forwarded).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../tiny.db", "/static/%2e%2e%2f%2e%2e%2findex.html",
        "/static/..%5c..%5cindex.html", "/static//etc/passwd", "/static/%2fetc/passwd",
        "//etc/passwd", "/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
        "/artifacts/1/..%2f..%2ftiny.db", "/artifacts/1/../../tiny.db", "/artifacts/1/%2e%2e",
        "/artifacts/1/1/..%2ftiny.db", "/artifacts//etc/passwd", "/artifacts/1//etc/passwd",
        "/static/..%00/tiny.db", "/dashboard/../../tiny.db", "http://127.0.0.1/../tiny.db",
    ],
)  # fmt: skip
def test_no_path_leads_out(page: Served, tiny: Path, path: str) -> None:
    (tiny / "artifacts").mkdir()
    answer = page.raw(request(path))
    assert b"root:" not in answer and b"SQLite format" not in answer
    if status(answer) == 200:  # every address below /dashboard is the page
        assert b"<title>Optuna Dashboard</title>" in answer and "/dashboard/" in path
    else:
        assert status(answer) in (302, 400, 403, 404, 500)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (request("/", "X: ").rstrip().ljust(2**15, b"a"), 431),
        (b"GET /".ljust(2**15, b"a"), 431),
        (request("/", "Content-Length: 2000", body=b"a" * 2000), 413),
        (request("/", "Content-Length: 2000", method="POST", body=b"a" * 2000), 413),
        (request("/", "Content-Length: -1"), 400),
        (request("/", "Content-Length: 1", "Content-Length: 2", body=b"ab"), 400),
        (
            request(
                "/", "Transfer-Encoding: chunked", body=b"7d0\r\n" + b"a" * 2000 + b"\r\n0\r\n\r\n"
            ),
            413,
        ),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_what_is_too_large_or_no_request_is_refused(
    page: Served, sent: bytes, expected: int
) -> None:
    assert status(page.raw(sent)) == expected
    assert page.ask("/api/studies").status == 200


def test_a_body_of_chunks_does_no_harm(page: Served) -> None:
    chunked = "Transfer-Encoding: chunked"
    form = "Content-Type: application/x-www-form-urlencoded"
    smuggled = b"5\r\nhello\r\n0\r\n\r\n" + request("/api/studies", "Host: evil.example")
    answer = page.raw(request("/api/studies", chunked, form, body=smuggled))
    assert status(answer) == 200 and answer.count(b"HTTP/1.1 ") == 1
    both = page.raw(request("/", chunked, "Content-Length: 5", body=b"0\r\n\r\n"))
    assert status(both) in (302, 400)


@pytest.mark.parametrize(
    "path", ["/", "/dashboard", "/static/bundle.js", "/api/studies", "/api/nothing", "/csv/1"]
)
def test_every_answer_keeps_other_sites_out(page: Served, path: str) -> None:
    headers = page.ask(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert ("script-src 'self'" if path == "/dashboard" else "sandbox;") in headers[
        "Content-Security-Policy"
    ]
    assert not {"Server", "Via", "Access-Control-Allow-Origin"} & headers.keys()


def test_the_page_keeps_its_policy_when_it_has_not_changed(page: Served) -> None:
    first = page.ask("/dashboard")
    again = page.ask("/dashboard", **{"If-None-Match": first.headers["Etag"]})
    assert again.status == 304
    policy = "Content-Security-Policy"
    assert again.headers[policy] == first.headers[policy]


# --- the storage


def test_what_would_write_on_a_get_is_refused_and_the_page_lives(
    page: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def writing(storage: Any) -> Any:
        storage.set_study_system_attr(1, "seen", 1)
        return storage.get_all_studies()

    with monkeypatch.context() as patch:
        patch.setattr("optuna_dashboard._app.get_studies", writing)
        assert page.ask("/api/studies").status == 500
    assert page.ask("/api/studies").status == 200
    with opened(URL) as storage:
        assert "seen" not in storage.get_study_system_attrs(1)


def test_a_renamed_study_and_the_new_one_of_its_name_are_told_apart(url: str) -> None:
    with served(url) as page:
        assert page.ask("/csv/1").headers["Content-Disposition"].endswith("filename=first.csv")
        rename_study(url, "first", "first-old")
        with opened(url) as storage:
            add_study(storage, "first", 3.0)
        names = [s["study_name"] for s in page.ask("/api/studies").json["study_summaries"]]
        assert names == ["first-old", "first"]
        # These two look the name of an id up, then the study of that name.
        assert page.ask("/csv/1").headers["Content-Disposition"].endswith("filename=first-old.csv")
        assert page.ask("/csv/1").body.count(b"COMPLETE") == 2
        assert page.ask("/csv/2").body.count(b"COMPLETE") == 1
        points = page.ask("/api/studies/1/plot/edf").json["data"][0]
        assert points["name"] == "first-old"
        assert [len(page.trials(study_id)) for study_id in (1, 2)] == [2, 1]


@pytest.mark.parametrize("name", ["first", "second"])
def test_the_id_of_a_deleted_study_shows_the_next_one_s_trials(url: str, name: str) -> None:
    with served(url) as page:
        assert [t["values"] for t in page.trials(1)] == [[1.0], [2.0]]
        with opened(url) as storage:
            storage.delete_study(1)
        assert page.ask("/api/studies/1").status == 404
        with opened(url) as storage:
            assert add_study(storage, name, 3.0, 4.0, 5.0) == 1
        assert [t["values"] for t in page.trials(1)] == [[3.0], [4.0], [5.0]]
        assert page.ask("/csv/1").headers["Content-Disposition"].endswith(f"={name}.csv")


@pytest.mark.parametrize("name", ["first", "second"])
def test_an_id_that_changed_hands_between_two_requests_is_noticed(url: str, name: str) -> None:
    with served(url) as page:
        assert len(page.trials(1)) == 2
        with opened(url) as storage:
            storage.delete_study(1)
            assert add_study(storage, name, 3.0) == 1
        assert [t["values"] for t in page.trials(1)] == [[3.0]]


def test_the_cache_outlives_what_a_run_changes(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return optuna_dashboard.wsgi(*args, **kwargs)

    monkeypatch.setattr(dashboard, "wsgi", counted)
    with served(url) as page, opened(url) as storage:
        assert len(page.trials(1)) == 2
        add_study(storage, "second", 3.0)
        optuna.load_study(study_name="first", storage=storage).add_trial(create_trial(value=0.0))
        storage.set_study_user_attr(1, "key", 1)
        assert len(page.trials(2)) == 1
    assert len(made) == 1


def test_a_damaged_study_is_an_error_of_its_own_page(url: str) -> None:
    with opened(url) as storage, storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE trial_values SET value = NULL")
    with served(url) as page:
        assert page.ask("/api/studies/1").status == 500
        assert page.ask("/api/studies").status == 200


def test_a_storage_that_goes_away_is_an_error_and_may_come_back(url: str, tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    with served(url) as page:
        path.rename(tmp_path / "away")
        assert page.ask("/api/studies").status == 500
        assert page.ask("/dashboard").status == 200
        assert not path.exists()
        (tmp_path / "away").rename(path)
        assert page.ask("/api/studies").status == 200


def assert_log_can_be_emptied(url: str) -> None:
    """Empty SQLite's log, which a transaction left open by a reader would prevent."""
    with opened(url) as storage, storage.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not busy


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_study_runs_undisturbed_while_the_dashboard_is_polled(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    if kind == "postgres":
        url = request.getfixturevalue("server_url")
    n_flushes = 300
    mirror = MirroredStorage.open(url, "busy")
    study = optuna.create_study(storage=mirror, study_name="busy")
    mirror.flush()
    study_id = study._study_id
    over = threading.Event()
    bad: list[Any] = []
    answers: list[int] = []

    def poll(page: Served) -> None:
        paths = itertools.cycle(["/api/studies", f"/api/studies/{study_id}", f"/csv/{study_id}"])
        while not over.is_set():
            answer = page.ask(next(paths))
            answers.append(answer.status)
            if answer.status != 200:
                bad.append(answer)

    try:
        with served(url) as page:
            pollers = [threading.Thread(target=poll, args=(page,)) for _ in range(2)]
            for poller in pollers:
                poller.start()
            try:
                for number in range(n_flushes):
                    trial = study.ask()
                    trial.report(float(number), 1)
                    if number % 7:  # the others stay running
                        study.tell(trial, float(number))
                    mirror.flush()
                until(lambda: len(answers) > 20)
            finally:
                over.set()
                for poller in pollers:
                    poller.join()
            assert not bad
            # What it holds is the truth two seconds (or five, of many trials) after a change.
            deadline = time.monotonic() + 120
            expected = [(t.number, t.state.name) for t in mirror.get_all_trials(study_id)]
            while True:
                shown = [(t["number"], t["state"].upper()) for t in page.trials(study_id)]
                if shown == expected:
                    break
                assert time.monotonic() < deadline
                time.sleep(0.2)
            if kind == "sqlite":
                assert_log_can_be_emptied(url)
    finally:
        mirror.close()


# --- artifacts


def add_artifact(folder: Path, storage: Any, content: str | bytes, mimetype: str) -> str:
    """Upload a file as an artifact of study 1 and return its address."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder.parent / "uploaded"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    study = optuna.load_study(study_name="first", storage=storage)
    artifact_id = upload_artifact(
        artifact_store=FileSystemArtifactStore(folder),
        file_path=str(file),
        study_or_trial=study,
        mimetype=mimetype,
    )
    return f"/artifacts/1/{artifact_id}"


@pytest.mark.parametrize(
    "kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "image/png"]
)
def test_an_artifact_is_shown_without_the_rights_of_the_page(
    url: str, tmp_path: Path, kind: str
) -> None:
    with opened(url) as storage:
        path = add_artifact(tmp_path / "artifacts", storage, SCRIPT, kind)
    with served(url) as page:
        answer = page.ask(path)
    assert (answer.status, answer.body.decode()) == (200, SCRIPT)
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Content-Length"] == str(len(SCRIPT))
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"sandbox", "default-src 'none'"} <= {*policy}
    assert not [part for part in policy if "script" in part or "allow" in part]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("kind", ["audio/x-wav", "video/webm"])
def test_a_film_keeps_the_origin_that_it_plays_from(url: str, tmp_path: Path, kind: str) -> None:
    with opened(url) as storage:
        path = add_artifact(tmp_path / "artifacts", storage, SCRIPT, kind)
    with served(url) as page:
        headers = page.ask(path).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_artifacts_are_there_as_soon_as_their_folder_is(url: str, tmp_path: Path) -> None:
    with served(url) as page:
        assert page.ask("/api/meta").json["artifact_is_available"] is False
        assert page.ask("/artifacts/1/00").status == 400
        assert not (tmp_path / "artifacts").exists()
        with opened(url) as storage:
            path = add_artifact(tmp_path / "artifacts", storage, "text", "text/plain")
        assert page.ask("/api/meta").json["artifact_is_available"] is True
        assert page.ask(path).body == b"text"
        assert page.ask("/artifacts/1/00").status == 404
        (tmp_path / path.replace("/artifacts/1", "artifacts")).unlink()
        assert page.ask(path).status == 500
        assert page.ask("/api/studies").status == 200


def test_artifacts_of_a_server_s_studies_lie_in_the_output_folder(
    server_url: str, tmp_path: Path
) -> None:
    with opened(server_url) as storage:
        add_study(storage, "first", 1.0)
        path = add_artifact(tmp_path / "studies/out/artifacts", storage, "text", "text/plain")
    with served(server_url) as page:
        assert page.ask(path).body == b"text"


# --- beginning and end


def test_a_taken_port_is_one_line(tiny: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"^--port: must be free, got {port}: .*--port 0$"):
            dashboard.serve(URL, port, announce=pytest.fail)


def test_a_storage_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("this is no database, but a text of some length")
    with pytest.raises(UsageError, match="not a database"):
        dashboard.serve(f"sqlite:///{tmp_path}/x.db", 0, announce=pytest.fail)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_without_a_word(tiny: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "sweep", "dashboard", "--storage", URL, "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment(),
        # A shell's background job has SIGINT ignored, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    with process, ExitStack() as at_end:
        at_end.callback(process.kill)  # or a failure would wait for it for ever
        assert process.stdout is not None and process.stderr is not None
        first = re.match(r"http://(127\.0\.0\.1):(\d+)/ ", process.stdout.readline())
        assert first is not None
        assert Served(first[1], int(first[2])).ask("/api/studies/1").status == 200
        process.send_signal(number)
        assert process.wait(30) == 130
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    assert [path.name for path in tiny.glob("tiny.db*")] == ["tiny.db"]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(dashboard.__file__).parents[2])}


# --- in a browser


@pytest.mark.slow
def test_the_page_draws_its_charts_in_a_browser(page: Served, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{page.port}/dashboard/studies/1"
    shown = browser.dump_dom(address)
    assert shown.console == []
    assert "History" in shown.dom and "main-svg" in shown.dom
    assert browser.screenshot(address, tmp_path / "page.png") == []
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_an_artifact_s_script_does_not_run_in_a_browser(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    with opened(url) as storage:
        html = add_artifact(folder, storage, SCRIPT, "text/html")
        svg = add_artifact(folder, storage, DRAWING, "image/svg+xml")
        film = add_artifact(folder, storage, SCRIPT, "video/webm")
    with served(url) as page:
        for path, there in ((html, "<title>calm</title>"), (svg, 'fill="rgb(255,0,0)"')):
            shown = browser.dump_dom(f"http://127.0.0.1:{page.port}{path}")
            assert there in shown.dom
            assert any("sandboxed" in message for message in shown.console)
        assert "calm" not in browser.dump_dom(f"http://127.0.0.1:{page.port}{film}").dom


@pytest.mark.slow
def test_pictures_and_sounds_are_shown_in_a_browser(url: str, tmp_path: Path) -> None:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes(b"\x80" * 800)
    files = {"image/png": PICTURE, "audio/x-wav": sound.getvalue()}
    with opened(url) as storage:
        paths = [
            add_artifact(tmp_path / "artifacts", storage, content, kind)
            for kind, content in files.items()
        ]
    with served(url) as page:
        for path in paths:
            shown = browser.dump_dom(f"http://127.0.0.1:{page.port}{path}")
            assert path in shown.dom
            assert shown.console == []


@pytest.mark.slow
def test_the_browser_of_these_tests_runs_scripts(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(SCRIPT)
    shown = browser.dump_dom(f"file://{tmp_path}/page.html")
    assert "<title>ran</title>" in shown.dom


def test_a_page_stands_what_other_programs_write_and_forgets_what_is_put_aside(
    page: Served,
) -> None:
    assert len(page.trials(1)) == 6
    write(URL, everything)
    until(lambda: len(page.trials(1)) > 25)  # what is served lags a little behind
    sweep.run(sweep.load_spec("tiny.yaml"))
    until(lambda: len(page.trials(1)) == 6)
    names = [study["study_name"] for study in page.ask("/api/studies").json["study_summaries"]]
    assert names == ["tiny", "tiny (other programs)"]
    assert len(page.trials(2)) > 20
