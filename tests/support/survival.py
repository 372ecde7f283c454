"""Run sweep's command line in processes that are killed, stopped or starved at named points.

`python -m tests.support.survival` imports once what a run needs and forks a process for every
line it reads: a start costs milliseconds, and a child may be killed without harm. Nothing in
sweep knows of it: a fault wraps a method in the child alone, before the command begins.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
LIMIT_S = 300  # a process that hangs ends as one that failed
NOBODY = 65534
PRELOAD = (
    "alembic.command", "optuna.storages", "optuna.samplers", "optuna.pruners",
    "optuna_dashboard", "psycopg", "rich.progress", "rich.table", "ruamel.yaml",
    "scipy.stats", "sklearn.datasets", "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite", "sweep.cli.app", "sweep.dashboard.server", "sweep.result",
    "sweep.spec.files", "torch.func", "torch.fx.experimental.symbolic_shapes",
)  # fmt: skip

# --- what a test asks for ------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """What happens when a process comes to a point for the n-th time.

    Deeds: `kill`, `interrupt` (Ctrl-C); `hold` makes `<file>.reached` and waits
    for `<file>`; `mark` writes one byte to `<file>` then and every time after; `step down` gives
    up root's right to write anywhere.
    """

    point: str
    n: int = 1
    deed: str = "kill"
    file: str = "gate"


@dataclass(frozen=True)
class Conditions:
    """What else is unlike a usual run; None leaves a thing as it is."""

    faults: tuple[Fault, ...] = ()
    life_s: float | None = None  # of a lease
    heartbeat_s: float | None = None
    busy_s: float | None = None  # how long SQLite waits for another writer
    max_pages: int | None = None  # of an SQLite file
    max_bytes: int | None = None  # of any file
    journal: str | None = None  # SQLite's answer to journal_mode=WAL, or its error


class Outcome(NamedTuple):
    """What a process left behind; a code below 0 is the signal that ended it."""

    code: int
    out: str
    err: str


@dataclass
class Run:
    """A process under way."""

    crew: Crew
    pid: int
    files: list[str]
    _code: int | None = field(default=None)

    def ended(self) -> bool:
        if self._code is None:
            self._code = self.crew.ask({"poll": self.pid})
        return self._code is not None

    def wait(self) -> Outcome:
        while not self.ended():
            time.sleep(0.01)
        assert self._code is not None
        return Outcome(self._code, *(Path(file).read_text() for file in self.files))

    def send_signal(self, number: int) -> None:
        if not self.ended():
            os.kill(self.pid, number)

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for something that must come before the process ends."""
        while not condition():
            assert not self.ended(), self.wait()
            time.sleep(0.01)

    def until_it_says(self, text: str) -> None:
        self.until(lambda: text in Path(self.files[1]).read_text())


class Crew:
    """The process that forks the others."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.survival"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._runs: list[Run] = []

    def ask(self, request: dict[str, Any]) -> Any:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def start(self, folder: Path, *args: str, **conditions: Any) -> Run:
        """Start `sweep ARGS` in a folder; keywords as in Conditions."""
        number = len(self._runs)
        files = [str(folder / f"{number}.{name}") for name in ("out", "err")]
        request = {
            "folder": str(folder), "args": args, "files": files,
            "conditions": asdict(Conditions(**conditions)),
        }  # fmt: skip
        for file in files:  # there to be read from the beginning
            Path(file).touch()
        run = Run(self, self.ask(request), files)
        self._runs.append(run)
        return run

    def end(self) -> None:
        with self._server:  # whose end of the pipe ends it
            for run in self._runs:
                run.send_signal(signal.SIGKILL)
                run.wait()


@contextmanager
def crew() -> Iterator[Crew]:
    """Start a crew, and leave no process behind."""
    made = Crew()
    try:
        yield made
    finally:
        made.end()


# --- in the process that forks -------------------------------------------------------------


def serve() -> dict[str, Any]:
    """Fork for every request; return, in the child, what it is to do."""
    _import_what_runs_need()
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if not answer:
                return request  # type: ignore[no-any-return]
        print(json.dumps(answer), flush=True)
    sys.exit()


def _import_what_runs_need() -> None:
    """Import all that a run imports, but train nothing: autograd's threads would not survive."""
    for name in PRELOAD:
        import_module(name)
    _keep_migrations()
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page of this


def _keep_migrations() -> None:
    """Read Optuna's migrations, once for all children."""
    from optuna.storages import RDBStorage

    from tests.support.migrations import keep_migrations

    keep_migrations()
    with tempfile.TemporaryDirectory() as folder:
        storage = RDBStorage(f"sqlite:///{folder}/studies.db")
        storage.get_head_version()
        storage.remove_session()
        storage.engine.dispose()


