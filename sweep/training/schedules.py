"""The factors of the learning rate, made once and looked up by each lane at its own place.

| symbol | meaning |
|---|---|
| E, s | epochs of a training, steps of an epoch |
| W | steps of the warm-up |

Without a warm-up a rate changes between epochs, as in a loop that calls `scheduler.step()` once an
epoch. With one it changes at every step: factor (k + 1) / (W + 1) at step k < W, then the schedule
over the steps that are left. That is torch's SequentialLR of LinearLR(1 / (W + 1), total_iters=W)
and the schedule. one_cycle is torch's OneCycleLR, whose warm-up is its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sweep.spec.schedule import Kind, ScheduleSpec

LEAST_LR, LAST_LR = 1 / 25, 1 / 25 / 1e4  # of one_cycle, at its ends


def factors(schedule: ScheduleSpec, epochs: int, steps: int) -> Tensor:
    """Return what lr is multiplied by: (E, 1) if it changes between epochs, else (E, s).

    In float64, on the CPU.
    """
    total = epochs * steps
    if schedule.type == "one_cycle":
        return _one_cycle(schedule.warmup_steps(total), total).view(epochs, steps)
    warmup = min(int(schedule.warmup_steps(total)), total - 1)
    every, factor = schedule.every or -(-epochs // 3), schedule.factor or 0.1
    curve = _CURVES[schedule.type]
    if not warmup:
        of_epochs = torch.arange(epochs, dtype=torch.float64)
        return curve(of_epochs, epochs, every, factor)[:, None]
    climb = torch.arange(1, warmup + 1, dtype=torch.float64) / (warmup + 1)
    left = total - warmup
    rest = curve(torch.arange(left, dtype=torch.float64), left, every * steps, factor)
    return torch.cat([climb, rest]).view(epochs, steps)


Curve = Callable[[Tensor, int, int, float], Tensor]  # of places, their number, and drops


def _constant(at: Tensor, n: int, every: int, factor: float) -> Tensor:
    return torch.ones_like(at)


def _cosine(at: Tensor, n: int, every: int, factor: float) -> Tensor:
    return 0.5 * (1 + (math.pi * at / n).cos())


def _linear(at: Tensor, n: int, every: int, factor: float) -> Tensor:
    return 1 - at / n


def _step(at: Tensor, n: int, every: int, factor: float) -> Tensor:
    return (factor ** (at // every)).clamp_min(1e-20)  # in float32 it must not become 0


_CURVES: Mapping[Kind, Curve] = {
    "constant": _constant, "cosine": _cosine, "linear": _linear, "step": _step,
}  # fmt: skip


def _one_cycle(warmup: float, steps: int) -> Tensor:
    """Climb until step W − 1, and fall until the last one."""
    at, top, end = torch.arange(steps, dtype=torch.float64), warmup - 1, steps - 1
    up = _between(LEAST_LR, 1.0, at / (top or 1.0))
    down = _between(1.0, LAST_LR, (at - top) / ((end - top) or 1.0))
    return torch.where(at <= top, up, down)


def _between(start: float, end: float, share: Tensor) -> Tensor:
    return end + (start - end) * 0.5 * (1 + (math.pi * share).cos())
