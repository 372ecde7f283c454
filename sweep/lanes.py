"""The tensors of all lanes: one training step, one evaluation, for all at once.

| symbol | meaning | shape |
|---|---|---|
| L | lanes, L = S·G; lane s·G + g is place g of slot s | |
| R, E | replicates of a trial, epochs | |
| n, m | rows a replicate trains on, validates on | |
| B | rows of a batch | |
| P | entries of one network's parameters | |
| params, grad | one row a lane, penalised entries first | (L, P) |

Shapes and addresses stay the same for life. Epoch, step count, optimiser state, order of the
rows and schedule position belong to the lane. Nothing waits for the device but `on_host`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sweep.data import Problem
from sweep.models import (
    CounterDropout,
    Factory,
    Layout,
    Stacked,
    Tensors,
    build,
    dropout_key,
    stack_buffers,
)
from sweep.optim import Columns, Optimizer
from sweep.penalty import norm, sparsity
from sweep.seeds import derive

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
EVALUATION_ENTRIES = 1 << 22  # entries of one layer's output at once: 16 MiB in float32


@dataclass(frozen=True)
class Recipe:
    """How every lane is trained; what differs between lanes is a `Setting`."""

    optimizer: Optimizer
    epochs: int
    batch_size: int | None = None  # None: all rows
    schedule: Literal["constant", "cosine"] = "constant"
    seed: int = 0
    exempt: tuple[str, ...] = ()
    fused: bool = True
    compile: bool = False


class Setting(NamedTuple):
    """What a trial may choose for its lanes, in the order of `Columns`."""

    strength: float
    lr: float
    l1_ratio: float = 0.0
    momentum: float = 0.0


@dataclass(frozen=True)
class Measures:
    """What lanes have come to, one entry a lane."""

    val_loss: Array
    val_score: Array  # accuracy, or R² for regression
    train_loss: Array  # on the labels that training reads
    train_loss_clean: Array  # on the true labels
    norm: Array
    sparsity: Array


class Lanes:
    """L networks trained side by side; `places` of them, G, make a slot."""

    def __init__(
        self, problem: Problem, factory: Factory, recipe: Recipe, slots: int, places: int
    ):
        self.problem, self.recipe, self.shape = problem, recipe, (slots, places)
        replicates = range(len(problem.replicates))
        modules = [build(factory, self._seed("weights", r)) for r in replicates]
        self.layout = Layout.of(modules[0], recipe.exempt)
        self._stacked = Stacked(modules[0], fused=recipe.fused)
        self._dropouts = [
            f"{name}.key" if name else "key"
            for name, module in modules[0].named_modules()
            if isinstance(module, CounterDropout)
        ]
        self._device, self._dtype = problem.X.device, problem.X.dtype
        self._initial = torch.stack([self.layout.row(module) for module in modules]).to(problem.X)
        self._initial_buffers = {
            name: t.to(self._device, self._dtype if t.is_floating_point() else t.dtype)
            for name, t in stack_buffers(modules).items()
        }
        self._keys = torch.tensor([self._seed("dropout", r) for r in replicates]).to(self._device)
        self._orders = self._draw_orders().to(self._device) if recipe.batch_size else None
        self._losses = torch.compile(self._lane_losses) if recipe.compile else self._lane_losses
        self._allocate(slots * places)

    def _allocate(self, lanes: int) -> None:
        self._params = self._initial[:1].repeat(lanes, 1)
        self._grad = torch.zeros_like(self._params)
        self._state = self.recipe.optimizer.init(self._params)
        self._buffers = {
            n: t[:1].repeat(lanes, *[1] * (t.ndim - 1)) for n, t in self._initial_buffers.items()
        }
        # A learning rate is divided by: idle lanes have one too.
        self._columns = Columns(*(torch.ones_like(self._params[:, :1]) for _ in Columns._fields))
        self._lr = torch.ones_like(self._columns.lr)  # before the schedule
        self._t = torch.zeros(lanes, 1, device=self._device, dtype=torch.float64)
        self._epoch = torch.zeros(lanes, device=self._device, dtype=torch.int64)
        self._replicate = torch.zeros_like(self._epoch)
        self._ones = torch.ones_like(self._params[:, 0])

    def _seed(self, stream: str, replicate: int, *key: int) -> int:
        return derive(self.recipe.seed, stream, *self.problem.replicates[replicate], *key)

    def _draw_orders(self) -> Tensor:
        """Draw the rows of every epoch of every replicate, (R, E, n)."""
        train, generator = self.problem.train.cpu(), torch.Generator()
        orders = torch.empty(len(train), self.recipe.epochs, train.shape[1], dtype=torch.int64)
        for r, rows in enumerate(train):
            for epoch in range(self.recipe.epochs):
                generator.manual_seed(self._seed("order", r, epoch))
                orders[r, epoch] = rows[torch.randperm(len(rows), generator=generator)]
        return orders

    @torch.no_grad()
    def reset(self, lanes: slice, replicates: range, setting: Setting) -> None:
        """Begin training `replicates` in `lanes` with their initial weights."""
        chosen = slice(replicates.start, replicates.stop)
        self._params[lanes] = self._initial[chosen]
        for name, buffer in self._buffers.items():
            buffer[lanes] = self._initial_buffers[name][chosen]
        self._replicate[lanes] = torch.arange(chosen.start, chosen.stop, device=self._device)
        for tensor in (*self._state, self._t, self._epoch):
            tensor[lanes] = 0
        for column, value in zip(self._columns, setting, strict=True):
            column[lanes] = value
        self._lr[lanes] = setting.lr

    def train_epoch(self) -> None:
        """Train every lane through the next epoch of its own."""
        epoch = self._epoch.clamp(max=self.recipe.epochs - 1)  # idle lanes run past the end
        if self._orders is None:
            rows = self.problem.train[self._replicate]
        else:
            rows = self._orders[self._replicate, epoch]
        self._columns.lr.copy_(self._lr)
        if self.recipe.schedule == "cosine":
            turn = math.pi * epoch.double()[:, None] / self.recipe.epochs
            self._columns.lr.copy_(self._lr * (0.5 * (1 + turn.cos())))
        for batch in rows.split(self.recipe.batch_size or rows.shape[1], dim=1):
            self._step(batch)
        self._epoch += 1

    def _step(self, rows: Tensor) -> None:
        """Make one optimiser step on rows (L, B) of X."""
        for layer, name in enumerate(self._dropouts):
            keys = dropout_key(self._keys[self._replicate], self._t[:, 0], layer)
            self._buffers[name].copy_(keys)
        x, y = _gather(self.problem.X, rows), _gather(self.problem.y, rows)
        leaves = {
            n: v.detach().requires_grad_() for n, v in self.layout.views(self._params).items()
        }
        losses = self._losses(leaves, x, y)
        # Lanes share nothing: one backward pass with ones gives each lane its own gradient.
        grads = torch.autograd.grad(
            losses, list(leaves.values()), self._ones, materialize_grads=True
        )
        with torch.no_grad():
            grad = self.layout.flatten(grads, out=self._grad)
            self._t += 1
            self.recipe.optimizer.step(
                self._params, grad, self._state, self._t, self._columns, self.layout.n_weights
            )

    def _lane_losses(self, leaves: Tensors, x: Tensor, y: Tensor) -> Tensor:
        out = self._stacked.train({**leaves, **self._buffers}, x)
        return row_losses(out, y, self.problem.task).mean(1)

    def validate(self, replicates: range) -> Tensor:
        """Return every lane's mean validation loss, (L,)."""
        problem = self.problem
        return self._evaluate(replicates, problem.val, problem.y_clean, problem.val_size)[0]

    @torch.no_grad()
    def measure(self, replicates: range) -> Measures:
        """Measure every lane on all rows of its replicate."""
        problem, weights = self.problem, self._params[:, : self.layout.n_weights]
        loss, accuracy = self._evaluate(replicates, problem.val, problem.y_clean, problem.val_size)
        score = accuracy
        if problem.task == "regression":
            score = 1 - loss / self._target_variance()[self._replicate]
        train, _ = self._evaluate(replicates, problem.train, problem.y, None)
        clean, _ = self._evaluate(replicates, problem.train, problem.y_clean, None)
        norms = norm(weights, self._columns.l1_ratio)
        return Measures(*map(on_host, (loss, score, train, clean, norms, sparsity(weights))))

    @torch.no_grad()
    def _evaluate(
        self, replicates: range, rows: Tensor, y: Tensor, sizes: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return mean loss and accuracy of every lane, each (L,).

        Lanes at the same place of their slots hold the same replicate, `replicates[g]`,
        and so share its rows: one large product each instead of many with copied rows.
        """
        tensors = {
            name: tensor.unflatten(0, self.shape)
            for name, tensor in (self.layout.views(self._params) | self._buffers).items()
        }
        means = []
        for place in range(self.shape[1]):
            r = replicates[min(place, len(replicates) - 1)]
            lanes = {name: tensor[:, place] for name, tensor in tensors.items()}
            size = None if sizes is None else sizes[r]
            means.append(self._evaluate_shared(lanes, rows[r], y[rows[r]], size))
        loss, accuracy = (torch.stack(part, 1).flatten() for part in zip(*means, strict=True))
        return loss, accuracy

    def _evaluate_shared(
        self, tensors: Tensors, rows: Tensor, y: Tensor, size: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return mean loss and accuracy of S lanes on the same rows (m,), each (S,)."""
        widest = max(place.shape[0] for place in self.layout.places if place.shape)
        step = max(1, EVALUATION_ENTRIES // (self.shape[0] * widest))
        outs = [self._stacked.evaluate(tensors, self.problem.X[part]) for part in rows.split(step)]
        out, target = torch.cat(outs, 1), y.expand(self.shape[0], -1)
        hits = (out.argmax(2) == target).to(self._dtype)
        return masked_mean(row_losses(out, target, self.problem.task), size), masked_mean(
            hits, size
        )

    def _target_variance(self) -> Tensor:
        """Return the variance of the target over each replicate's validation rows, (R,)."""
        pairs = zip(self.problem.val, self.problem.val_size, strict=True)
        return torch.stack([self.problem.y_clean[v[:m]].var(correction=0) for v, m in pairs])


def row_losses(out: Tensor, y: Tensor, task: str) -> Tensor:
    """Return the data loss of every row, (L, B), of outputs (L, B, C).

    The squared error of the one output; or cross-entropy, with the softmax along the slow
    axis: with the few classes as the fast axis it takes twenty times as long on a CPU.
    """
    if task == "regression":
        return (out[..., 0] - y).square()
    return -torch.log_softmax(out.mT, 1).gather(1, y[:, None]).squeeze(1)


def masked_mean(values: Tensor, size: Tensor | None) -> Tensor:
    """Average (S, m) over its first `size` columns; over all without a size. Returns (S,)."""
    if size is None:
        return values.mean(1)
    valid = torch.arange(values.shape[1], device=values.device) < size
    return torch.where(valid, values, 0).sum(1) / size


def on_host(tensor: Tensor) -> Array:
    """Wait for the device and return the values as float64."""
    return np.asarray(tensor.double().cpu())


def _gather(source: Tensor, rows: Tensor) -> Tensor:
    """Return source[rows] for rows (L, B); index_select is the fast way to copy rows."""
    return source.index_select(0, rows.reshape(-1)).view(*rows.shape, *source.shape[1:])