def play(request: dict[str, Any]) -> None:
    """Be the command: its folder, its output, its faults, then the command itself."""
    from sweep.__main__ import main

    signal.alarm(LIMIT_S)
    os.chdir(request["folder"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, file in enumerate([os.devnull, *request["files"]]):
        opened = os.open(file, os.O_RDONLY if not number else flags, 0o666)
        os.dup2(opened, number)
        os.close(opened)
    given = request["conditions"]
    faults = tuple(Fault(**fault) for fault in given.pop("faults"))
    impose(Conditions(faults, **given))
    sys.argv = ["sweep", *request["args"]]
    code: Any = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:  # taking torch down in good order would be a third of every run
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# --- in the process that is the command ----------------------------------------------------


def impose(conditions: Conditions) -> None:
    """Bring about conditions in this process, for good."""
    from sweep.runner import run as runner
    from sweep.storage import engine, lease

    for module, name, value in (
        (lease, "LIFE_S", conditions.life_s),
        (runner, "HEARTBEAT_S", conditions.heartbeat_s),
        (engine, "BUSY_S", conditions.busy_s),
    ):
        if value is not None:
            setattr(module, name, value)
    if conditions.max_pages is not None:
        _on_connect(f"PRAGMA max_page_count={conditions.max_pages}")
    if conditions.journal is not None:
        _answer(conditions.journal)
    _keep_ledger()
    for fault in conditions.faults:
        _lay(fault)
    if conditions.max_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (conditions.max_bytes, resource.RLIM_INFINITY))


def _points() -> dict[str, tuple[Any, str, str, bool]]:
    """Name -> what is wrapped there: owner, method, `before` or `after` it, flush first."""
    from optuna.storages import RDBStorage

    from sweep.runner import resume
    from sweep.search.ask_tell import Search
    from sweep.storage import lease, trial_ids, writing
    from sweep.storage import mirror as storage
    from sweep.storage.mirror import MirroredStorage
    from sweep.storage.ownership import Ownership
    from sweep.training.cohort import Cohort

    return {
        "epoch": (Cohort, "advance", "before", False),
        "storage opened": (storage, "open_storage", "before", False),
        "study made": (RDBStorage, "create_new_study", "after", False),
        "study described": (MirroredStorage, "set_study_user_attr", "after", False),
        "ids reserved": (trial_ids, "reserve", "after", False),
        # The heartbeat may flush at any moment: half an ask, half a tell.
        "ask half flushed": (MirroredStorage, "set_trial_param", "before", True),
        "asked": (Search, "ask", "after", False),
        "report flushed": (MirroredStorage, "set_trial_intermediate_value", "after", True),
        "telling": (Search, "tell", "before", False),
        "tell half flushed": (MirroredStorage, "set_trial_user_attrs", "after", True),
        "told": (Search, "tell", "after", False),
        "attempt": (Ownership, "_attempt", "before", False),
        "written": (writing, "write", "after", False),
        "committed": (Ownership, "_attempt", "after", False),
        "flushed": (MirroredStorage, "flush", "after", False),
        "trial put back": (MirroredStorage, "requeue_trial", "after", False),
        "reconciled": (resume, "reconcile", "after", False),
        "put back": (resume, "requeue", "after", False),
        "lease given back": (lease, "release", "after", False),
        "placeholders gone": (trial_ids, "remove_placeholders", "after", False),
        "closed": (MirroredStorage, "close", "after", False),
    }


def _lay(fault: Fault) -> None:
    """Have a fault happen at its point."""
    from sqlalchemy import Engine, event

    from sweep.storage import writing

    reach = _counted(fault)
    if fault.point == "statement":
        event.listen(Engine, "before_cursor_execute", lambda *_: reach())
        return
    if fault.point == "half written":
        write = writing.write

        def half(connection: Any, unwritten: Any) -> None:
            tables = [table for table, rows in unwritten.rows.items() if rows]
            first = {t: unwritten.rows[t] if t in tables[:-1] else {} for t in unwritten.rows}
            write(connection, writing.Changes(first, unwritten.cut))
            reach()
            write(connection, unwritten)

        _replace(writing, "write", half)
        return
    owner, name, when, flushes = _points()[fault.point]
    method = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when == "after":
            result = method(*args, **kwargs)
        if flushes:
            args[0].flush()
        reach()
        return result if when == "after" else method(*args, **kwargs)

    _replace(owner, name, wrapped)


def _replace(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def _counted(fault: Fault) -> Callable[[], None]:
    times = itertools.count(1)

    def reach() -> None:
        time_ = next(times)
        if fault.deed == "mark" and time_ >= fault.n:
            _append(fault.file, ".")
        elif time_ == fault.n:
            _do(fault)

    return reach


def _do(fault: Fault) -> None:
    if fault.deed == "hold":
        Path(f"{fault.file}.reached").touch()
        while not Path(fault.file).exists():
            time.sleep(0.01)
    elif fault.deed == "step down":
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
    else:
        signal.raise_signal({"kill": signal.SIGKILL, "interrupt": signal.SIGINT}[fault.deed])


def _append(file: str, text: str) -> None:
    """Append with one write, of which a kill loses nothing."""
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(opened, text.encode())
    os.close(opened)


def _keep_ledger() -> None:
    """Note in `ledger` each trial told, and, after a flush, those it has made safe."""
    from sweep.search.ask_tell import Search
    from sweep.storage.mirror import MirroredStorage

    told: list[int] = []
    tell, flush = Search.tell, MirroredStorage.flush
    ledger = os.path.abspath("ledger")

    def noted_tell(search: Search, number: int, *args: Any) -> None:
        tell(search, number, *args)
        told.append(number)
        _append(ledger, f"told {number}\n")

    def noted_flush(mirror: MirroredStorage, **options: Any) -> None:
        before = list(told)
        flush(mirror, **options)
        for number in before:
            told.remove(number)
            _append(ledger, f"kept {number}\n")

    _replace(Search, "tell", noted_tell)
    _replace(MirroredStorage, "flush", noted_flush)


def _on_connect(statement: str) -> None:
    from sqlalchemy import Engine, event

    event.listen(Engine, "connect", lambda connection, _: connection.execute(statement))


def _answer(journal: str) -> None:
    """Answer journal_mode=WAL as a network filesystem makes SQLite do."""

    class Connection(sqlite3.Connection):
        def execute(self, statement: str, *args: Any) -> sqlite3.Cursor:
            if statement != "PRAGMA journal_mode=WAL":
                return super().execute(statement, *args)
            if " " in journal:
                raise sqlite3.OperationalError(journal)
            return super().execute(f"SELECT '{journal}'")

    _replace(sqlite3.dbapi2, "connect", partial(sqlite3.connect, factory=Connection))


if __name__ == "__main__":
    play(serve())
