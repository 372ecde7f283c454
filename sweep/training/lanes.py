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
rows and schedule position belong to the lane. Nothing waits for the device but `measure` and
`tensors`. So an epoch and its validation can each be a CUDA graph: what they do follows from
tensors alone.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Hashable, Iterable, Sequence
from copy import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sweep.data.problem import Problem
from sweep.spec.resolved import Setting
from sweep.spec.schedule import schedule_of
from sweep.spec.space import COLUMNS
from sweep.training import cuda_graph as graph
from sweep.training import draws
from sweep.training.augmentation import Augmenter, mixing
from sweep.training.clipping import clip_norm
from sweep.training.counters import draw_key
from sweep.training.evaluation import Evaluation, gather
from sweep.training.layout import Layout, Tensors
from sweep.training.losses import loss_of
from sweep.training.messages import Measures
from sweep.training.mlp import TRANSPOSED, write_gradient
from sweep.training.modules import MLP, Factory, build
from sweep.training.optimizers import Columns
from sweep.training.precision import casts, rounded
from sweep.training.recipe import Recipe
from sweep.training.schedules import factors
from sweep.training.scores import levels
from sweep.training.swaps import keys_of
from sweep.training.transfer import sent
from sweep.training.vmapped import Stacked, check_alike, running, stack_buffers

# By default MKL picks a kernel by the address of each matrix: the last bit of a product would
# depend on the slot. In this mode it does not, at about the same speed. MKL reads it once.
os.environ.setdefault("MKL_CBWR", "AUTO")


