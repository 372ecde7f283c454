"""What is refused before Ray is asked, and what becomes of Ray's own errors."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from sweep.engines import ray_cluster
from sweep.engines.cluster import LostError
from sweep.engines.ray_cluster import RayCluster
from sweep.errors import UsageError
from sweep.runtime import is_out_of_memory
from sweep.spec.engine import EngineSpec


def refused(address: str) -> str:
    cluster = RayCluster(EngineSpec(kind="ray", address=address), 0.0)
    try:
        with pytest.raises(UsageError) as raised:
            cluster.join()
    finally:
        cluster.leave()
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_an_address_where_nothing_answers_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    line = refused(f"127.0.0.1:{port}")
    assert line.startswith("engine.address: a Ray cluster must answer, got [Errno")
    assert f"(127.0.0.1:{port}). Start it with `ray start" in line


@pytest.mark.parametrize(
    "says, told",
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "something that is no Ray"), (b"", "timed out")],
    ids=["another service", "silence"],
)
def test_an_address_where_something_else_answers_is_refused(
    says: bytes, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "ANSWERS_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.sendall(says)
                while line.recv(100):
                    pass

        thread = Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        line = refused(f"127.0.0.1:{port}")
        thread.join()
    assert line.startswith(f"engine.address: a Ray cluster must answer, got {told} (127.0.0.1:")


def test_auto_is_never_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert refused("auto").startswith("engine.address: RAY_ADDRESS must be set with auto")
    monkeypatch.setenv("RAY_ADDRESS", "nowhere.invalid:6379")
    assert refused("auto").startswith("engine.address: a Ray cluster must answer, got [Errno")


def test_a_token_that_is_missing_is_told_in_one_line(tmp_path: Path) -> None:
    study = tmp_path / "a.yaml"
    study.write_text("study_name: a\nengine: {kind: ray, address: '127.0.0.1:1'}\n")
    # Ray looks at the mode once in a process, so this takes one of its own.
    program = (
        "import sys; from sweep.engines import ray_cluster; ray_cluster._address = str\n"
        f"sys.argv = ['sweep', 'run', {str(study)!r}, '--storage', 'sqlite:///{tmp_path}/a.db']\n"
        "from sweep.__main__ import main; main()"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300,
        env={**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/no/token"},
    )  # fmt: skip
    assert told.returncode == 2
    assert "got RAY_AUTH_TOKEN_PATH is set but file cannot be" in told.stderr
    assert "/no/token" in told.stderr
    assert told.stderr.count("\n") == 1


def test_where_ray_is_not_installed_the_extra_is_named(tmp_path: Path) -> None:
    study = tmp_path / "a.yaml"
    study.write_text("study_name: a\nengine: {kind: ray}\n")
    program = (
        "import sys; sys.modules['ray'] = None\n"
        f"sys.argv = ['sweep', 'run', {str(study)!r}, '--storage', 'sqlite:///{tmp_path}/a.db']\n"
        "from sweep.__main__ import main; main()"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert told.returncode == 2
    assert told.stderr == (
        "sweep: engine.kind: ray needs the package ray, which is not installed."
        " pip install 'alpha-sweep[ray]'\n"
    )


def test_leaving_twice_or_before_joining_does_nothing() -> None:
    cluster = RayCluster(EngineSpec(kind="ray"), 0.0)
    cluster.leave()
    cluster.leave()


def raised_by_ray() -> list[tuple[Exception, type[Exception], str]]:
    """List errors of Ray, what they become, and the words of it."""
    from ray import exceptions as errors

    short: Any = errors.OutOfMemoryError  # which has no types
    of_task: Any = errors.RayTaskError
    died = (
        "The actor died unexpectedly before finishing this task.\n\tclass_name: LaneActor\n"
        "The actor is dead because its {} has died. Worker exit type: SYSTEM_ERROR"
    )
    missing = "ModuleNotFoundError: No module named 'sweep'"
    task = of_task("LaneActor", f"Traceback\n{missing}\n", ImportError(missing))
    return [
        (short("2 workers were killed"), LostError, "short of memory"),
        (
            errors.RayActorError("00", died.format("worker process")),
            LostError,
            "process has ended",
        ),
        (errors.RayActorError("00", died.format("node")), LostError, "its host is gone"),
        (errors.ActorUnavailableError("no answer", None), LostError, "no answer"),
        (errors.ObjectLostError("00", None, "y"), LostError, "00"),
        (errors.RayActorError("00", f"its constructor failed\n{missing}"), UsageError, missing),
        (task, UsageError, f"every host must have sweep and what it needs, got {missing}"),
        (errors.RuntimeEnvSetupError("too large"), UsageError, "engine.ship: must reach every"),
    ]


def test_errors_of_ray_become_a_loss_or_one_line() -> None:
    import ray

    for error, kind, words in raised_by_ray():

        def fail(_: object, error: Exception = error) -> None:
            raise error

        cluster = RayCluster(EngineSpec(kind="ray"), 0.0)
        cluster._ray = SimpleNamespace(get=fail, exceptions=ray.exceptions)
        with pytest.raises(kind) as raised:
            cluster.get(None)
        assert words in str(raised.value) and "\n" not in str(raised.value)
        assert not is_out_of_memory(error)
