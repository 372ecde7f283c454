"""Ray itself, behind the face that `cluster` describes. Ray is imported by `join`, not before."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sweep.engines.cluster import Actor, LostError, Ref
from sweep.engines.lane_actor import LaneActor
from sweep.engines.reaper import Reaper
from sweep.errors import UsageError
from sweep.runtime import importing, stderr_closed
from sweep.spec.engine import EngineSpec

ANSWERS_S = 5.0  # how long a cluster's address may take to answer
SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))  # a frame of HTTP/2 that sets nothing


class RayCluster:
    """A Ray cluster as a study needs it; keeps the protocol of a `Cluster`.

    Args:
        spec: the section `engine` of the study.
        gpus: that an actor keeps to itself.
        package: a folder that becomes the working folder of all actors; None: theirs stays.
    """

    def __init__(self, spec: EngineSpec, gpus: float, package: Path | None = None):
        self._spec, self._gpus, self._package = spec, gpus, package
        self._ray: Any = None
        self._silence: Any = None
        self._reaper: Reaper | None = None
        self._environment: dict[str, str] | None = None  # as it was before Ray changed it

    def join(self) -> None:
        """Connect, or start a Ray of this machine's own, of which Ray itself prints nothing.

        Raises:
            UsageError: there is no such cluster, or no GPU here.
        """
        address = _address(self._spec.address)
        self._environment = dict(os.environ)
        ray = _imported()
        self._silence = _silenced()
        self._silence.__enter__()
        options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
        if self._package:
            options["runtime_env"] = {"working_dir": str(self._package)}
        if address == "local":
            # Room for the least number of actors, on however few cores; never more than asked for.
            cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
            least = math.ceil(self._spec.bounds[0] * self._spec.cpus)
            self._reaper = Reaper()
            options |= {
                "include_dashboard": False,
                "num_cpus": max(cores or 1, least),
                # Ray opens it to all users of the machine; what it lies in, it does not.
                "_temp_dir": str(self._reaper.folder / "r"),
            }
        try:
            # Ray's threads would write to stderr.
            with _handlers_kept(), stderr_closed(), _on_loopback(address == "local"):
                ray.init(address, **options)
        except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
            raise UsageError(
                f"engine.address: must be a Ray cluster that takes this run, got {_clause(error)}"
                f" ({address}). Use its Ray, Python, RAY_AUTH_MODE and RAY_AUTH_TOKEN, on a host"
                " that is one of its own"
            ) from None
        self._ray = ray
        if address == "local" and ray.cluster_resources().get("GPU", 0) < self._gpus:
            raise UsageError(
                f"engine.gpus: this machine must have a GPU that Ray finds, got none for"
                f" {self._gpus:g} an actor. Use --device cpu and no engine.gpus, or name a"
                " cluster's address"
            )

    def hire(self, avoid: Collection[str] = ()) -> Actor:
        """Ask for another actor, which Ray must not begin anew where it is lost."""
        options: dict[str, Any] = {
            "num_cpus": self._spec.cpus, "num_gpus": self._gpus,
            "max_restarts": 0, "max_task_retries": 0,
        }  # fmt: skip
        if avoid:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(sorted(avoid))})"}
        return self._ray.remote(LaneActor).options(**options).remote()

    def call(self, actor: Actor, method: str, *args: Any) -> Ref:
        """Have an actor do something."""
        return getattr(actor, method).remote(*args)

    def put(self, value: Any) -> Ref:
        """Keep a value in the object store of this host."""
        return self._ray.put(value)

    def ready(self, refs: Sequence[Ref], timeout_s: float) -> list[Ref]:
        """Wait for one, and return all that are ready by then."""
        refs = list(refs)
        if not refs:
            time.sleep(timeout_s)
            return []
        first, _ = self._ray.wait(refs, num_returns=1, timeout=timeout_s)
        if not first:
            return []
        found = set(self._ray.wait(refs, num_returns=len(refs), timeout=0)[0]) | set(first)
        return [ref for ref in refs if ref in found]

    def get(self, ref: Ref) -> Any:
        """Return what an actor has returned."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(ref)
        except errors.RuntimeEnvSetupError as error:
            raise UsageError(
                f"engine.ship: must reach every host, got {_clause(error)}. Ship less"
            ) from None
        except errors.RayTaskError as error:
            raise _unready(error) from None
        except errors.RayError as error:
            if "ModuleNotFoundError" in str(error):
                raise _unready(error) from None
            raise LostError(_why(error)) from None

    def kill(self, actor: Actor) -> None:
        """End an actor."""
        with suppress(Exception):  # it is gone, or Ray is
            self._ray.kill(actor, no_restart=True)

    def room(self) -> int:
        """Count the actors for which cores and GPUs are free, on all hosts together."""
        free = self._ray.available_resources()
        rooms = free.get("CPU", 0.0) / self._spec.cpus
        if self._gpus:
            rooms = min(rooms, free.get("GPU", 0.0) / self._gpus)
        return int(rooms + 1e-6)

    def leave(self) -> None:
        """Disconnect, or end this machine's own Ray."""
        if self._ray:
            self._ray.shutdown()
            self._ray = None
        if self._silence:
            self._silence.__exit__(None, None, None)
            self._silence = None
        if self._reaper:
            self._reaper.dismiss()
            self._reaper = None
        if self._environment is not None:
            _restore(self._environment)
            self._environment = None


