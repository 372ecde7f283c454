"""Real Ray for tests, below a keeper: a process that ends whatever was started below it.

`python -m tests.support.clusters` starts programs and nodes of a Ray cluster as it is asked, one
line of JSON after another. Orphans become its children, so that nothing gets away; when its pipe
is closed, as it is by the end of the process that tests, it kills all that is left.
"""

from __future__ import annotations

import ctypes
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
LIMIT_S = 240.0  # nothing that a test waits for takes longer
STORE_BYTES = 80 << 20  # of a node's object store: Ray takes no less than 75 MiB
# How long Ray waits for a node or a head that is silent: by default 65 s and 60 s.
IMPATIENT = {
    "health_check_initial_delay_ms": 2000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 4,
}
HEAD_GONE_S = 5

# --- what a test uses ----------------------------------------------------------------------


def until(condition: Callable[[], Any], what: object = "", limit_s: float = LIMIT_S) -> Any:
    """Wait until something is so, and return it."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain {what}"
        time.sleep(0.02)
    return found


class Outcome(NamedTuple):
    """What a program left behind; a code below 0 is the signal that ended it."""

    code: int
    out: str
    err: str


class Program:
    """A program that the keeper has started; what it says goes to files."""

    def __init__(self, keeper: Keeper, pid: int, files: Sequence[Path]):
        self._keeper, self.pid, self._files = keeper, pid, files
        self._code: int | None = None

    def ended(self) -> bool:
        if self._code is None:
            self._code = self._keeper.ask(poll=self.pid)
        return self._code is not None

    def outcome(self) -> Outcome:
        """Wait until it ends."""
        until(self.ended, self.said)
        assert self._code is not None
        return Outcome(self._code, *self.said)

    def until(self, condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
        """Wait for something that must come before it ends."""

        def found() -> Any:
            is_so = condition()
            assert is_so or not self.ended(), self.outcome()
            return is_so

        return until(found, self.said, limit_s)

    @property
    def said(self) -> tuple[str, str]:
        out, err = (file.read_text() for file in self._files)
        return out, err


class Keeper:
    """The process above all of Ray's; `folder` is where they keep their sockets and logs."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))  # paths of sockets must be short
        environment = {
            **{name: told for name, told in os.environ.items() if not name.startswith("RAY_")},
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "HOME": str(self.folder),  # where Ray leaves tokens
            "RAY_TMPDIR": str(self.folder),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_gcs_rpc_server_reconnect_timeout_s": str(HEAD_GONE_S),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.clusters"],
            cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._n_programs = 0
        self.address = ""  # of the cluster, if there is one

    def ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer["answer"]

    def start_head(self, n_cpus: int = 0, **config: Any) -> str:
        """Start the first node of a cluster; return the cluster's address."""
        self.address = self.ask(head=n_cpus, config=config)
        return self.address

    def add_node(self, n_cpus: int = 1) -> int:
        """Add a node, and return the process of its raylet once the cluster knows of it."""
        return int(self.ask(node=n_cpus))

    def start(self, folder: Path, *args: str, **environment: str) -> Program:
        """Start `python ARGS` in a folder."""
        self._n_programs += 1
        files = [self.folder / f"{self._n_programs}.{name}" for name in ("out", "err")]
        for file in files:
            file.touch()
        pid = self.ask(
            start=[sys.executable, *args], folder=str(folder), files=[str(f) for f in files],
            environment=environment,
        )  # fmt: skip
        return Program(self, pid, files)

    def processes(self) -> dict[int, str]:
        """Return all living processes below the keeper, and what they call themselves."""
        return below(self._process.pid)

    def actors(self) -> list[int]:
        """Return the processes of actors of ours."""
        return sorted(pid for pid, name in self.processes().items() if is_actor(name))

    def named(self, *words: str) -> list[int]:
        """Return processes with such a word in the command line."""
        told = self.processes().items()
        return sorted(pid for pid, name in told if any(word in name for word in words))

    def end(self) -> None:
        with self._process:  # whose end of the pipe ends it
            pass


