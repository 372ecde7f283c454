"""The tensors of all lanes: one training step, one evaluation, for all at once.

| symbol | meaning | shape |
|---|---|---|
| L | lanes, L = S·G; lane s·G + g is place g of slot s | |
| R, E | replicates of a trial, epochs | |
| n, m | rows a replicate trains on, validates on | |
| B | rows of a batch | |
| P | entries of one network's parameters | |
| params, grad | of all lanes, tensor by tensor | (L, P), as `Flat` |

Shapes and addresses change in `resize` alone. Epoch, step count, optimiser state, order of the
rows and schedule position belong to the lane. Nothing waits for the device but what `fetch` and
`on_host` are for. So an epoch and its validation can each be a CUDA graph: what they do follows
from tensors alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from sweep import graph
from sweep.backprop import outputs, write_gradient
from sweep.models import (
    MLP,
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
from sweep.penalty import histogram, inputs_used, norm, sparsity
from sweep.problem import Problem
from sweep.reports import Array, Measures, Setting
from sweep.seeds import derive

# MKL picks a kernel by the address of each matrix, so that the last bit of a product would depend
# on the slot. In this mode, read at its first call, it does not, at about the same speed.
os.environ.setdefault("MKL_CBWR", "AUTO")
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
    cuda_graph: bool = False


class Lanes:
    """L networks trained side by side; `places` of them, G, make a slot."""

    def __init__(
        self, problem: Problem, factory: Factory, recipe: Recipe, slots: int, places: int
    ):
        self.problem, self.recipe = problem, recipe
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
        self._target_variance = target_variance(problem) if problem.task == "regression" else None
        self._mlp = modules[0] if recipe.fused and isinstance(modules[0], MLP) else None
        if recipe.compile:
            self._compile()
        self._allocate(slots, places)

    @property
    def is_asynchronous(self) -> bool:
        """Whether work is queued for a device that does it while the host goes on."""
        return self._device.type == "cuda"

    @property
    def same_in_any_number(self) -> bool:
        """Whether a lane comes to the same bits in any number of lanes; so that they `resize`."""
        return bool(self._mlp) and self._device.type == "cpu" and not self.recipe.compile

    @torch.no_grad()
    def resize(self, slots: int) -> None:
        """Have so many slots from now on; the first ones go on as they are, new ones are idle."""
        places, before = self.shape[1], self._held()
        kept = slice(0, min(slots, self.shape[0]) * places)
        self._allocate(slots, places)
        for new, old in zip(self._held(), before, strict=True):
            new[kept] = old[kept]

    def _held(self) -> list[Tensor]:
        """List what lanes hold from step to step: (L, …) each."""
        flats = (self._params, *self._state)
        return [
            *(part for flat in flats for part in flat.parts), *self._buffers.values(),
            *self._columns, self._lr, self._t, self._epoch, self._replicate,
        ]  # fmt: skip

    def _allocate(self, slots: int, places: int) -> None:
        self.shape, lanes = (slots, places), slots * places
        units = [place.shape[0] for place in self.layout.places if place.shape]
        widest = max(*units, math.prod(self.problem.feature_shape))
        self._rows_at_once = max(1, EVALUATION_ENTRIES // (max(slots, places) * widest))
        self._params = self.layout.flat(self._initial[:1].expand(lanes, -1), places)
        self._grad = self._params.zeros_like()
        self._tensors = self.layout.views(self._params)
        self._gradient = self.layout.views(self._grad)
        self._state = self.recipe.optimizer.init(self._params)
        self._buffers = {
            n: t[:1].repeat(lanes, *[1] * (t.ndim - 1)) for n, t in self._initial_buffers.items()
        }
        ones = torch.ones(lanes, 1, device=self._device, dtype=self._dtype)
        # A learning rate is divided by: idle lanes have one too.
        self._columns = Columns(*(ones.clone() for _ in Columns._fields))
        self._lr = ones.clone()  # before the schedule
        self._t = torch.zeros_like(ones, dtype=torch.float64)
        self._epoch = torch.zeros(lanes, device=self._device, dtype=torch.int64)
        self._replicate = torch.zeros_like(self._epoch)
        self._losses = ones[:, 0].clone()
        self._graphs: dict[Hashable, graph.Replay | None] = {}  # of the tensors above

    def _compile(self) -> None:
        """Compile a step of the MLP; of other networks the loss and what autograd makes of it."""
        if self._mlp:
            update = torch.compile(self._update, dynamic=False)
            self._update = update  # type: ignore[method-assign]
        else:
            loss = torch.compile(self._loss, dynamic=False)
            self._loss = loss  # type: ignore[method-assign]

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
        self._params.copy_(lanes, self._initial[chosen])
        for name, buffer in self._buffers.items():
            buffer[lanes] = self._initial_buffers[name][chosen]
        self._replicate[lanes] = torch.arange(chosen.start, chosen.stop, device=self._device)
        for held in self._state:
            held.zero_(lanes)
        self._t[lanes], self._epoch[lanes] = 0, 0
        for column, value in zip(self._columns, setting, strict=True):
            column[lanes] = value
        self._lr[lanes] = setting.lr

    def _run(self, name: Hashable, work: graph.Work) -> None:
        """Do work on the lanes; where the recipe says so by replaying what it was the first time.

        A replay does again what was done to the same tensors: no number of Python's may change
        from one time to the next, and no tensor may be replaced.
        """
        if not self.recipe.cuda_graph:
            work()
            return
        if name not in self._graphs:
            self._graphs[name] = graph.capture(work, self._held())
        (self._graphs[name] or work)()

    @torch.no_grad()
    def train_epoch(self) -> None:
        """Train every lane through the next epoch of its own."""
        self._run("training", self._train_epoch)

    def _train_epoch(self) -> None:
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
        self._epoch.add_(1)

    def _step(self, rows: Tensor) -> None:
        """Make one optimiser step on rows (L, B) of X."""
        for layer, name in enumerate(self._dropouts):
            keys = dropout_key(self._keys[self._replicate], self._t[:, 0], layer)
            self._buffers[name].copy_(keys)
        self._update(_gather(self.problem.X, rows), _gather(self.problem.y, rows))

    def _update(self, x: Tensor, y: Tensor) -> None:
        if self._mlp:
            write_gradient(self._mlp, self._tensors, self._gradient, x, y, self.problem.task)
        else:
            self._differentiate(x, y)
        self._t.add_(1)
        self.recipe.optimizer.step(self._params, self._grad, self._state, self._t, self._columns)

    def _differentiate(self, x: Tensor, y: Tensor) -> None:
        """Fill the gradient by autograd, for any network."""
        leaves = {n: v.detach().requires_grad_() for n, v in self._tensors.items()}
        with torch.enable_grad():
            # Lanes share nothing: the gradient of the sum holds each lane's own.
            loss = self._loss(leaves, x, y)
        grads = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        torch.cat([grad.reshape(-1) for grad in grads], out=self._grad.whole)

    def _loss(self, leaves: Tensors, x: Tensor, y: Tensor) -> Tensor:
        out = self._stacked.train({**leaves, **self._buffers}, x)
        return row_losses(out, y, self.problem.task).mean(1).sum()

    @torch.no_grad()
    def validate(self, replicates: range) -> Tensor:
        """Return every lane's mean validation loss, (L,).

        Args:
            replicates: those at the places of each slot, (G,) or fewer.
        """
        self._run(replicates, lambda: self._validate(replicates))
        return self._losses.clone()

    def _validate(self, replicates: range) -> None:
        rows, sizes = self._of_places(replicates, self.problem.val, self.problem.val_size)
        losses = self._mean_losses(self._outputs(rows), self.problem.y_clean[rows], sizes)
        self._losses.copy_(losses)

    @torch.no_grad()
    def measure(self, replicates: range) -> Measures:
        """Measure every lane on all rows of its replicate."""
        problem, weights = self.problem, torch.cat(self._params.weights, 1)
        rows, sizes = self._of_places(replicates, problem.val, problem.val_size)
        out, target = self._outputs(rows), problem.y_clean[rows]
        loss = self._mean_losses(out, target, sizes)
        if self._target_variance is not None:
            score = 1 - loss / self._target_variance[self._replicate]
        else:
            # max finds what argmax finds, several times as fast along a slow axis.
            hits = (out.max(1).indices == self._per_lane(target)).to(out)
            score = masked_mean(hits, self._per_lane(sizes))
        (rows,) = self._of_places(replicates, problem.train)
        out = self._outputs(rows)
        train, clean = (
            self._mean_losses(out, y[rows], None) for y in (problem.y, problem.y_clean)
        )
        inputs = self._tensors[self.layout.penalised[0]].flatten(2)
        of_weights = (
            norm(weights, self._columns.l1_ratio),
            sparsity(weights),
            inputs_used(inputs),
            histogram(weights),
        )
        fetched = [fetch(tensor) for tensor in (loss, score, train, clean, *of_weights)]
        return Measures(*(values() for values in fetched))

    @torch.no_grad()
    def predict(self, replicates: range) -> Tensor:
        """Return every lane's outputs on its place's validation rows, (L, m, C)."""
        return self._outputs(*self._of_places(replicates, self.problem.val)).mT

    def tensors(self, lane: int) -> Tensors:
        """Copy what one lane's network holds, parameters and buffers by name, to the host."""
        held = self._tensors | self._buffers
        return {name: tensor[lane].detach().cpu().clone() for name, tensor in held.items()}

    def _of_places(self, replicates: range, *tensors: Tensor) -> list[Tensor]:
        """Take what belongs to the replicate at each place: (R, …) to (G, …)."""
        # Made on the device: a list would be copied there, which waits for it.
        places = torch.arange(self.shape[1], device=self._device)
        chosen = (places + replicates.start).clamp(max=replicates.stop - 1)
        return [tensor.index_select(0, chosen) for tensor in tensors]

    def _per_lane(self, tensor: Tensor) -> Tensor:
        """Repeat what belongs to places for every slot: (G, …) to (L, …)."""
        return tensor.expand(self.shape[0], *tensor.shape).flatten(0, 1)

    def _outputs(self, rows: Tensor) -> Tensor:
        """Evaluate every lane on its place's rows (G, m): outputs (L, C, m).

        Lanes at the same place hold the same replicate and share its rows: one large product
        a place; or, of fewer slots than places, one batched product a slot.
        """
        slots, places = self.shape
        tensors = {
            name: tensor.unflatten(0, self.shape)
            for name, tensor in (self._tensors | self._buffers).items()
        }
        by_slot, outs = slots < places, []
        for part in rows.split(self._rows_at_once, 1):
            if by_slot:
                x = _gather(self.problem.X, part)
                of = [{n: t[slot] for n, t in tensors.items()} for slot in range(slots)]
                outs.append(torch.stack([self._evaluate(lanes, x) for lanes in of]))
            else:
                of = [{n: t[:, place] for n, t in tensors.items()} for place in range(places)]
                xs = [self.problem.X.index_select(0, place) for place in part]
                pairs = zip(of, xs, strict=True)
                outs.append(torch.stack([self._evaluate_shared(*pair) for pair in pairs], 1))
        out = outs[0] if len(outs) == 1 else torch.cat(outs, 3)
        return out.flatten(0, 1)

    def _evaluate(self, tensors: Tensors, x: Tensor) -> Tensor:
        """Map each lane's rows (L, m, *features) to outputs (L, C, m)."""
        if self._mlp:
            return outputs(self._mlp, tensors, x)
        return self._stacked.evaluate(tensors, x).mT

    def _evaluate_shared(self, tensors: Tensors, x: Tensor) -> Tensor:
        """Map rows (m, *features) shared by all lanes to outputs (L, C, m)."""
        if self._mlp:
            return outputs(self._mlp, tensors, x.expand(self.shape[0], *x.shape))
        return self._stacked.evaluate_shared(tensors, x).mT

    def _mean_losses(self, out: Tensor, target: Tensor, sizes: Tensor | None) -> Tensor:
        """Average the data loss of outputs (L, C, m) over targets (G, m): (L,)."""
        losses = row_losses(out.mT, self._per_lane(target), self.problem.task)
        return masked_mean(losses, None if sizes is None else self._per_lane(sizes))