def _restore(before: Mapping[str, str]) -> None:
    """Undo what Ray set for its own processes: others that start later may use another Ray."""
    for name in [*os.environ]:
        if name.startswith("RAY_") or name == "PYTHONBREAKPOINT":
            if name not in before:
                del os.environ[name]
            elif os.environ[name] != before[name]:
                os.environ[name] = before[name]


def _address(asked: str) -> str:
    """Return where to connect, once what Ray is answers there: Ray would try for minutes.

    Raises:
        UsageError: there is no address, or nothing answers, or something else.
    """
    if asked == "local":
        return asked
    address = os.environ.get("RAY_ADDRESS", "") if asked == "auto" else asked
    if asked == "auto" and not address:
        raise UsageError(
            "engine.address: RAY_ADDRESS must be set with auto, got none. Set it to HOST:PORT, or"
            " name that address"
        )
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWERS_S) as line:
            if "RAY_USE_TLS" not in os.environ:
                _greet(line)
            return address
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(
            f"engine.address: a Ray cluster must answer, got {_clause(error)} ({address})."
            " Start it with `ray start --head --port=6379`"
        ) from None


def _greet(line: socket.socket) -> None:
    """Begin HTTP/2, which Ray speaks, as its client does; the other side then says its settings.

    Raises:
        OSError: it says something else, or nothing.
    """
    line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS)
    with line.makefile("rb") as answer:
        if answer.read(len(SETTINGS))[3:4] != SETTINGS[3:4]:
            raise OSError("something that is no Ray")


def _imported() -> Any:
    # It asks for none, and must not send any.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        with importing():
            import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise UsageError(
            "engine.kind: ray needs the package ray, which is not installed."
            " pip install 'alpha-sweep[ray]'"
        ) from None
    if ray.is_initialized():
        raise UsageError(
            "engine.kind: ray needs a process of its own, got one that uses Ray already."
            " Call ray.shutdown() first"
        )
    return ray


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Keep this process's handlers of signals, of which Ray replaces one."""
    if signal.getsignal(signal.SIGTERM) is None:
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(ValueError):  # in another thread than the first, Ray replaces none
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _on_loopback(wanted: bool) -> Iterator[None]:
    """Have a Ray that is started now listen on loopback alone, as it does where it is no cluster.

    It would listen on all interfaces otherwise, whatever address it is given.
    """
    from ray._private import ray_constants

    name = "ENABLE_RAY_CLUSTER"
    before = getattr(ray_constants, name, None)
    if wanted:
        setattr(ray_constants, name, False)
    try:
        yield
    finally:
        setattr(ray_constants, name, before)


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep Ray from printing: what matters of it, this module says in one line.

    Its thread that hears of lost processes prints to stdout, whatever it is told.
    """
    from ray._private import worker

    logger, name = logging.getLogger("ray"), "print_to_stdstream"
    level, printing = logger.level, getattr(worker, name, None)
    logger.setLevel(logging.CRITICAL + 1)
    setattr(worker, name, lambda *_, **__: None)
    try:
        yield
    finally:
        logger.setLevel(level)
        if printing:
            setattr(worker, name, printing)


def _unready(error: Exception) -> UsageError:
    """Say what an actor's host is without; an actor returns all other errors."""
    return UsageError(
        "engine.address: every host must have sweep and what it needs, got"
        f" {_last_line(error)}. Install the same packages there"
    )


def _why(error: Exception) -> str:
    """Say in a clause how an actor was lost, of the many lines that Ray says."""
    text = str(error)
    if type(error).__name__ == "OutOfMemoryError":
        return "its host was short of memory"
    if "worker process has died" in text:
        return "its process has ended, perhaps killed for its memory"
    if any(
        words in text for words in ("node has died", "node died", "node was", "owner has died")
    ):
        return "its host is gone"
    return _clause(error)


def _clause(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(".")


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if "Error" in line]
    return (lines[-1] if lines else _clause(error))[:200].rstrip(".")
