"""The contracts of fused training on a device; a stage yields what it has found so far.

Rows are random and of the default study's shapes: nothing is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import product

import numpy as np
import torch
from torch import nn

from sweep.data.problem import Problem
from sweep.spec.resolved import Setting
from sweep.training.cohort import Cohort
from sweep.training.lanes import Lanes
from sweep.training.messages import Report
from sweep.training.modules import MLP, Factory
from sweep.training.optimizers import SGD, Adam, Optimizer
from sweep.training.recipe import Recipe
from tests.support.settings import setting_of

ROWS, VALID, FEATURES, CLASSES, REPLICATES, BATCH = 300, 180, 64, 10, 8, 50
ROUNDING = 1e-9  # in float64
PROBE, CALM = setting_of(1e-3, 5e-2, 0.0, 0.9), setting_of(1e-2, 1e-2, 0.0, 0.9)
WILD = setting_of(0.0, 1e30, 0.0, 0.9)  # diverges in its first epoch


def problem(
    device: torch.device, dtype: torch.dtype, valid: int = VALID, rows: int = ROWS,
    replicates: int = REPLICATES,
) -> Problem:  # fmt: skip
    """Make random rows of the default study's shapes."""
    generator = torch.Generator().manual_seed(0)
    n = rows + valid
    x = torch.rand(n, FEATURES, generator=generator)
    y = (x @ torch.randn(FEATURES, CLASSES, generator=generator)).argmax(1)
    orders = [torch.randperm(n, generator=generator) for _ in range(replicates)]
    return Problem(
        X=x, y=y, y_clean=y,
        train=torch.stack([order[:rows] for order in orders]),
        val=torch.stack([order[rows:] for order in orders]),
        val_size=torch.tensor([valid - r % 2 for r in range(replicates)]),
        y_scale=torch.ones(replicates),
        y_mean=torch.zeros(replicates),
        replicates=tuple((r, 0) for r in range(replicates)),
        task="classification", n_outputs=CLASSES, feature_shape=(FEATURES,),
    ).to(device, dtype)  # fmt: skip


def net(hidden: int) -> Factory:
    return lambda: MLP(FEATURES, (hidden,), CLASSES, "relu")


def made(
    device: torch.device, width: int, hidden: int, *, compile: bool = False,
    cuda_graph: bool = False,
) -> Lanes:  # fmt: skip
    """Make lanes that all train, at the default study's setting."""
    recipe = Recipe(Adam(), 60, BATCH, compile=compile, cuda_graph=cuda_graph)
    slots = width // REPLICATES
    lanes = Lanes(problem(device, torch.float32), net(hidden), recipe, slots, REPLICATES)
    lanes.reset(range(slots), range(REPLICATES), [setting_of(1e-3, 2e-2)] * slots)
    return lanes


def a_batch(lanes: Lanes) -> torch.Tensor:
    """Return the first rows of every lane, (L, B)."""
    return lanes.problem.train.repeat(lanes.shape[0], 1)[:, :BATCH]


Starts = Mapping[int, Sequence[tuple[str, Setting]]]


def reports(cohort: Cohort, starts: Starts) -> Iterator[Report]:
    """Start trials before the epochs given, and train until all ended."""
    for epoch in range(1000):
        for name, setting in starts.get(epoch, []):
            cohort.start(name, setting)
        if not cohort.trials:
            break
        yield from cohort.advance()
    check_captured(cohort._lanes.lanes)


def trained(cohort: Cohort, starts: Starts) -> dict[str, Report]:
    """Return the last report of each trial."""
    return {str(report.trial): report for report in reports(cohort, starts)}


def check_captured(lanes: Lanes) -> None:
    """Raise where lanes that should be replayed went on without graphs: the log says why."""
    if not all(lanes._graphs.values()):
        raise AssertionError("training.cuda_graph: an epoch or its validation was not captured")


def largest_difference(a: Report, b: Report) -> float:
    """Compare all that two trials came to."""
    assert a.result is not None and b.result is not None
    pairs = ((getattr(a.result, f.name), getattr(b.result, f.name)) for f in fields(a.result))
    return float(max(np.abs(x - y).max() for x, y in pairs))


def fused_is_serial(device: torch.device, cuda_graph: bool = False) -> Iterator[dict[str, float]]:
    """Compare 6 trials at once with one lane at a time, without vmap, in float64."""
    data, found = problem(device, torch.float64), {}
    for name, optimizer in (
        ("sgd", SGD(has_momentum=False)),
        ("nesterov, elastic", SGD(nesterov=True, l1=True)),
        ("adam, l1", Adam(l1=True)),
        ("adamw", Adam(decoupled=True)),
    ):
        recipe = Recipe(optimizer, epochs=4, batch_size=BATCH, cuda_graph=cuda_graph)
        ratio = 1.0 if name == "adam, l1" else 0.5 if "elastic" in name else 0.0
        settings = [setting_of(10.0**-k, 1e-2, ratio, 0.9) for k in range(2, 8)]
        fused = trained(
            Cohort(data, net(32), recipe, 6 * REPLICATES),
            {k % 2: [(str(i), s) for i, s in enumerate(settings) if i % 2 == k] for k in (0, 1)},
        )
        serial_recipe = replace(recipe, fused=False, cuda_graph=False)
        for i in (0, 5):
            alone = trained(Cohort(data, net(32), serial_recipe, 1), {0: [("a", settings[i])]})
            found[f"{name}, alpha {settings[i]['strength']:g}"] = largest_difference(
                fused[str(i)], alone["a"]
            )
        yield found
    _check(found, ROUNDING)


