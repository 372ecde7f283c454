"""A command that is interrupted, from its first moment on, ends with 130 and without a word."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import make_url

import sweep
from sweep.analysis.status import overview
from sweep.cli import app
from sweep.errors import INTERRUPTED
from sweep.runtime import INTERRUPTS, interrupt
from sweep.storage.engine import open_storage
from tests.support import postgres
from tests.support.cases import few_fast
from tests.support.children import of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

DELAYS_S = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
COMMANDS = {
    "run": ["run", "tiny.yaml", "--fresh", "--set", "training.epochs=4000"],
    "workers": ["run", "tiny.yaml", "--fresh", "--set", "training.epochs=4000",
                "--set", "training.workers=2"],
    "validate": ["validate", "tiny.yaml"],
    "status": ["status", "--storage", "sqlite:///tiny.db"],
    "export": ["export", "tiny.yaml"],
    "report": ["report", "tiny.yaml"],
    "fit": ["fit", "config.yaml"],
    "doctor": ["doctor", "--repair", "--storage", "sqlite:///tiny.db"],
    "dashboard": ["dashboard", "--storage", "sqlite:///tiny.db", "--port", "0"],
}  # fmt: skip


def start(*args: str) -> subprocess.Popen[str]:
    """Start a command, and wait until its first lines have run."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sweep", *args], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(lambda: signal.SIGTERM in caught(process.pid))
    return process


def caught(pid: int) -> set[signal.Signals]:
    """Return the signals that a process has handlers for."""
    (line,) = [
        one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigCgt" in one
    ]
    mask = int(line.split()[1], 16)
    return {number for number in signal.Signals if mask >> (number - 1) & 1}


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300  # on a busy machine
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def assert_interrupted(process: subprocess.Popen[str], number: signal.Signals) -> None:
    children = of(process.pid)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    if process.returncode == 0:  # it was done before
        return
    assert process.returncode == INTERRUPTED, err
    assert "Traceback" not in err and "Exception" not in err
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


@pytest.mark.parametrize(
    ("name", "number"),
    few_fast(product(["run", "workers"], [signal.SIGINT, signal.SIGTERM]), 3),
)
def test_a_run_that_is_interrupted_at_once_ends_with_130(
    tiny: Path, name: str, number: signal.Signals
) -> None:
    for delay_s in (0.0, 0.1):
        process = start(*COMMANDS[name])
        time.sleep(delay_s)
        assert_interrupted(process, number)
        assert process.returncode == INTERRUPTED


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupt_at_any_moment_of_a_command_ends_it_with_130(tiny: Path, name: str) -> None:
    """By either signal in turn: each moment has both, in one command or the next."""
    assert app.app(["export", "tiny.yaml", "-o", "config.yaml"], standalone_mode=False) is None
    for turn, delay_s in enumerate(DELAYS_S, [*COMMANDS].index(name)):
        process = start(*COMMANDS[name])
        time.sleep(delay_s)
        assert_interrupted(process, INTERRUPTS[turn % 2])
    assert not list(tiny.rglob("*.part"))


AS_IT_ENDS = """
import os, signal, sys
import sweep.__main__ as module

ignore, calls = module._ignore_interrupts, []

def late():
    if not calls:
        calls.append(0)
        os.kill(os.getpid(), signal.SIGTERM)
    ignore()

module._ignore_interrupts, sys.argv = late, ["sweep", "--version"]
module.main()
"""


