"""How every lane of a study is trained."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.spec.schedule import Kind, ScheduleSpec
from sweep.training.optimizers import Optimizer


@dataclass(frozen=True)
class Recipe:
    """How every lane is trained; what differs between lanes is a `Setting`."""

    optimizer: Optimizer
    epochs: int
    batch_size: int | None = None  # None: all rows
    schedule: Kind | ScheduleSpec = "constant"
    seed: int = 0
    exempt: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    fused: bool = True
    compile: bool = False
    cuda_graph: bool = False
    clip_norm: float | None = None  # of the data loss's gradient
