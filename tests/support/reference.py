"""The truth that fused training is compared with: one network, one plain torch.optim loop.

Nothing here comes from `optimizers`, `penalty` or `lanes` of `sweep.training`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from sweep.data.problem import Problem
from sweep.spec.schedule import Kind, ScheduleSpec, schedule_of
from sweep.spec.seeds import derive
from sweep.training.modules import CounterDropout, Factory, build, dropout_key
from sweep.training.weights import weight_names

Name = Literal["sgd", "adam", "adamw"]


class Penalty(NamedTuple):
    """Strength·(ratio·‖W‖₁ + (1 − ratio)·‖W‖₂²), or for adamw its weight_decay."""

    strength: float
    ratio: float


@dataclass(frozen=True)
class Loop:
    """How a network is trained, in the words of torch.optim."""

    optimizer: Name
    lr: float
    penalty: Penalty
    epochs: int
    batch_size: int | None = None
    schedule: Kind | ScheduleSpec = "constant"
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    seed: int = 0
    exempt: Sequence[str] = ()
    include: Sequence[str] = ()
    clip_norm: float | None = None


@dataclass
class Trained:
    """What came out: final tensors by name, mean validation loss by epoch."""

    weights: dict[str, Tensor] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)


def train(problem: Problem, factory: Factory, loop: Loop, replicate: int) -> Trained:
    """Train one replicate of one trial."""
    fold, seed_index = problem.replicates[replicate]
    module = build(factory, derive(loop.seed, "weights", fold, seed_index)).to(problem.X.dtype)
    named = {n: p for n, p in module.named_parameters() if p.requires_grad}
    chosen = set(weight_names(module, loop.exempt, loop.include))
    weights = [p for n, p in named.items() if n in chosen]
    others = [p for n, p in named.items() if n not in chosen]
    optimizer = _optimizer(loop, weights, others)
    n_rows = problem.train.shape[1]
    scheduler, by_step = scheduler_of(
        schedule_of(loop.schedule),
        optimizer,
        loop.epochs,
        -(-n_rows // (loop.batch_size or n_rows)),
    )
    proximal = _Proximal(loop, optimizer)
    dropout_seed = derive(loop.seed, "dropout", fold, seed_index)
    trained, step = Trained(), 0
    for epoch in range(loop.epochs):
        rows = problem.train[replicate]
        if loop.batch_size:
            generator = torch.Generator().manual_seed(
                derive(loop.seed, "order", fold, seed_index, epoch)
            )
            rows = rows[torch.randperm(len(rows), generator=generator)]
        module.train()
        for batch in rows.split(loop.batch_size or len(rows)):
            _set_dropout_keys(module, dropout_seed, step)
            optimizer.zero_grad()
            _loss(problem, module(problem.X[batch]), problem.y[batch]).backward()
            if loop.clip_norm:
                nn.utils.clip_grad_norm_(named.values(), loop.clip_norm)
            optimizer.step()
            proximal.step(weights)
            step += 1
            if by_step and step < loop.epochs * -(-n_rows // (loop.batch_size or n_rows)):
                scheduler.step()
        if not by_step:
            scheduler.step()
        trained.losses.append(_validate(problem, module, replicate))
    trained.weights = {name: p.detach().clone() for name, p in named.items()}
    return trained


def scheduler_of(
    schedule: ScheduleSpec, optimizer: torch.optim.Optimizer, epochs: int, steps: int
) -> tuple[lr_scheduler.LRScheduler, bool]:
    """Make torch's scheduler, and say whether it steps after every step or every epoch."""
    total = epochs * steps
    share = schedule.warmup or 0.0
    warmup = int(share if share >= 1 else share * total + 0.5)
    if schedule.type == "one_cycle":
        (lr,) = {group["lr"] for group in optimizer.param_groups}
        pct = 0.3 if schedule.warmup is None else warmup / total
        return lr_scheduler.OneCycleLR(
            optimizer, lr, total_steps=total, pct_start=pct, cycle_momentum=False
        ), True
    if not warmup:
        return _falling(schedule, optimizer, epochs, 1), False
    climb = lr_scheduler.LinearLR(optimizer, 1 / (warmup + 1), total_iters=warmup)
    rest = _falling(schedule, optimizer, total - warmup, steps, epochs)
    return lr_scheduler.SequentialLR(optimizer, [climb, rest], [warmup]), True