def test_an_interrupt_as_a_command_ends_is_none_that_kills_it() -> None:
    done = subprocess.run([sys.executable, "-c", AS_IT_ENDS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (INTERRUPTED, "")


IN_EXEC = """
import sys
import sweep.__main__ as module

def run():
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        print("told", flush=False)
        sys.exit(130)

module._run = run
module.main()
"""


def test_an_interrupt_amid_code_run_by_exec_is_130(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(IN_EXEC)
    environment = {**os.environ, "PYTHONPATH": str(Path(sweep.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "script"], capture_output=True, text=True, cwd=tmp_path,
        env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "told\n", "")


IN_A_LIBRARY = """
import os, signal, sys, time
import sqlalchemy
import sweep.__main__ as module

def interrupt(*_):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)

def in_the_pool():
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.QueuePool)
    sqlalchemy.event.listen(engine, "reset", interrupt)
    engine.connect().close()

def in_a_finaliser():
    class Own:
        __del__ = interrupt

    Own()
    time.sleep(60)

module._run = {}
module.main()
"""


@pytest.mark.parametrize("where", ["in_the_pool", "in_a_finaliser"])
def test_an_interrupt_that_a_library_would_tell_of_or_lose_ends_it_with_130(where: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_LIBRARY.format(where)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "")


@pytest.mark.slow
def test_sigquit_keeps_its_meaning_and_leaves_no_worker(tiny: Path) -> None:
    process = start(*COMMANDS["workers"])
    wait_for(lambda: len(of(process.pid)) == 2)
    assert signal.SIGQUIT not in caught(process.pid)
    children = of(process.pid)
    process.send_signal(signal.SIGQUIT)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, "Traceback" in err) == (-signal.SIGQUIT, False)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


DATA = """
import pathlib, time
import sklearn.datasets

def slow():
    pathlib.Path("planning").touch()
    time.sleep(1)
    return sklearn.datasets.load_iris(return_X_y=True)
"""


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("moment", ["planning", "training"])
def test_workers_whose_owner_is_killed_end_at_once_without_a_word(tiny: Path, moment: str) -> None:
    (tiny / "own.py").write_text(DATA)
    process = start(*COMMANDS["workers"], "--set", "data.source=python:own:slow")
    wait_for((tiny / "planning").exists)
    if moment == "training":
        wait_for(lambda: len(of(process.pid)) == 2)
    children = of(process.pid)
    process.kill()
    began = time.monotonic()
    _, err = process.communicate(timeout=120)  # until the last one has closed it
    assert time.monotonic() - began < 0.9  # training, or planning, went on for longer
    assert err.strip() == ""
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_run_whose_database_is_away_within_2_s(
    tiny: Path, number: signal.Signals
) -> None:
    server = postgres.new_server()
    url = server.url.render_as_string(hide_password=False)
    open_storage(url).engine.dispose()  # which makes the tables
    process = start(*COMMANDS["run"], "--storage", url, "--json")
    wait_for(lambda: any(row["trials"] for row in overview(url)))
    server.stop("immediate")
    time.sleep(5)  # longer than the first pauses
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert time.monotonic() - began < 2
    assert (process.returncode, out) == (INTERRUPTED, "")
    assert re.fullmatch(r"sweep: storage .* must answer .* Run again to resume.*\n", err)
    server.start()
    server.remove()


@pytest.mark.slow
@pytest.mark.alone
def test_a_run_whose_database_is_dropped_ends_at_once(tiny: Path) -> None:
    server = postgres.shared_server()
    with server.database() as url:
        open_storage(url).engine.dispose()  # which makes the tables
        process = start(*COMMANDS["run"], "--storage", url, "--json")
        wait_for(lambda: any(row["trials"] for row in overview(url)))
        server.execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")
        began = time.monotonic()
        out, err = process.communicate(timeout=120)
        assert time.monotonic() - began < 4  # an epoch, and a second until curves are stored
        assert (process.returncode, out) == (1, "")
        assert re.fullmatch(r"sweep: storage .* does not exist\. Create it.*\n", err)
        server.execute(f"CREATE DATABASE {make_url(url).database}")


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in INTERRUPTS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_an_interrupt_amid_an_import_cannot_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some modules take any exception of what they import for a sign that it is missing."""
    (tmp_path / "greedy.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")
    monkeypatch.syspath_prepend(tmp_path)
    left: list[int] = []

    class Left(BaseException):
        pass

    def leave(code: int) -> None:
        left.append(code)
        raise Left

    monkeypatch.setattr(os, "_exit", leave)
    signal.signal(signal.SIGTERM, interrupt)
    with pytest.raises(Left):
        __import__("greedy")
    assert left == [INTERRUPTED]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


def test_handlers_stand_before_anything_large_is_imported() -> None:
    code = "import sys, sweep.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("sweep")} == {
        "sweep", "sweep.__main__", "sweep.errors", "sweep.runtime"
    }  # fmt: skip
    assert not loaded & {"multiprocessing", "typer", "pydantic", "numpy", "torch", "optuna"}