@contextmanager
def keeper() -> Iterator[Keeper]:
    """Start a keeper, and leave no process behind."""
    made = Keeper()
    try:
        yield made
    finally:
        made.end()


def is_actor(name: str) -> bool:
    return name.startswith("ray::") and "Actor" in name


def below(pid: int) -> dict[int, str]:
    """Return the living processes that descend from one, and their command lines (Linux)."""
    living = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    parents = {one: parent_of(one) for one in living}
    found, ends = {pid}, {pid}
    while ends := {child for child, parent in parents.items() if parent in ends} - found:
        found |= ends
    return {one: _command(one) for one in found - {pid}}


class Listener(NamedTuple):
    """A socket that takes connections, and the process that holds it."""

    pid: int
    address: str
    port: int

    @property
    def is_on_loopback(self) -> bool:
        address = ipaddress.ip_address(self.address)
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback


def listeners(pids: Collection[int]) -> list[Listener]:
    """Return the TCP sockets on which processes listen (Linux)."""
    holders: dict[str, int] = {}
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):
                holders[os.readlink(entry).removeprefix("socket:[").rstrip("]")] = pid
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and rest[5] in holders:
                raw, _, port = local.partition(":")
                words = [bytes.fromhex(raw[i : i + 8])[::-1] for i in range(0, len(raw), 8)]
                address = str(ipaddress.ip_address(b"".join(words)))
                found.append(Listener(holders[rest[5]], address, int(port, 16)))
    return found


def parent_of(pid: int) -> int:
    """Return the process that a living one descends from; 0 for one that has ended."""
    with suppress(OSError):
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        return int(parent) if state != "Z" else 0
    return 0


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    return ""


# --- in the keeper -------------------------------------------------------------------------


def keep() -> None:
    """Do what is asked for until the pipe is closed, then kill all that is left."""
    set_subreaper = 36  # of Linux's prctl.h
    ctypes.CDLL(None).prctl(set_subreaper, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):  # the end of the pipe says when
        signal.signal(number, lambda *_: None)  # which those that it starts do not inherit
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints
    keeping = Keeping()
    try:
        for line in sys.stdin:
            try:
                answer = {"answer": keeping.answer(json.loads(line))}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=answers, flush=True)
    finally:
        kill_all()


def kill_all() -> None:
    """Kill what descends from this process; killed parents may leave more to be killed."""
    while left := below(os.getpid()):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.02)
    shutil.rmtree(os.environ["RAY_TMPDIR"], ignore_errors=True)
    os._exit(0)  # Ray would look for what was killed


class Keeping:
    """What a keeper has started."""

    def __init__(self) -> None:
        self._programs: dict[int, subprocess.Popen[bytes]] = {}
        self._cluster: Any = None

    def answer(self, request: dict[str, Any]) -> Any:
        match request:
            case {"poll": pid}:
                return self._programs[pid].poll()
            case {"start": command, "folder": folder, "files": files, "environment": more}:
                with open(files[0], "wb") as out, open(files[1], "wb") as err:
                    program = subprocess.Popen(
                        command, cwd=folder, env={**os.environ, **more}, stdout=out, stderr=err,
                        stdin=subprocess.DEVNULL,
                    )  # fmt: skip
                self._programs[program.pid] = program
                return program.pid
            case {"head": n_cpus, "config": config}:
                return self._start_head(n_cpus, config)
            case {"node": n_cpus}:
                node = self._cluster.add_node(num_cpus=n_cpus, object_store_memory=STORE_BYTES)
                return node.all_processes["raylet"][0].process.pid

    def _start_head(self, n_cpus: int, config: dict[str, Any]) -> str:
        from ray.cluster_utils import Cluster

        head = {
            "num_cpus": n_cpus, "include_dashboard": False, "object_store_memory": STORE_BYTES,
            "_system_config": config,
        }  # fmt: skip
        self._cluster = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=False)
        return str(self._cluster.address)


if __name__ == "__main__":
    keep()
