"""`sweep serve` and its tokens: as a command, and as a process that others ask."""

import importlib.util
import json
import signal
import subprocess
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command
from tests.support.served import STUDY, Answer, port_of, process

PATCHED = """
import os, sys
from sweep.service.jobs import Queue
from sweep.__main__ import main
submit = Queue.submit
def submit_and_die(queue, new):
    submit(queue, new)
    os.kill(os.getpid(), 9)
Queue.submit = submit_and_die
main()
"""


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.chdir(tmp_path)
    return ("--database", f"sqlite:///{tmp_path}/service.db")


def test_a_token_is_made_listed_and_revoked(command: Command, database: tuple[str, ...]) -> None:
    made = command("serve", "token", "add", "alice", *database)
    token = made.out.strip()
    assert made.code == 0 and token.startswith("swp_") and len(token) == 60
    assert Path("service.db").stat().st_mode & 0o077 == 0  # others may not even read it
    listed = command("serve", "token", "list", *database).out
    assert token[:16] in listed and "alice" in listed
    assert token.split("_", 2)[2] not in listed
    assert command("serve", "token", "revoke", token[:16], *database).out == "revoked\n"
    assert "revoked" in command("serve", "token", "list", *database).out


def test_a_token_needs_no_address_of_the_service(
    command: Command, database: tuple[str, ...]
) -> None:
    """As in a container, where the service gets its public address as an option."""
    Path("serve.yaml").write_text("host: 0.0.0.0\nprojects: {vision: 'sqlite:///vision.db'}\n")
    made = command("serve", "token", "add", "alice", "--config", "serve.yaml", *database)
    assert made.code == 0 and made.out.startswith("swp_"), made.err
    assert "public_url: must be given" in command("serve", "--config", "serve.yaml").err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("token", "add", "alice", "--role", "boss"), "--role: must be one of read"),
        (("token", "add", "alice", "--project", "x"), "--project: must be one of the service"),
        (("token", "add", "alice", "--days", "0"), "--days: must be"),
        (("token", "revoke", "swp_0"), "token: must be in the list"),
        (("--auth", "none", "--host", "0.0.0.0"), "auth: must be token"),
        (("--port", "99999"), "port: must be"),
        (("--config", "no.yaml"), "must exist"),
    ],
)
def test_a_mistake_is_one_line(
    command: Command, database: tuple[str, ...], arguments: tuple[str, ...], message: str
) -> None:
    more = database if arguments[0] == "token" else ()
    done = command("serve", *arguments, *more)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert message in done.err


def test_a_port_that_is_taken_is_one_line(command: Command, database: tuple[str, ...]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        done = command("serve", "--port", str(other.getsockname()[1]), *database)
    assert done.code == 2 and "port: must be free on 127.0.0.1" in done.err


def test_without_the_extra_one_line_names_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        return None if name == "fastapi" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    done = command("serve")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "needs the extra `service`" in done.err and "alpha-sweep[service]" in done.err


def ask(port: int, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


@pytest.mark.slow
def test_the_process_imports_no_torch_and_tells_no_token(
    command: Command, database: tuple[str, ...], tmp_path: Path, tiny_folder: Path
) -> None:
    """It has shown pages and the dashboard by then, and answered the API."""
    token = command("serve", "token", "add", "alice", "--role", "admin", *database).out.strip()
    spy = tmp_path / "spy.py"
    spy.write_text(
        "import atexit, sys\nfrom sweep.__main__ import main\n"
        "atexit.register(lambda: open('modules', 'w').write('\\n'.join(sys.modules)))\nmain()\n"
    )
    (tmp_path / "serve.yaml").write_text(
        f"projects: {{default: 'sqlite:///{tiny_folder}/tiny.db'}}\n"
    )
    options = ("--port", "0", "--config", "serve.yaml")
    with process(tmp_path, *options, command=(str(spy),)) as child:
        port = port_of(child)
        sent = {"Authorization": f"Bearer {token}"}
        pages = [ask(port, "GET", path, **sent) for path in (
            "/", "/studies/one", "/v1/me", "/v1/docs", "/v1/openapi.json", "/v1/studies",
            "/dashboard", "/api/studies", "/metrics",
        )]  # fmt: skip
        assert [page.status for page in pages] == [200] * len(pages)
        told = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0
    modules = (tmp_path / "modules").read_text().split("\n")
    assert "fastapi" in modules and "optuna_dashboard" in modules
    assert not [name for name in modules if name.partition(".")[0] == "torch"]
    secret = token.split("_", 2)[2]
    for text in (told, (tmp_path / "log").read_text(), *(str(p.body) for p in pages)):
        assert secret not in text
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {
        "time",
        "level",
        "request_id",
        "user",
        "project",
        "study",
        "route",
        "status",
        "ms",
    } == {*lines[-1]}


@pytest.mark.slow
def test_an_answer_that_was_lost_is_one_study(tmp_path: Path) -> None:
    """The service is killed after the study is stored, before it could say so."""
    script = tmp_path / "patched.py"
    script.write_text(PATCHED)
    sent = {"Content-Type": "application/yaml", "Idempotency-Key": "k-1"}
    body, options = STUDY.format(name="one"), ("--port", "0", "--auth", "none")
    with process(tmp_path, *options, command=(str(script),)) as child:
        with pytest.raises((ConnectionError, OSError)):
            ask(port_of(child), "POST", "/v1/studies", body, **sent)
        assert child.wait(10) == -signal.SIGKILL
    with process(tmp_path, *options) as child:
        port = port_of(child)
        assert ask(port, "POST", "/v1/studies/one/cancel").status in (200, 202)
        answer = ask(port, "POST", "/v1/studies", body, **sent)
        assert answer.status == 200 and answer.json["name"] == "one"
        assert len(ask(port, "GET", "/v1/studies").json["items"]) == 1