def _falling(
    schedule: ScheduleSpec, optimizer: torch.optim.Optimizer, n: int, steps: int,
    epochs: int | None = None,
) -> lr_scheduler.LRScheduler:  # fmt: skip
    """Make the schedule over n places, of which so many are an epoch."""
    if schedule.type == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=n)
    if schedule.type == "linear":
        return lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=n)
    if schedule.type == "step":
        every = schedule.every or math.ceil((epochs or n) / 3)
        return lr_scheduler.StepLR(optimizer, every * steps, schedule.factor or 0.1)
    return lr_scheduler.ConstantLR(optimizer, 1.0, total_iters=0)


def _optimizer(
    loop: Loop, weights: list[nn.Parameter], others: list[nn.Parameter]
) -> torch.optim.Optimizer:
    decay = loop.penalty.strength
    if loop.optimizer != "adamw":
        decay *= 2 * (1 - loop.penalty.ratio)
    groups = [
        {"params": weights, "weight_decay": decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if loop.optimizer == "sgd":
        return torch.optim.SGD(
            groups,
            lr=loop.lr,
            momentum=loop.momentum,
            dampening=loop.dampening,
            nesterov=loop.nesterov and loop.momentum > 0,
        )
    kind = torch.optim.Adam if loop.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=loop.lr, betas=loop.betas, eps=loop.eps)


class _Proximal:
    """The l1 part, after each step of the optimiser, at the step size that it used."""

    def __init__(self, loop: Loop, optimizer: torch.optim.Optimizer):
        self.loop, self.optimizer = loop, optimizer
        self.sum = 0.0  # momentum's recursion, fed a constant 1

    def step(self, weights: list[nn.Parameter]) -> None:
        loop = self.loop
        alpha = loop.penalty.strength * loop.penalty.ratio
        if loop.optimizer == "adamw" or alpha == 0:
            return
        lr = self.optimizer.param_groups[0]["lr"]
        for weight in weights:
            step_size = lr * self._gain() if loop.optimizer == "sgd" else self._adam(weight, lr)
            with torch.no_grad():
                w = weight.detach().clone()
                shrunk = w.abs() - alpha * step_size
                weight.copy_(torch.where(shrunk > 0, w.sign() * shrunk, 0.0))
        self._advance()

    def _gain(self) -> float:
        total = self._next()
        return 1 + self.loop.momentum * total if self.loop.nesterov else total

    def _next(self) -> float:
        loop = self.loop
        if self.sum == 0 or loop.momentum == 0:
            return 1.0
        return loop.momentum * self.sum + 1 - loop.dampening

    def _advance(self) -> None:
        self.sum = self._next()

    def _adam(self, weight: nn.Parameter, lr: float) -> Tensor:
        state = self.optimizer.state[weight]
        corrected = state["exp_avg_sq"] / (1 - self.loop.betas[1] ** float(state["step"]))
        step_size: Tensor = lr / (corrected.sqrt() + self.loop.eps)
        return step_size


def _set_dropout_keys(module: nn.Module, seed: int, step: int) -> None:
    dropouts = [m for m in module.modules() if isinstance(m, CounterDropout)]
    for layer, dropout in enumerate(dropouts):
        dropout.key = dropout_key(torch.tensor(seed), torch.tensor(step), layer)


def _loss(problem: Problem, out: Tensor, y: Tensor) -> Tensor:
    if problem.task == "regression":
        return F.mse_loss(out.squeeze(1), y)
    return F.cross_entropy(out, y)


def _validate(problem: Problem, module: nn.Module, replicate: int) -> float:
    rows = problem.val[replicate, : int(problem.val_size[replicate])]
    module.eval()
    with torch.no_grad():
        return float(_loss(problem, module(problem.X[rows]), problem.y_clean[rows]))