def row_losses(out: Tensor, y: Tensor, task: str) -> Tensor:
    """Return the data loss of every row, (L, B), of outputs (L, B, C).

    The squared error of the one output; or cross-entropy, with the softmax along the slow
    axis: with the few classes as the fast axis it takes twenty times as long on a CPU.
    """
    if task == "regression":
        return (out[..., 0] - y).square()
    return -torch.log_softmax(out.mT, 1).gather(1, y[:, None]).squeeze(1)


def masked_mean(values: Tensor, sizes: Tensor | None) -> Tensor:
    """Average each row of (L, m) over its first `sizes` (L,) columns; over all without. (L,)."""
    if sizes is None:
        return values.mean(1)
    valid = torch.arange(values.shape[1], device=values.device) < sizes[:, None]
    return torch.where(valid, values, 0).sum(1) / sizes


def target_variance(problem: Problem) -> Tensor:
    """Return the variance of the target over each replicate's validation rows, (R,)."""
    pairs = zip(problem.val, problem.val_size, strict=True)
    return torch.stack([problem.y_clean[rows[:m]].var(correction=0) for rows, m in pairs])


def fetch(tensor: Tensor) -> Callable[[], Array]:
    """Queue a copy of the values for the host; what is returned waits for it: float64."""
    values = tensor.double()
    if values.device.type != "cuda":
        return lambda: np.asarray(values.cpu())
    copy = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)  # else it would wait
    copy.copy_(values, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(values.device))

    def wait() -> Array:
        copied.synchronize()
        return np.asarray(copy)

    return wait


def on_host(tensor: Tensor) -> Array:
    """Wait for the device and return the values as float64."""
    return fetch(tensor)()


def _gather(source: Tensor, rows: Tensor) -> Tensor:
    """Return source[rows] for rows (L, B); index_select is the fast way to copy rows."""
    return source.index_select(0, rows.reshape(-1)).view(*rows.shape, *source.shape[1:])