class Lanes:
    """L networks trained side by side; `places` of them, G, make a slot."""

    def __init__(
        self, problem: Problem, factory: Factory, recipe: Recipe, slots: int, places: int
    ):
        self.problem, self.recipe = problem, recipe
        replicates = range(len(problem.replicates))
        modules = [
            build(factory, draws.seed_of(problem, recipe.seed, "weights", r)) for r in replicates
        ]
        check_alike(modules)
        written_out = recipe.fused and recipe.precision != "bfloat16"  # else by autograd
        self._mlp = modules[0] if written_out and isinstance(modules[0], MLP) else None
        transposed = TRANSPOSED if self._mlp else ()
        self.layout = Layout.of(modules[0], recipe.exempt, recipe.include, transposed=transposed)
        self._stacked = Stacked(modules[0], fused=recipe.fused)
        self._draw_keys = [*keys_of(modules[0])]
        self._device, self._dtype = problem.X.device, problem.X.dtype
        self._initial = torch.stack([self.layout.row(module) for module in modules]).to(problem.X)
        self._initial_buffers = {
            name: t.to(self._device, self._dtype if t.is_floating_point() else t.dtype)
            for name, t in stack_buffers(modules).items()
        }
        self._keys = draws.keys(problem, recipe.seed, "dropout")
        self._orders: draws.Orders | None = None
        if recipe.batch_size:
            self._orders = draws.Orders.of(problem, recipe.seed, recipe.epochs)
        n_rows = problem.train.shape[1]
        self._n_batch = recipe.batch_size or n_rows
        self.n_steps = -(-n_rows // self._n_batch)
        schedule = schedule_of(recipe.schedule)
        self._factors = factors(schedule, recipe.epochs, self.n_steps).to(self._device)
        self._loss, self._levels = loss_of(problem, training=True), levels(problem)
        self._augment_keys = draws.keys(problem, recipe.seed, "augment")
        self._augmenter = None
        if recipe.augment:
            self._augmenter = Augmenter(recipe.augment, recipe.row_shape, problem.X)
            self._loss = mixing(self._loss) if self._augmenter.mixes else self._loss
        # As functions of lanes: bound methods of these would keep them alive.
        compiled: Any = partial(torch.compile, dynamic=False) if recipe.compile else lambda f: f
        self._update = compiled(Lanes._update_mlp) if self._mlp else Lanes._update_any
        self._summed_loss = compiled(Lanes._sum_losses)
        self._allocate(slots, places)

    @property
    def is_asynchronous(self) -> bool:
        """Whether work is queued for a device that does it while the host goes on."""
        return self._device.type == "cuda"

    @property
    def same_in_any_number(self) -> bool:
        """Whether a lane's bits do not depend on the number of lanes; then `resize` is allowed."""
        plain = not self.recipe.compile and self.problem.own_loss is None
        return bool(self._mlp) and self._device.type == "cpu" and plain

    @torch.no_grad()
    def resize(self, slots: int) -> None:
        """Have so many slots from now on; the first ones go on as they are, new ones are idle."""
        places, before = self.shape[1], self.held()
        kept = slice(0, min(slots, self.shape[0]) * places)
        self._allocate(slots, places)
        for new, old in zip(self.held(), before, strict=True):
            new[kept] = old[kept]

    def copied(self, slots: int) -> Lanes:
        """Return lanes of so many slots that go on as the first ones of these do."""
        lanes = copy(self)
        lanes.resize(slots)
        return lanes

    def held(self) -> list[Tensor]:
        """List what lanes hold from step to step: (L, …) each."""
        flats = (self._params, *self._state)
        return [
            *(part for flat in flats for part in flat.parts), *self._buffers.values(),
            *self._columns.values(), self._lr, self._t, self._epoch, self._replicate,
        ]  # fmt: skip

    def _allocate(self, slots: int, places: int) -> None:
        self.shape, lanes = (slots, places), slots * places
        self._evaluation = Evaluation(
            self.problem, self._stacked, self._mlp, self.layout, self.shape, self._levels,
            self._initial[:, : self.layout.n_weights], self.recipe.metric,
        )  # fmt: skip
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
        self._columns: Columns = {name: ones.clone() for name in COLUMNS}
        self._lr = ones.clone()  # before the schedule
        self._t = torch.zeros_like(ones, dtype=torch.float64)
        self._epoch = torch.zeros(lanes, device=self._device, dtype=torch.int64)
        self._replicate = torch.zeros_like(self._epoch)
        self._losses = ones[:, 0].clone()
        self._graphs: dict[Hashable, graph.Replay | None] = {}  # of the tensors above

    @torch.no_grad()
    def reset(self, slots: range, replicates: range, settings: Sequence[Setting]) -> None:
        """Begin to train `replicates` at the first places of slots, with their initial weights.

        Args:
            slots: what is copied is copied to all of them at once.
            replicates: G or fewer.
            settings: one a slot.
        """
        of_slots, places = slice(slots.start, slots.stop), slice(len(replicates))
        chosen = slice(replicates.start, replicates.stop)

        def lanes(held: Tensor) -> Tensor:
            by_slots: Tensor = held.unflatten(0, self.shape)
            return by_slots[of_slots, places]

        initial = self._initial[chosen].split(self._params.sizes, 1)
        for part, rows in zip(self._params.parts, initial, strict=True):
            lanes(part).copy_(rows)
        for name, buffer in self._buffers.items():
            lanes(buffer).copy_(self._initial_buffers[name][chosen])
        lanes(self._replicate).copy_(torch.arange(chosen.start, chosen.stop, device=self._device))
        for held in (*(part for flat in self._state for part in flat.parts), self._t, self._epoch):
            lanes(held).zero_()
        rows = [[setting[name] for name in self._columns] for setting in settings]
        values = sent(rows, self._lr)
        for column, value in zip(self._columns.values(), values.unbind(1), strict=True):
            lanes(column).copy_(value[:, None, None])
        lanes(self._lr).copy_(lanes(self._columns["lr"]))

    def _run(self, name: Hashable, work: graph.Work) -> None:
        """Do work on the lanes, as a CUDA graph if the recipe says so: captured once, replayed.

        A graph bakes in Python numbers and the addresses of tensors: pass what varies in tensors,
        and never replace one.
        """
        if not self.recipe.cuda_graph:
            work()
            return
        if name not in self._graphs:
            self._graphs[name] = graph.capture(work, self.held())
        (self._graphs[name] or work)()

    @running()
    def train_epoch(self) -> None:
        """Train every lane through the next epoch of its own."""
        with rounded(self.recipe.precision):
            self._run("training", self._train_epoch)

    def _train_epoch(self) -> None:
        epoch = self._epoch.clamp(max=self.recipe.epochs - 1)  # idle lanes run past the end
        if self._orders is None:
            batches: Iterable[Tensor] = [self.problem.train[self._replicate]]
        else:
            batches = self._orders.batches(self._replicate, epoch, self._n_batch)
        factors = self._factors[epoch]
        for number, (batch, x) in enumerate(self.problem.row_batches(batches)):
            if number < factors.shape[1]:
                self._columns["lr"].copy_(self._lr * factors[:, number, None])
            self._step(batch, x)
        self._epoch.add_(1)

    def _step(self, rows: Tensor, x: Tensor) -> None:
        """Make one optimiser step on rows (L, B) of X, which are x (L, B, *features)."""
        for name, layer in self._draw_keys:
            keys = draw_key(self._keys[self._replicate], self._t[:, 0], layer)
            self._buffers[name].copy_(keys)
        y = gather(self.problem.y, rows)
        w = None if self.problem.weight is None else gather(self.problem.weight, rows)
        if self._augmenter:
            key = draw_key(self._augment_keys[self._replicate], self._t[:, 0], 0)
            self._update(self, *self._augmenter(x, y, key), w)
        else:
            self._update(self, x, y, w)

    def _update_mlp(self, x: Tensor, y: Any, w: Tensor | None) -> None:
        assert self._mlp
        write_gradient(self._mlp, self._tensors, self._gradient, x, y, w, self._loss)
        self._descend()

    def _update_any(self, x: Tensor, y: Any, w: Tensor | None) -> None:
        self._differentiate(x, y, w)
        self._descend()

    def _descend(self) -> None:
        """Step along the gradient."""
        if self.recipe.clip_norm:
            clip_norm(self._grad, self.recipe.clip_norm)
        self._t.add_(1)
        self.recipe.optimizer.step(self._params, self._grad, self._state, self._t, self._columns)

    def _differentiate(self, x: Tensor, y: Any, w: Tensor | None) -> None:
        """Fill the gradient by autograd, for any network."""
        leaves = {n: v.detach().requires_grad_() for n, v in self._tensors.items()}
        with torch.enable_grad():
            # Lanes share nothing: the gradient of the sum holds each lane's own.
            loss = self._summed_loss(self, leaves, x, y, w)
        grads = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        torch.cat([grad.reshape(-1) for grad in grads], out=self._grad.whole)

    def _sum_losses(self, leaves: Tensors, x: Tensor, y: Any, w: Tensor | None) -> Tensor:
        with casts(self.recipe.precision, self._device):
            out = self._stacked.train({**leaves, **self._buffers}, x)
        return self._loss.means(out.to(self._dtype), y, w).sum()

    @running()
    def validate(self, replicates: range) -> Tensor:
        """Return every lane's mean validation loss, (L,).

        Args:
            replicates: those at the places of each slot, (G,) or fewer.
        """
        self._run(replicates, lambda: self._validate(replicates))
        return self._losses.clone()

    def _validate(self, replicates: range) -> None:
        self._losses.copy_(self._evaluation.losses(self._networks, replicates))

    @running()
    def measure(
        self, replicates: range, slots: Collection[int], *, scored: bool = True
    ) -> dict[int, Measures]:
        """Measure the lanes of some slots on all rows of their replicates: (G,) each.

        Slots are measured in groups, for want of memory: of one size, the last ones overlapping,
        since that may matter to a lane's last bit. The metric is left out if not `scored`.
        """
        (n_slots, places), n_at_once = self.shape, self._evaluation.slots_measured_at_once
        firsts = {min(slot // n_at_once * n_at_once, n_slots - n_at_once) for slot in slots}
        found = {}
        for first in sorted(firsts):
            lanes = slice(first * places, (first + n_at_once) * places)
            weights = torch.cat([part[lanes] for part in self._params.weights], 1)
            wanted = [slot - first for slot in slots if first <= slot < first + n_at_once]
            measures = self._evaluation.measures(
                {name: held[lanes] for name, held in self._networks.items()},
                weights, self.layout.first_layer(self._tensors)[lanes],
                self._columns["l1_ratio"][lanes], replicates, wanted if scored else (),
            )  # fmt: skip
            for n in range(n_at_once):
                found[first + n] = measures.part(slice(n * places, (n + 1) * places))
        return {slot: found[slot] for slot in slots}

    @running()
    def predict(self, replicates: range) -> Tensor:
        """Return every lane's outputs on its place's validation rows, (L, m, C)."""
        return self._evaluation.predictions(self._networks, replicates)

    @property
    def _networks(self) -> Tensors:
        """What the networks hold, parameters and buffers by name: (L, …) each."""
        return self._tensors | self._buffers

    def tensors(self, lane: int) -> Tensors:
        """Copy what one lane's network holds, parameters and buffers by name, to the host."""
        return {
            name: held[lane].detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, held in self._networks.items()
        }
