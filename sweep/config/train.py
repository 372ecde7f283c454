"""Train every seed with every setting side by side, and measure each on the test rows.

| symbol | meaning | shape |
|---|---|---|
| L | lanes: settings × seeds trained at once | |
| S | seeds: the replicates of the problem | |
| T, C | test rows, outputs | |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
from torch import Tensor

from sweep.config.fitted import Row
from sweep.errors import SweepError
from sweep.plan.plan import Plan
from sweep.runtime import is_out_of_memory
from sweep.spec.resolved import Setting
from sweep.spec.tasks import TASKS
from sweep.training.lanes import Lanes
from sweep.training.layout import Tensors
from sweep.training.loss import weighted
from sweep.training.losses import loss_of
from sweep.training.messages import Array, Measures
from sweep.training.metrics import Scorer
from sweep.training.scores import Explained, Hits, score_of
from sweep.training.transfer import on_host

N_BINS = 15  # of the calibration error


@dataclass
class Trained:
    """What was read from each lane, by (strength index, seed index)."""

    values: dict[tuple[int, int], dict[str, float]]
    best: int = 0  # of the first strength's seeds, the one with the lowest training loss
    tensors: Tensors | None = None  # of its network
    # The same before the mean over test rows is taken: (T,) by metric.
    rows: dict[tuple[int, int], dict[str, Array]] = field(default_factory=dict)

    def row(self, index: int, params: dict[str, float]) -> Row:
        """Gather the seeds of a strength that did not diverge."""
        lanes = {seed: v for (i, seed), v in self.values.items() if i == index and _is_finite(v)}
        names = next(iter(lanes.values()), {})
        values = {name: tuple(lane[name] for lane in lanes.values()) for name in names}
        # R² is not defined where the test rows have one and the same target.
        defined = {name: v for name, v in values.items() if np.isfinite(v).all()}
        rows = {
            name: np.stack([self.rows[index, seed][name] for seed in lanes])
            for name in defined
            if all(name in self.rows[index, seed] for seed in lanes)
        }
        return Row(params, tuple(lanes), defined, rows)

    def add(
        self, lanes: Lanes, key: tuple[int, int], lane: int,
        measured: Mapping[str, Array], rows: Mapping[str, Array],
    ) -> None:  # fmt: skip
        """Take over what a lane came to; keep its network where it is the best so far."""
        values = {name: float(entries[lane]) for name, entries in measured.items()}
        self.values[key] = values
        self.rows[key] = {name: of_lanes[lane] for name, of_lanes in rows.items()}
        if key[0] or not _is_finite(values):
            return
        if self.tensors is None or values["train_loss"] < self.values[0, self.best]["train_loss"]:
            self.best, self.tensors = key[1], lanes.tensors(lane)


def train_seeds(
    plan: Plan, settings: Sequence[Setting], on_progress: Callable[[int, int], None]
) -> Trained:
    """Train every seed with every setting, side by side as far as width and memory allow.

    Args:
        plan: its problem has a replicate for every seed, the test rows as validation rows.
        settings: the first is the one whose best network is kept.
        on_progress: called after every epoch with the epochs done and all there are.

    Raises:
        SweepError: there is no memory for a single lane.
    """
    width = len(settings) * len(plan.problem.replicates)
    if plan.spec.training.width != "auto":
        width = min(width, plan.spec.training.width)
    width = width if plan.recipe.fused else 1
    while width:
        try:
            return _train_width(plan, settings, width, on_progress)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        width //= 2
    raise SweepError(
        "device: must hold one lane, got out of memory with a single one."
        " Use --device cpu, or a smaller model or batch_size"
    )


def calibration_error(out: Tensor, y: Tensor) -> Array:
    """Return the expected calibration error of outputs (L, T, C) for classes (L, T): (L,), 0..1.

    Σ_b |B_b|/T · |accuracy(B_b) − confidence(B_b)|, B_b the rows whose largest softmax
    probability lies in the b-th of 15 equally wide bins (Guo, Pleiss, Sun & Weinberger 2017, On
    Calibration of Modern Neural Networks, §2).
    """
    confidence, guess = out.double().softmax(-1).max(-1)
    gap = (guess == y).double() - confidence
    bins = (confidence * N_BINS).ceil().clamp(1, N_BINS)
    sums = [torch.where(bins == b, gap, 0).sum(1).abs() for b in range(1, N_BINS + 1)]
    return on_host(torch.stack(sums).sum(0) / y.shape[1])


def _train_width(
    plan: Plan, settings: Sequence[Setting], width: int, on_progress: Callable[[int, int], None]
) -> Trained:
    n_seeds, slots = len(plan.problem.replicates), min(len(settings), width)
    places = min(n_seeds, width // slots)
    lanes = Lanes(plan.problem, plan.factory, plan.recipe, slots, places)
    rounds = [
        (range(n_seeds)[seed : seed + places], range(len(settings))[first : first + slots])
        for seed in range(0, n_seeds, places)
        for first in range(0, len(settings), slots)
    ]
    trained, epochs = Trained({}), plan.recipe.epochs
    for number, (seeds, indexes) in enumerate(rounds):
        lanes.reset(range(len(indexes)), seeds, [settings[index] for index in indexes])
        for epoch in range(epochs):
            lanes.train_epoch()
            on_progress(number * epochs + epoch + 1, len(rounds) * epochs)
        out = lanes.predict(seeds)
        measured, rows = _measure(lanes, seeds, out), _measure_rows(lanes, seeds, out)
        for slot, place in product(range(len(indexes)), range(len(seeds))):
            lane = slot * places + place
            trained.add(lanes, (indexes[slot], seeds[place]), lane, measured, rows)
    return trained


def _measure(lanes: Lanes, seeds: range, out: Tensor) -> dict[str, Array]:
    """Measure every lane, (L,) each; outputs (L, T, C) are of the test rows."""
    measures = Measures.joined([*lanes.measure(seeds, range(lanes.shape[0])).values()])
    problem = lanes.problem
    task = TASKS[problem.task]
    found = {"loss": measures.val_loss, task.score.name: measures.val_score}
    metric = lanes.recipe.metric
    if isinstance(metric, Scorer) and metric.name not in found:
        found[metric.name] = measures.metric
    score = score_of(problem)
    single = problem.task == "regression" and problem.y.ndim == 1
    if single and isinstance(score, Explained) and score.is_loss_of(problem):
        scale = on_host(problem.y_scale[_seeds_of(lanes, seeds)])
        found["rmse"] = np.sqrt(measures.val_loss) * scale
    if task.has_classes and not problem.own_loss:
        y = problem.y_clean[problem.val[seeds[0]]]  # the same test rows for all
        logits = out if out.shape[-1] > 1 else torch.cat([torch.zeros_like(out), out], -1)
        found["calibration_error"] = calibration_error(logits, y.expand(out.shape[:2]))
    return found | {
        "train_loss": measures.train_loss, "norm": measures.norm, "sparsity": measures.sparsity
    }  # fmt: skip


def _seeds_of(lanes: Lanes, seeds: range) -> Tensor:
    """Return the seed in each lane, (L,); idle places repeat the last."""
    slots, places = lanes.shape
    at = torch.arange(places, device=lanes.problem.val.device) + seeds.start
    return at.clamp(max=seeds.stop - 1).repeat(slots)


def _measure_rows(lanes: Lanes, seeds: range, out: Tensor) -> dict[str, Array]:
    """Return test loss and score before the mean over test rows, (L, T) each."""
    problem, (slots, places) = lanes.problem, lanes.shape
    at = torch.arange(places, device=problem.val.device) + seeds.start
    rows = problem.val[at.clamp(max=seeds.stop - 1)]  # idle places hold no seed
    y, w = problem.y_clean[rows], problem.weight_clean
    of_lanes = y.repeat(slots, *[1] * (y.ndim - 1))
    losses = weighted(
        loss_of(problem).rows(out, of_lanes), None if w is None else w[rows].repeat(slots, 1)
    )
    score, name = score_of(problem), TASKS[problem.task].score.name
    if score is None:
        return {"loss": on_host(losses)}
    if isinstance(score, Hits):
        scores = score.rows(out.mT, of_lanes)
    elif y.ndim == 2 and score.is_loss_of(problem):
        level = torch.stack([score.level(targets) for targets in y]).repeat(slots)
        scores = 1 - losses / level[:, None]
    else:
        level = torch.stack([score.level(targets).reshape(-1) for targets in y])
        parts = score.parts(out, of_lanes) / level.repeat(slots, 1)[:, None]
        scores = (1 - parts).nanmean(-1)
    return {"loss": on_host(losses), name: on_host(scores)}


def _is_finite(values: dict[str, float]) -> bool:
    return math.isfinite(values["loss"]) and math.isfinite(values["train_loss"])
