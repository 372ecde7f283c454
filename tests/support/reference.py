"""The truth that fused training is compared with: one network, one plain torch.optim loop.

Nothing here comes from `optimizers`, `penalty` or `lanes` of `sweep.training`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import torch
from scipy.stats import beta
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from sweep.data.problem import Problem
from sweep.spec.augment import AugmentSpec
from sweep.spec.schedule import Kind, ScheduleSpec, schedule_of
from sweep.spec.seeds import derive
from sweep.training.counters import draw_key
from sweep.training.modules import Factory, build
from sweep.training.swaps import keys_of
from sweep.training.weights import weight_names
from tests.support.plain_losses import rows_of

Name = Literal[
    "sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam", "radam", "lion", "muon"
]  # fmt: skip
DECOUPLED = ("adamw", "lion", "muon")


class Penalty(NamedTuple):
    """Strength·(ratio·‖W‖₁ + (1 − ratio)·‖W‖₂²), or the optimiser's own weight_decay."""

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
    augment: Sequence[AugmentSpec] = ()
    row_shape: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)  # of rmsprop, adagrad and the later


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
    # The matrices before the last one; the networks of tests have no embeddings.
    hidden = [p for n, p in named.items() if p.ndim == 2 and not n.endswith("bias")][:-1]
    optimizer = _optimizer(loop, weights, others, hidden)
    n_rows = problem.train.shape[1]
    scheduler, by_step = scheduler_of(
        schedule_of(loop.schedule),
        optimizer,
        loop.epochs,
        -(-n_rows // (loop.batch_size or n_rows)),
    )
    proximal = _Proximal(loop, optimizer)
    augment_seed = derive(loop.seed, "augment", fold, seed_index)
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
            x, one, other, share = problem.X[batch], problem.y[batch], problem.y[batch], 1.0
            if loop.augment:
                key = draw_key(torch.tensor(augment_seed), torch.tensor(step), 0)
                x, one, other, share = augmented(x, one, loop.augment, loop.row_shape, key)
            out = module(x)
            losses = share * rows_of(problem, out, one)
            losses = losses + (1 - share) * rows_of(problem, out, other)
            _mean(losses, problem.weight, batch).backward()
            if loop.clip_norm:
                nn.utils.clip_grad_norm_(named.values(), loop.clip_norm)
            with default_dtype(problem.X.dtype):  # NAdam has a product in it
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
        pct = 0.3 if schedule.warmup is None else share if share < 1 else share / total
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
    loop: Loop,
    weights: list[nn.Parameter],
    others: list[nn.Parameter],
    hidden: Sequence[nn.Parameter],
) -> torch.optim.Optimizer:
    decay = loop.penalty.strength
    if loop.optimizer not in DECOUPLED:
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
    options = dict(loop.options)
    if loop.optimizer in ("adam", "adamw", "nadam", "radam"):
        options |= {"betas": loop.betas, "eps": loop.eps}
    if loop.optimizer == "rmsprop":
        options |= {"momentum": loop.momentum}
    if loop.optimizer == "muon":
        options |= {"momentum": loop.momentum, "betas": loop.betas, "eps": loop.eps}
        return MuonAndAdamW(groups, hidden, lr=loop.lr, **options)
    made: torch.optim.Optimizer = _KINDS[loop.optimizer](groups, lr=loop.lr, **options)
    return made


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, Symbolic Discovery of Optimization Algorithms, program 1."""

    def __init__(self, groups: Any, lr: float, betas: tuple[float, float]):
        super().__init__(groups, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            (beta1, beta2), lr = group["betas"], group["lr"]
            for theta in group["params"]:
                g, m = theta.grad, self.state[theta].get("m", torch.zeros_like(theta))
                update = torch.sign(beta1 * m + (1 - beta1) * g) + group["weight_decay"] * theta
                self.state[theta]["m"] = beta2 * m + (1 - beta2) * g
                theta.copy_(theta - lr * update)


class MuonAndAdamW(torch.optim.Optimizer):
    """torch.optim.Muon for hidden matrices, without its rounding to bfloat16, AdamW for the rest.

    It is one optimiser, so that a scheduler moves one lr.
    """

    def __init__(self, groups: Any, hidden: Sequence[nn.Parameter], lr: float, **options: Any):
        super().__init__(groups, {"lr": lr})
        ids, decays = set(map(id, hidden)), {id(p): g["weight_decay"] for g in groups
                                             for p in g["params"]}  # fmt: skip
        adamw = {key: options.pop(key) for key in ("betas", "eps")}
        self.parts: list[Any] = [
            torch.optim.Muon([p], lr, decays[id(p)], **options)
            if id(p) in ids
            else torch.optim.AdamW([p], lr, weight_decay=decays[id(p)], **adamw)
            for g in groups
            for p in g["params"]
        ]

    def step(self) -> None:  # type: ignore[override]
        with unrounded():
            for part in self.parts:
                part.param_groups[0]["lr"] = self.param_groups[0]["lr"]
                part.step()


@contextmanager
def unrounded() -> Iterator[None]:
    """Let torch.optim.Muon keep the precision of its matrices."""
    rounds = torch.Tensor.bfloat16
    torch.Tensor.bfloat16 = torch.Tensor.clone  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.Tensor.bfloat16 = rounds  # type: ignore[method-assign]


_KINDS: dict[str, Any] = {
    "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad, "nadam": torch.optim.NAdam, "radam": torch.optim.RAdam,
    "lion": Lion,
}  # fmt: skip


class _Proximal:
    """The l1 part, after each step of the optimiser, at the step size that it used."""

    def __init__(self, loop: Loop, optimizer: torch.optim.Optimizer):
        self.loop, self.optimizer = loop, optimizer
        self.sum = 0.0  # momentum's recursion, fed a constant 1
        self.gains: dict[nn.Parameter, Any] = {}  # the same entry by entry
        self.steps = 0

    def step(self, weights: list[nn.Parameter]) -> None:
        loop = self.loop
        self.steps += 1
        alpha = loop.penalty.strength * loop.penalty.ratio
        if loop.optimizer in DECOUPLED or alpha == 0:
            return
        lr = self.optimizer.param_groups[0]["lr"]
        for weight in weights:
            step_size = (
                lr * self._gain() if loop.optimizer == "sgd" else lr * self._by_entry(weight)
            )
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

    def _by_entry(self, weight: nn.Parameter) -> Any:
        """Return the reach of a unit gradient that was always there, entry by entry, over lr."""
        loop, state, t = self.loop, self.optimizer.state[weight], self.steps
        (beta1, beta2), options = loop.betas, loop.options
        if loop.optimizer == "adam":
            return 1 / ((state["exp_avg_sq"] / (1 - beta2**t)).sqrt() + loop.eps)
        if loop.optimizer == "adagrad":
            slower = 1 + (t - 1) * options.get("lr_decay", 0.0)
            return 1 / slower / (state["sum"].sqrt() + options.get("eps", 1e-10))
        if loop.optimizer == "rmsprop":
            once = 1 / (state["square_avg"].sqrt() + options.get("eps", 1e-8))
            self.gains[weight] = loop.momentum * self.gains.get(weight, 0.0) + once
            return self.gains[weight]
        if loop.optimizer == "radam":
            infinite = 2 / (1 - beta2) - 1
            rho = infinite - 2 * t * beta2**t / (1 - beta2**t)
            if rho <= 5:
                return 1.0
            r = (rho - 4) * (rho - 2) * infinite / ((infinite - 4) * (infinite - 2) * rho)
            return math.sqrt(r * (1 - beta2**t)) / (state["exp_avg_sq"].sqrt() + loop.eps)
        assert loop.optimizer == "nadam"
        mus = [beta1 * (1 - 0.96 ** (k * options.get("momentum_decay", 4e-3)) / 2)
               for k in range(1, t + 2)]  # fmt: skip
        reach = (1 - mus[-2]) / (1 - math.prod(mus[:-1]))
        reach += mus[-1] * (1 - beta1**t) / (1 - math.prod(mus))
        return reach / ((state["exp_avg_sq"] / (1 - beta2**t)).sqrt() + loop.eps)


def _set_dropout_keys(module: nn.Module, seed: int, step: int) -> None:
    for name, layer in keys_of(module):
        key = draw_key(torch.tensor(seed), torch.tensor(step), layer)
        module.get_buffer(name).copy_(key)


def _mean(losses: Tensor, weight: Tensor | None, rows: Tensor) -> Tensor:
    """Weigh the losses of rows; the mean is over their number."""
    return losses.mean() if weight is None else (losses * weight[rows]).sum() / len(rows)


def _validate(problem: Problem, module: nn.Module, replicate: int) -> float:
    rows = problem.val[replicate, : int(problem.val_size[replicate])]
    module.eval()
    with torch.no_grad():
        out = module(problem.X[rows])
        losses = rows_of(problem, out, problem.y_clean[rows], training=False)
        return float(_mean(losses, problem.weight_clean, rows))


# --- rows that change


def augmented(
    x: Tensor, y: Tensor, changes: Sequence[AugmentSpec], shape: tuple[int, ...], key: Tensor
) -> tuple[Tensor, Tensor, Tensor, float]:
    """Change rows one by one: return them, both targets, and the share of the first."""
    other, share = y, 1.0
    for place, change in enumerate(changes):
        of_change = draw_key(key, torch.tensor(0), place)

        def bits(n: int, key: Tensor = of_change) -> list[int]:
            found: list[int] = draw_key(key, torch.arange(n), 0).tolist()
            return found

        if change.type == "flip":
            drawn = bits(len(x))
            x = torch.stack([
                row.view(shape).flip(-1).view(row.shape) if drawn[b] % 2 else row
                for b, row in enumerate(x)
            ])  # fmt: skip
        elif change.type == "crop":
            pad, drawn = change.pad or 1, bits(2 * len(x))
            x = torch.stack([
                _cropped(row.view(shape), pad, drawn[2 * b], drawn[2 * b + 1]).reshape(row.shape)
                for b, row in enumerate(x)
            ])  # fmt: skip
        elif change.type == "noise":
            z = [NormalDist().inv_cdf(((b >> 16) + 0.5) / 65536) for b in bits(x.numel())]
            x = x + (change.std or 0.1) * torch.tensor(z, dtype=x.dtype).view(x.shape)
        else:
            of_share, of_place = bits(2)
            alpha = change.alpha or 0.2
            share = float(beta.ppf(((of_share >> 16) + 0.5) / 65536, alpha, alpha))
            at = [(b + of_place) % len(x) for b in range(len(x))]
            x, other = share * x + (1 - share) * x[at], y[at]
    return x, y, other, share


def _cropped(image: Tensor, pad: int, down: int, right: int) -> Tensor:
    height, width = image.shape[-2:]
    padded = F.pad(image, (pad,) * 4)
    top, left = down % (2 * pad + 1), right % (2 * pad + 1)
    return padded[..., top : top + height, left : left + width]
