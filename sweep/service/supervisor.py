"""Run the studies of the queue on this machine: begin them, watch over them, end them.

Each is a process of its own that outlives this one: the next supervisor finds it by what the queue
says of it, and goes on watching. Any number of supervisors may share a queue.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sweep.errors import INTERRUPTED, SweepError, UsageError
from sweep.service.claims import Claims, Ending, Limits, Run
from sweep.service.events import Events
from sweep.service.job import FencedError, Job
from sweep.service.order import Order
from sweep.storage.process import Process

TICK_S = 0.5
PRUNE_S = 60.0
_ENDINGS = {0: "done", 2: "refused", INTERRUPTED: "interrupted"}  # by exit code

_TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")  # of a line that was logged

log = logging.getLogger("sweep.service.supervisor")


@dataclass(frozen=True)
class Setup:
    """Where and how the processes of studies run.

    Attributes:
        folder: holds a folder for each study: its file as it was sent, and its log.
        storages: each project to the URL where its trials go; a study that was submitted with a
            storage of its own does without.
        overrides: dotted keys that win over every study file, such as `device`.
        memory_bytes: how much address space a process may use; None: as much as there is.
        threads: `OMP_NUM_THREADS` of a process; None leaves it to the study.
        prepare: puts the files that a study names into its folder, before its process begins.
    """

    folder: Path
    storages: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    memory_bytes: int | None = None
    threads: int | None = None
    prepare: Callable[[Job, Path], None] = lambda job, folder: None

    def log_of(self, job: Job) -> Path:
        """Return the file of what the processes of a study have written."""
        return self.folder / job.id / "log"


class Supervisor:
    """Claims studies while there is room for them, and minds those that run on this machine.

    Attributes:
        beat_at: when it last went through the whole queue, by `time.monotonic`.
        trouble: the one line of what keeps it from that; empty if nothing does.
    """

    def __init__(self, claims: Claims, setup: Setup, limits: Limits):
        self.claims, self.setup, self.limits = claims, setup, limits
        self.beat_at, self.trouble = time.monotonic(), ""
        self._children: dict[str, subprocess.Popen[bytes]] = {}  # by token
        self._unstarted: dict[str, Ending] = {}  # by token
        self._asked: set[str] = set()  # tokens of runs that were sent SIGTERM
        self._prune_at = time.monotonic() + PRUNE_S

    def run(self, should_stop: Callable[[float], bool]) -> None:
        """Mind the queue until told to stop; the studies that run go on.

        Args:
            should_stop: waits for at most so many seconds, and tells whether to stop: such as
                `threading.Event.wait`.
        """
        try:
            while not should_stop(TICK_S):
                self.tick()
        finally:
            self.leave()

    def tick(self) -> None:
        """Go through the queue once; trouble with database or disk is noted, not raised."""
        try:
            runs = self.claims.runs()
            for run in runs:
                with suppress(FencedError):  # it was settled meanwhile
                    self._mind(run)
            self._forget({run.token for run in runs})
            while (claimed := self.claims.claim(self.limits)) is not None:
                self._start(claimed)
            self._prune()
        except SweepError as error:
            if str(error) != self.trouble:
                log.error("%s", error)
            self.trouble = str(error)
        else:
            self.beat_at, self.trouble = time.monotonic(), ""

    def leave(self) -> None:
        """Let go of the processes, which live on."""
        for child in self._children.values():
            if child.poll() is None:
                child.returncode = 0  # else Python warns that it outlives this object
        self._children.clear()

    def _mind(self, run: Run) -> None:
        """End a run that is to end, and settle one that has."""
        child = self._children.get(run.token)
        if run.token in self._unstarted:
            self.claims.settle(run.job.id, run.token, self._unstarted[run.token])
        elif run.process.died_here or (child is not None and child.poll() is not None):
            self._settle(run, child)
        elif run.left_s < 0 and child is None and not self._is_minded(run):
            lost = f"{run.job.host} was not heard of for {self.claims.pace.life_s:.0f} s"
            self.claims.settle(run.job.id, run.token, Ending("lost", "HostLost", lost))
        elif not run.process.is_near:
            return  # another machine's supervisor minds it
        elif run.job.want:
            self._end(run, child)
        elif self._is_overdue(run):
            self.claims.stop(run, f"ran for {run.ran_s:.0f} s, longer than its timeout allows")

    def _is_minded(self, run: Run) -> bool:
        """Tell whether a run goes on though its claim has expired: its process is seen to live."""
        return run.process.is_near and run.job.state == "running"

    def _settle(self, run: Run, child: subprocess.Popen[bytes] | None) -> None:
        """Settle a run whose process has ended without doing so."""
        if run.job.state == "starting" and child is None:  # its supervisor died first
            ending = Ending("lost", "SupervisorLost", "was not begun")
        else:
            ending = self._read_ending(run.job, None if child is None else child.wait())
        self.claims.settle(run.job.id, run.token, ending)

    def _read_ending(self, job: Job, code: int | None) -> Ending:
        how: Any = _ENDINGS.get(1 if code is None else code, "crashed")
        last = last_line(self.setup.log_of(job))
        if how != "crashed":
            return Ending(how, "", last if how == "refused" else "", job.n_trials)
        by = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        ended = "its process ended" if code is None else f"its process ended by {by}"
        return Ending("crashed", "Crashed", f"{ended}; last line: {last}" if last else ended)

    def _end(self, run: Run, child: subprocess.Popen[bytes] | None) -> None:
        """Ask a run's processes to end, and after a while end them by force."""
        pid = child.pid if child is not None else run.job.pid
        if child is None and (run.job.state == "starting" or Process.of(pid) != run.process):
            return  # it is another supervisor's to begin
        if (run.asked_s or 0.0) > self.claims.pace.cancel_s:
            log.warning("study %s: ended by force", run.job.study_name)
            _signal_group(pid, signal.SIGKILL)
        elif run.token not in self._asked and run.job.state == "running":
            self._asked.add(run.token)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)  # it ends its workers itself

    def _is_overdue(self, run: Run) -> bool:
        most_s = run.job.timeout_s
        return (
            most_s is not None
            and run.job.state == "running"
            and (run.ran_s or 0.0) > most_s + self.claims.pace.overtime_s
        )

    def _start(self, run: Run) -> None:
        """Begin the process of a study that was claimed."""
        try:
            self._children[run.token] = self._spawn(run)
        except OSError as error:  # settled in the next round
            log.error("study %s: %s", run.job.study_name, error)
            self._unstarted[run.token] = Ending("unstarted", type(error).__name__, str(error))
        except UsageError as error:
            self._unstarted[run.token] = Ending("refused", type(error).__name__, str(error))
        except KeyError:
            line = f"project: must have a storage, got {run.job.project}. Add it to the config"
            self._unstarted[run.token] = Ending("refused", "UsageError", line)

    def _spawn(self, run: Run) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own, so that it outlives this one.

        Raises:
            OSError: no room for its files, no memory for it.
            UsageError: a file that it names is gone.
        """
        job, setup = run.job, self.setup
        folder = setup.folder / job.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "study.yaml").write_text(job.body, encoding="utf-8")
        setup.prepare(job, folder)
        storage = job.storage or setup.storages[job.project]
        url = self.claims.database.engine.url.render_as_string(hide_password=False)
        order = Order(
            url, job.id, run.token, {**setup.overrides, "storage": storage},
            asdict(self.claims.pace), setup.memory_bytes,
        )  # fmt: skip
        with (folder / "log").open("ab") as file:
            child = subprocess.Popen(
                [sys.executable, "-m", "sweep.service.child"],
                stdin=subprocess.PIPE, stdout=file, stderr=file, cwd=folder,
                env=environment(setup.threads), start_new_session=True,
            )  # fmt: skip
        assert child.stdin is not None
        with suppress(BrokenPipeError), child.stdin:  # one that has ended is seen to later
            child.stdin.write(order.to_json().encode())
        return child

    def _forget(self, unsettled: set[str]) -> None:
        """Forget what has ended and is settled."""
        for token, child in [*self._children.items()]:
            if token not in unsettled and child.poll() is not None:
                del self._children[token]
        self._asked &= unsettled
        self._unstarted = {k: v for k, v in self._unstarted.items() if k in unsettled}

    def _prune(self) -> None:
        if time.monotonic() > self._prune_at:
            Events(self.claims.database).prune()
            self._prune_at = time.monotonic() + PRUNE_S


def environment(threads: int | None) -> dict[str, str]:
    """Return the environment of a study's process: this one's, less the service's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SWEEP_")}
    kept.pop("OPTUNA_STORAGE", None)
    given = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    return {**kept, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", **given}


def last_line(path: Path) -> str:
    """Return the last line of a log that is not empty, without its time; "" if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return _TIME.sub("", last)[:300]


def _signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to all processes of a session that one of our processes leads."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
