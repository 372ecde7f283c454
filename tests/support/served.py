"""The service in a thread of the test, on a free port of this machine, and requests to it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweep.service.serve_config import ServeConfig, parse_config
from sweep.service.server import Server, listen
from sweep.service.service import Service

PATIENCE_S = 300.0
ROOT = Path(__file__).parents[2]
STUDY = """\
study_name: {name}
data: {{source: "sklearn:iris", train_rows: 60}}
model: {{hidden: [4]}}
training: {{epochs: 3, batch_size: 20}}
search:
  n_trials: 6
  timeout_s: 600
  sampler: {{type: tpe}}
  space: {{alpha: {{low: 1e-4, high: 1e-1}}}}
replicates: {{n_folds: 3}}
"""
YAML = {"Content-Type": "application/yaml"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A running service and tokens for it."""

    service: Service
    port: int
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, role: str = "submit", project: str = "vision") -> str:
        """Return a token; the same one for the same words."""
        if (role, project) not in self.tokens:
            made = self.service.door.tokens.add("alice", project, role)
            self.tokens[role, project] = made
        return self.tokens[role, project]

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] = {},
        token: str | None = "submit",
    ) -> Answer:
        """Send a request; `token`: a role, a whole token, or None."""
        if token is not None:
            known = token if token.startswith("swp_") else self.token(token)
            headers = {"Authorization": f"Bearer {known}", **headers}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()},
                          answer.read())  # fmt: skip
        finally:
            connection.close()

    def head_of(self, path: str, token: str | None, headers: Mapping[str, str] = {}) -> Answer:
        """Ask for a stream and hang up at its first line."""
        with self.stream(path, token, headers) as answer:
            text = answer.readline() if answer.status == 200 else answer.read()
            told = {k.lower(): v for k, v in answer.getheaders()}
            return Answer(answer.status, told, text)

    @contextmanager
    def stream(
        self, path: str, token: str | None = "read", headers: Mapping[str, str] = {}
    ) -> Iterator[http.client.HTTPResponse]:
        """Open a stream; its lines are there to be read."""
        if token is not None:
            known = token if token.startswith("swp_") else self.token(token)
            headers = {"Authorization": f"Bearer {known}", **headers}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        try:
            yield answer
        finally:
            answer.close()
            connection.close()

    def get(self, path: str, token: str | None = "submit", **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers, token=token)

    def submit(self, name: str = "one", token: str = "submit", **headers: str) -> Answer:
        """Hand in a small study."""
        body = STUDY.format(name=name)
        return self.ask("POST", "/v1/studies", body, {**YAML, **headers}, token)


@contextmanager
def served(folder: Path, supervised: bool = False, **keys: Any) -> Iterator[Served]:
    """Run the service; `supervised`: and the studies in it; `keys`: of its config."""
    given = {
        "port": 0, "database": f"sqlite:///{folder}/service.db", "folder": str(folder / "own"),
        "projects": {name: f"sqlite:///{folder}/{name}.db" for name in ("vision", "speech")},
    }  # fmt: skip
    config: ServeConfig = parse_config({**given, **keys}, "test")
    listener = listen(config)
    port = listener.getsockname()[1]
    service = Service.open(config, port)
    up = threading.Event()
    server = Server(service, lambda _: up.set(), supervised)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        assert up.wait(PATIENCE_S)
        yield Served(service, port)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        service.close()
        listener.close()


# --- as a process of its own


@contextmanager
def process(
    folder: Path, *options: str, command: Sequence[str] = ("-m", "sweep")
) -> Iterator[subprocess.Popen[str]]:
    """Run `sweep serve` in a folder, with its tables in service.db and its log in `log`."""
    database = f"sqlite:///{folder}/service.db"
    arguments = [sys.executable, *command, "serve", "--database", database, *options]
    with (folder / "log").open("a") as log:
        child = subprocess.Popen(
            arguments, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def port_of(child: subprocess.Popen[str]) -> int:
    """Wait until a process serves; return where."""
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line.startswith("http://127.0.0.1:"), line
    return int(line.split(":")[2].split("/")[0])


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
