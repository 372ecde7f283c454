"""Actors that keep the protocol of `LaneActor` but sleep instead of training.

What they answer has the form and the size of what actors that train answer, so a study with them
shows what its owner does, whatever trains.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from math import log10
from typing import Any

import numpy as np

from sweep.engines.cluster import Actor
from sweep.engines.hello import Hello
from sweep.engines.lane_actor import LaneActor
from sweep.engines.messages import Epochs, Made, Message, Start, Stop
from sweep.engines.ray_cluster import RayCluster
from sweep.engines.ray_engine import RayEngine
from sweep.engines.shipping import Parts
from sweep.runtime import versions
from sweep.spec.engine import EngineSpec
from sweep.spec.files import load_spec
from sweep.spec.resolved import Outline, Setting
from sweep.spec.study import StudySpec
from sweep.training.messages import N_BINS, Measures, Report
from tests.benchmarks.machine import OF_48, STUDY

EPOCHS = 60  # of a training


class Sleeper:
    """An actor that sleeps as long as an epoch takes.

    Args:
        epoch_s: of all its trials together.
        epochs: of a training.
        n_replicates: lanes of a trial.
    """

    def __init__(self, epoch_s: float, epochs: int, n_replicates: int):
        self._epoch_s, self._epochs, self._n = epoch_s, epochs, n_replicates
        self._trials: dict[Hashable, tuple[int, Setting]] = {}

    def hello(self, environment: Mapping[str, str | None], device: str) -> Hello:
        """Say what this process is."""
        return Hello(socket.gethostname(), device="sleeps", versions=versions("torch", "ray"))

    def plan(self, spec: StudySpec) -> tuple[Outline, Parts] | Exception:
        """Plan the study as actors do that train."""
        planned: tuple[Outline, Parts] | Exception = LaneActor().plan(spec)
        return planned

    def adopt(self, outline: Outline, parts: Parts) -> int:
        """Read the rows, and leave it at that."""
        return sum(int(np.frombuffer(part, dtype=np.uint8).max()) for part in parts)

    def make(self, width: int, partition: int) -> Made:
        """Make as many lanes as are wanted."""
        self._trials.clear()
        return Made(width, width // self._n)

    def step(
        self, messages: Sequence[Message], patience_s: float
    ) -> tuple[Epochs, Exception | None]:
        """Sleep until a trial ends, or the patience."""
        for message in messages:
            match message:
                case Start(trial, setting):
                    self._trials[trial] = (0, setting)
                case Stop(trial):
                    self._trials.pop(trial, None)
        epochs: Epochs = []
        until = time.monotonic() + patience_s
        while self._trials:
            time.sleep(self._epoch_s)
            epochs.append([self._report(trial) for trial in [*self._trials]])
            if any(report.ended for report in epochs[-1]) or time.monotonic() >= until:
                break
        return epochs, None

    def _report(self, trial: Hashable) -> Report:
        epoch, setting = self._trials.pop(trial)
        loss = 1.0 + (log10(setting["strength"] or 1e-9) + 2) ** 2 / (epoch + 1)
        if epoch + 1 == self._epochs:
            return Report(trial, epoch + 1, loss, result=_measures(self._n, loss))
        self._trials[trial] = (epoch + 1, setting)
        return Report(trial, epoch + 1, loss)


class SleepingCluster(RayCluster):
    """A Ray of this machine's own whose actors sleep; it notes where its owner's time goes.

    Args:
        spec: the section `engine` of the study.
        asleep: the arguments of `Sleeper`.
    """

    def __init__(self, spec: EngineSpec, *asleep: float):
        super().__init__(spec, 0.0)
        self._asleep = asleep

    def hire(self, avoid: Collection[str] = ()) -> Actor:
        """Ask for another actor; sleeping takes no core."""
        made: Any = self._ray.remote(Sleeper).options(num_cpus=0, max_restarts=0)
        return made.remote(*self._asleep)


@contextmanager
def sleeping(
    n_actors: int, epoch_s: float, lanes: int, **keys: Any
) -> Iterator[tuple[StudySpec, RayEngine]]:
    """Give a study and an engine of so many actors that sleep, each with so many lanes."""
    engine = {"kind": "ray", "actors": n_actors, "cpus": 0.01, "lanes": lanes}
    spec = load_spec(STUDY, {"engine": engine, "training.epochs": EPOCHS, **OF_48, **keys})
    cluster = SleepingCluster(spec.engine, epoch_s, EPOCHS, spec.n_replicates)
    made = RayEngine(spec, cluster)
    try:
        made.begin()
        yield spec, made
    finally:
        made.end()


def all_ready(engine: RayEngine, n_actors: int) -> None:
    """Let all actors start: a study would begin with the first."""
    crew = engine._crew
    assert crew
    while len(crew.ready) < n_actors:
        crew.listen(1.0)


def _measures(n: int, loss: float) -> Measures:
    lanes = loss + np.arange(n) / 100
    counts = np.zeros((n, N_BINS))
    counts[:, N_BINS // 2] = 100
    others = {field.name: lanes / 10 for field in fields(Measures)}
    return Measures(**{**others, "val_loss": lanes, "weight_counts": counts,
                       "layer_norms": np.ones((n, 2))})  # fmt: skip
