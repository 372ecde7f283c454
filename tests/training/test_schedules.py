"""The learning rate's factors are those of torch's own schedulers."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest
import torch

from sweep.spec.schedule import ScheduleSpec
from sweep.training.schedules import factors
from tests.support.reference import scheduler_of

WARMUPS: list[dict[str, Any]] = [
    {},
    {"warmup": 0.1},
    {"warmup": 0.5},
    {"warmup": 1},
    {"warmup": 7},
]
KINDS: list[dict[str, Any]] = [
    {"type": "constant"},
    {"type": "cosine"},
    {"type": "linear"},
    {"type": "step"},
    {"type": "step", "every": 2, "factor": 0.5},
    {"type": "one_cycle"},
]
SCHEDULES = [{**kind, **warmup} for kind, warmup in itertools.product(KINDS, WARMUPS)]
SIZES = [(1, 9), (6, 3), (10, 1), (7, 4)]


def by_torch(schedule: ScheduleSpec, epochs: int, steps: int) -> list[float]:
    """Return lr / its first value at every step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, by_step = scheduler_of(schedule, optimizer, epochs, steps)
    found = []
    for at in range(epochs * steps):
        found.append(float(optimizer.param_groups[0]["lr"]))
        if at + 1 < epochs * steps and (by_step or (at + 1) % steps == 0):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # no step of the optimiser came before
                scheduler.step()
    return found


@pytest.mark.parametrize(("epochs", "steps"), SIZES)
@pytest.mark.parametrize("keys", SCHEDULES, ids=str)
def test_factors_are_those_of_torch(keys: dict[str, Any], epochs: int, steps: int) -> None:
    schedule = ScheduleSpec(**keys)
    if schedule.type == "one_cycle" and schedule.warmup_steps(epochs * steps) == 1:
        return  # torch divides by 0
    table = factors(schedule, epochs, steps)
    assert table.shape in {(epochs, 1), (epochs, steps)}
    got = table.expand(-1, steps).flatten().tolist()
    assert got == pytest.approx(by_torch(schedule, epochs, steps), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("keys", SCHEDULES, ids=str)
@pytest.mark.parametrize(("epochs", "steps"), [*SIZES, (1, 1), (1, 2)])
def test_every_factor_is_finite_and_in_0_to_1(
    keys: dict[str, Any], epochs: int, steps: int
) -> None:
    table = factors(ScheduleSpec(**keys), epochs, steps)
    assert table.isfinite().all() and (table >= 0).all() and (table <= 1).all()


def test_a_warm_up_ends_at_the_whole_rate() -> None:
    table = factors(ScheduleSpec(type="cosine", warmup=4), 2, 5).flatten().tolist()
    assert table[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_a_warm_up_longer_than_the_training_leaves_one_step() -> None:
    assert factors(ScheduleSpec(type="linear", warmup=99), 1, 3).tolist()[0][-1] == 1.0
