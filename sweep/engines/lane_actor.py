"""What a Ray actor is: a process that holds lanes. It imports torch when it is first called.

Each method returns what can be pickled without torch, and an error instead of raising it: what
Ray makes of an exception is no longer one line.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

from sweep.engines.hello import Hello
from sweep.engines.messages import Epochs, Made, Message, Start, Stop
from sweep.engines.shipping import Parts, packed, unpacked
from sweep.runtime import CPUS, importing, is_out_of_memory, versions
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec

if TYPE_CHECKING:
    from sweep.plan.plan import Plan
    from sweep.training.cohort import Cohort


def in_band(method: Callable[..., Any]) -> Callable[..., Any]:
    """Have a method return its exception."""

    @wraps(method)
    def answering(*args: Any) -> Any:
        try:
            return method(*args)
        except Exception as error:
            return plain(error)

    return answering


class LaneActor:
    """Plans a study or takes over its plan, and trains one cohort at a time."""

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._cohort: Cohort | None = None

    @in_band
    def hello(self, environment: Mapping[str, str | None], device: str) -> Hello:
        """Say what this process is.

        Args:
            environment: variables as the owner has them, since Ray sets some by itself.
            device: cpu or cuda.
        """
        for name, value in environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        # Rows out of Ray's memory cannot be written to, and nobody does.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        ray = sys.modules.get("ray")
        node = ray.get_runtime_context().get_node_id() if ray else ""
        about = versions("torch", "ray")
        return Hello(socket.gethostname(), node, os.getpid(), _device_name(device), about)

    @in_band
    def plan(self, spec: StudySpec) -> tuple[Outline, Parts]:
        """Plan the study; return what others need to adopt the plan."""
        with importing():
            from sweep.engines.cohorts import planned

        self._plan = planned(spec)
        return self._plan.outline, packed(self._plan.dataset)

    @in_band
    def adopt(self, outline: Outline, parts: Parts) -> None:
        """Take over a plan that another actor has made."""
        with importing():
            from sweep.engines.cohorts import adopted

        self._plan = adopted(outline, unpacked(parts))

    @in_band
    def make(self, width: int, partition: int) -> Made:
        """Drop the cohort, if there is one, and make another."""
        from sweep.engines.cohorts import make_cohort

        assert self._plan, "a plan is made or adopted first"
        self._cohort = None  # there may be no memory for both
        self._cohort = make_cohort(self._plan, width, partition)
        return Made(self._cohort.width, self._cohort.n_slots)

    def step(
        self, messages: Sequence[Message], patience_s: float
    ) -> tuple[Epochs, Exception | None]:
        """Start and stop trials, then train until one ends, or the patience.

        Returns:
            The reports of the epochs, and the error that ended them, if one did.
        """
        epochs: Epochs = []
        until = time.monotonic() + patience_s
        try:
            assert self._cohort, "a cohort is made first"
            self._obey(self._cohort, messages)
            while self._cohort.trials:
                reports = self._cohort.advance()
                epochs.append(reports)
                if any(report.ended for report in reports) or time.monotonic() >= until:
                    break
        except Exception as error:
            return epochs, plain(error)
        return epochs, None

    def _obey(self, cohort: Cohort, messages: Sequence[Message]) -> None:
        for message in messages:
            match message:
                case Start(trial, setting):
                    cohort.start(trial, setting)
                case Stop(trial) if trial in cohort.trials:  # it may have ended meanwhile
                    cohort.stop(trial)


def plain(error: Exception) -> Exception:
    """Return an exception that the owner can read without torch and without the user's modules."""
    from sweep.engines.server import sendable

    if is_out_of_memory(error):
        found: Exception = MemoryError(str(error))
    elif type(error).__module__ in ("builtins", "sweep.errors"):
        return sendable(error)
    else:
        found = RuntimeError(f"{type(error).__name__}: {error}")
    return sendable(found.with_traceback(error.__traceback__))


def _device_name(device: str) -> str:
    """Name what decides the last bits of a result."""
    with importing():
        import torch

    if device == "cuda" and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model = platform.processor() or platform.machine()
    if CPUS.exists():
        lines = CPUS.read_text(encoding="utf-8", errors="replace").splitlines()
        names = (line.partition(":")[2] for line in lines if line.startswith("model name"))
        model = next(names, model).strip()
    return f"{model} ({torch.backends.cpu.get_cpu_capability()})"