def slots_are_bitwise_equal(
    device: torch.device, cuda_graph: bool = False
) -> Iterator[dict[str, float]]:
    """Move a trial to other slots, beside other neighbours, some of them diverging: float32.

    Rows of 129 losses and of 287 slopes, 5 of each a slot, begin at every place of a vector of 4.
    So do the matrices of 7 units; 3 slots are fewer than places, and are evaluated one by one.
    """
    found = {}
    for valid, rows, batch, n, hidden, slots in (
        (VALID, ROWS, BATCH, REPLICATES, 32, 13), (128, ROWS, BATCH, REPLICATES, 32, 13),
        (129, 287, None, 5, 32, 13), (129, 287, None, 5, 7, 3),
    ):  # fmt: skip
        data = problem(device, torch.float32, valid, rows, n)
        recipe = Recipe(SGD(), epochs=6, batch_size=batch, cuda_graph=cuda_graph)
        first = trained(Cohort(data, net(hidden), recipe, slots * n), {0: [("probe", PROBE)]})
        for where in (each for each in (1, 2, 3, 6, 12) if each < slots):
            before = [(f"n{i}", WILD if i % 2 else CALM) for i in range(where)]
            cohort = Cohort(data, net(hidden), recipe, slots * n)
            late = {3: [("late", CALM)]} if where > 1 else {}  # in the slot of one that diverged
            moved = trained(cohort, {0: [*before, ("probe", PROBE)], **late})
            found[f"{valid} rows to validate on, slot {where} of {slots}"] = largest_difference(
                first["probe"], moved["probe"]
            )
        yield found
    _check(found, 0.0)


def replay_is_eager(device: torch.device) -> Iterator[dict[str, float]]:
    """Compare training with graphs with training without: 20 epochs, with refill, in float32.

    Trials start one after another in slots that others have left, some of them diverging.
    """
    data, found = problem(device, torch.float32), {}
    wild = setting_of(math.nan, 1e-2)  # NaN after one step
    starts: Starts = {
        0: [
            ("a", setting_of(1e-3, 2e-2, 0.5, 0.9)),
            ("b", wild),
            ("c", setting_of(1e-2, 1e-2, 0.5)),
        ],
        3: [("in b's slot", setting_of(1e-4, 3e-2, 1.0, 0.5))],
        9: [("d", wild), ("e", setting_of(1e-1, 1e-3, 0.1, 0.9))],
        21: [("in a's slot", setting_of(1e-2, 2e-2, 0.5, 0.5))],
    }
    nets: dict[str, Factory] = {"mlp": net(32), "batch norm, dropout": own_net}
    optimizers: dict[str, Optimizer] = {
        "adam": Adam(l1=True),
        "nesterov": SGD(nesterov=True, l1=True),
    }
    batches = (BATCH, 70, None)  # of 300 rows: equal ones, a smaller last one, all rows
    for (name, factory), (of, optimizer), batch in product(
        nets.items(), optimizers.items(), batches
    ):
        recipe = Recipe(optimizer, 20, batch, "cosine")
        eager, replayed = (
            list(reports(Cohort(data, factory, each, 5 * REPLICATES), starts))
            for each in (recipe, replace(recipe, cuda_graph=True))
        )
        found[f"{name}, {of}, batch {batch}"] = _gap(eager, replayed)
        yield found
    _check(found, 0.0)


def _gap(one: Sequence[Report], other: Sequence[Report]) -> float:
    """Compare reports in their order: losses of every epoch, and all that trials came to."""
    gap = 0.0
    for a, b in zip(one, other, strict=True):
        assert (a.trial, a.epoch, a.diverged) == (b.trial, b.epoch, b.diverged)
        if a.loss is not None and b.loss is not None:
            gap = max(gap, abs(a.loss - b.loss))
        if a.result is not None:
            gap = max(gap, largest_difference(a, b))
    return gap


def own_net() -> nn.Module:
    return nn.Sequential(
        nn.Linear(FEATURES, 32), nn.BatchNorm1d(32), nn.Tanh(), nn.Dropout(0.5),
        nn.Linear(32, CLASSES),
    )  # fmt: skip


def _check(found: Mapping[str, float], limit: float) -> None:
    """Raise where a difference is above the limit, or none."""
    above = {name: value for name, value in found.items() if not value <= limit}
    if above:
        name = max(above, key=lambda name: above[name])
        raise AssertionError(
            f"{len(above)} of {len(found)} must differ by {limit:g} at most, {name} does by"
            f" {above[name]:.3g}"
        )


def no_step_waits(device: torch.device) -> Iterator[str]:
    """Make a step, train and validate an epoch, with every wait for the device made an error."""
    lanes = made(device, 16 * REPLICATES, 32)
    rows = a_batch(lanes)
    lanes.train_epoch()
    lanes.validate(range(REPLICATES))
    if device.type != "cuda":
        yield "not checked: no CUDA"
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        lanes._step(rows, lanes.problem.rows(rows))
        lanes.train_epoch()
        lanes.validate(range(REPLICATES))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    yield "none"
