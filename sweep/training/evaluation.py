"""Networks side by side, evaluated on the rows of their replicates.

| symbol | meaning |
|---|---|
| L | lanes, L = S·G: S slots of G places; lanes at one place hold the same replicate |
| R | replicates of a trial |
| m | rows of a replicate: validation rows (those of the largest fold), or training rows |
| C | outputs |

Outputs are (L, C, m): the few classes are the slow axis, as losses want them. Nothing waits
for the device but the end of `measures`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sweep.data.problem import Problem
from sweep.training.layout import Layout, Tensors
from sweep.training.linalg import sums
from sweep.training.loss import Loss, weighted
from sweep.training.losses import loss_of
from sweep.training.messages import Array, Measures
from sweep.training.metrics import Metric, Scorer
from sweep.training.mlp import outputs
from sweep.training.modules import MLP
from sweep.training.penalty import histogram, inputs_used, norm, size, sparsity
from sweep.training.scores import Explained, Hits, score_of
from sweep.training.transfer import Fetched
from sweep.training.vmapped import Stacked

# That are made at once, of the widest layer's output and of what is measured: on a CPU as many as
# its caches hold, on a GPU as keep it busy.
ENTRIES = {"cpu": 1 << 22, "cuda": 1 << 25}
OfRows = Callable[[Tensor, Tensor], tuple[Tensor, ...]]
AT_ONCE = 4  # slots that are evaluated together on a CPU, where their outputs are that large


class Evaluation:
    """What lanes come to.

    Args:
        problem: whose rows.
        stacked: evaluates networks side by side.
        mlp: their module, where it is an MLP trained fused: evaluated by products alone.
        layout: of their parameters.
        shape: slots and places, (S, G).
        metric: what measures networks beside their loss and score, if anything.
        levels: see `levels`.
        initial: the penalised weights that replicates begin with, (R, W).

    Attributes:
        slots_measured_at_once: so many fit the memory.
    """

    def __init__(
        self, problem: Problem, stacked: Stacked, mlp: MLP | None, layout: Layout,
        shape: tuple[int, int], levels: Tensor | None, initial: Tensor,
        metric: Metric,
    ):  # fmt: skip
        self._problem, self._stacked, self._mlp, self._metric = problem, stacked, mlp, metric
        self._loss, self._trained = loss_of(problem), loss_of(problem, training=True)
        self._score = score_of(problem)
        outputs_of_layers = (place.shape[0] for place in layout.places if place.shape)
        widest = max(*outputs_of_layers, math.prod(problem.feature_shape))
        device, (slots, places) = problem.X.device.type, shape
        self._n_places = places
        rows = max(problem.train.shape[1], problem.val.shape[1])
        measured = places * max(layout.n_weights, rows * problem.n_outputs)
        self.slots_measured_at_once = min(slots, max(1, ENTRIES[device] // measured))
        # On a CPU the rows at once are the same for any number of slots: the size of a product may
        # matter to the last bit of a lane, and its company must not.
        slots = AT_ONCE if device == "cpu" else slots
        self._entries, self._widest = ENTRIES[device], widest
        self._rows_at_once = max(1, self._entries // (slots * places * widest))
        self._levels, self._initial_sizes = levels, size(initial)
        self._sizes = [place.size for place in layout.places if place.penalised]

    def losses(self, tensors: Tensors, replicates: range) -> Tensor:
        """Return every lane's mean validation loss, (L,).

        Args:
            tensors: what the networks hold, by name, (L, …) each.
            replicates: those at the places of each slot, (G,) or fewer.
        """
        rows, sizes = self._of_places(replicates, self._problem.val, self._problem.val_size)
        (losses,) = self._by_parts(tensors, rows, lambda *part: (self._val_losses(*part),))
        return self._mean(losses, sizes)

    def predictions(self, tensors: Tensors, replicates: range) -> Tensor:
        """Return every lane's outputs on its place's validation rows, (L, m, C)."""
        (rows,) = self._of_places(replicates, self._problem.val)
        return self._outputs(tensors, rows).mT

    def measures(
        self, tensors: Tensors, weights: Tensor, inputs: Tensor, l1_ratio: Tensor,
        replicates: range, wanted: Sequence[int],
    ) -> Measures:  # fmt: skip
        """Measure every lane on all rows of its replicate.

        Args:
            wanted: slots whose metric is asked for; that of others may be NaN.
            tensors, replicates: see `losses`.
            weights: all penalised weights of each lane, (L, W).
            inputs: the weights of the first penalised layer, (L, units, inputs).
            l1_ratio: (L, 1).
        """
        problem = self._problem
        places = self._of_places(replicates, problem.val, problem.val_size, problem.train)
        rows, sizes, trained = places
        of_rows = self._by_parts(
            tensors, rows, lambda *part: (self._val_losses(*part), *self._row_scores(*part))
        )
        loss = self._mean(of_rows[0], sizes)
        score = self._scores(of_rows[1:], sizes, loss, replicates)
        metric = self._metrics(tensors, rows, sizes, replicates, wanted)
        of_trained = self._by_parts(
            tensors, trained, lambda *part: (self._train_losses(*part), self._val_losses(*part))
        )
        of_training = [self._mean(losses, None) for losses in of_trained]
        (began,) = self._of_places(replicates, self._initial_sizes)
        of_weights = (
            norm(weights, l1_ratio), self._layer_norms(weights), sparsity(weights),
            size(weights) / self._per_lane(began, len(weights)),
            inputs_used(inputs), histogram(weights),
        )  # fmt: skip
        copies = [Fetched(tensor) for tensor in (loss, score, *of_training, *of_weights)]
        losses, scores, *others = (copy.values() for copy in copies)
        if metric is None:
            metric = losses if self._metric == "val_loss" else 1 - scores
        return Measures(losses, scores, metric, *others)

    def _metrics(
        self, held: Tensors, rows: Tensor, sizes: Tensor, replicates: range, wanted: Sequence[int]
    ) -> Array | None:
        """Return the objective's metric, (L,); None where loss or score tell it."""
        if not isinstance(self._metric, Scorer):
            return None
        out, target = self._outputs(held, rows), self._problem.y_clean[rows]
        units = self._of_places(replicates, self._problem.y_scale, self._problem.y_mean)
        places, used = self._n_places, range(len(replicates))
        lanes = [slot * places + place for slot in wanted for place in used]
        return self._metric.of_lanes(out, target, sizes, (units[0], units[1]), lanes)

    def _layer_norms(self, weights: Tensor) -> Tensor:
        """Return ‖W‖₂² of each penalised tensor, (L, T), of all weights (L, W)."""
        return torch.stack([sums(w.square()) for w in weights.split(self._sizes, 1)], 1)

    def _row_scores(self, out: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        """Return what scores are averaged from, of outputs (L, C, b) for rows (G, b) of X.

        What of each row is right, (L, b); or the losses of each target, (L, T, b); nothing where
        there is no score, or the loss tells it.
        """
        score, target = self._score, self._per_lane(self._problem.y_clean[rows], len(out))
        if isinstance(score, Hits):
            return (score.rows(out, target),)
        if score is None or self._loss_scores:
            return ()
        return (score.parts(out.mT, target).mT,)

    @property
    def _loss_scores(self) -> bool:
        """Whether the score follows from the loss."""
        single = self._levels is not None and self._levels.ndim == 1
        return (
            single
            and isinstance(self._score, Explained)
            and (self._score.is_loss_of(self._problem))
        )

    def _scores(
        self, of_rows: Sequence[Tensor], sizes: Tensor, loss: Tensor, replicates: range
    ) -> Tensor:
        """Return the task's score, (L,), of `_row_scores`; NaN where there is none."""
        if self._score is None:
            return torch.full_like(loss, math.nan)
        if isinstance(self._score, Hits):
            return self._mean(of_rows[0], sizes)
        assert self._levels is not None
        (level,) = self._of_places(replicates, self._levels)
        level = self._per_lane(level, len(loss))
        if self._loss_scores:
            return 1 - loss / level
        (parts,) = of_rows
        sizes = self._per_lane(sizes, len(loss)).repeat_interleave(parts.shape[1])
        means = masked_mean(parts.flatten(0, 1), sizes)
        return (1 - means.view(parts.shape[:2]) / level.view(len(loss), -1)).nanmean(1)

    def _of_places(self, replicates: range, *tensors: Tensor) -> list[Tensor]:
        """Take what belongs to the replicate at each place: (R, …) to (G, …)."""
        # Made on the device: a list would be copied there, which waits for it.
        places = torch.arange(self._n_places, device=tensors[0].device)
        chosen = (places + replicates.start).clamp(max=replicates.stop - 1)
        return [tensor.index_select(0, chosen) for tensor in tensors]

    def _per_lane(self, tensor: Tensor, lanes: int) -> Tensor:
        """Repeat what belongs to places for every slot: (G, …) to (L, …)."""
        return tensor.expand(lanes // len(tensor), *tensor.shape).flatten(0, 1)

    def _outputs(self, held: Tensors, rows: Tensor) -> Tensor:
        """Evaluate every lane on its place's rows (G, m): outputs (L, C, m).

        Lanes at the same place hold the same replicate and share its rows.
        """
        (found,) = self._by_parts(held, rows, lambda out, part: (out,))
        return found

    def _by_parts(self, held: Tensors, rows: Tensor, measure: OfRows) -> list[Tensor]:
        """Evaluate every lane on its place's rows (G, m), some at a time.

        Args:
            held: what the networks hold, by name, (L, …) each.
            rows: of X.
            measure: of outputs (L, C, b) and their rows (G, b) what is wanted, (L, …, b) each.

        Returns:
            That of all rows, (L, …, m) each.
        """
        shape = -1, self._n_places
        tensors = {name: tensor.unflatten(0, shape) for name, tensor in held.items()}
        slots = len(next(iter(tensors.values())))
        found = []
        for part in rows.split(self._rows_at_once, 1):
            x = self._problem.rows(part)
            n_slots = max(1, self._entries // (part.numel() * self._widest))
            firsts = range(0, slots, n_slots)
            of = [{n: t[first : first + n_slots] for n, t in tensors.items()} for first in firsts]
            out = _joined([self._evaluate(some, x) for some in of], 0).flatten(0, 1)
            found.append(measure(out, part))
        return [_joined(parts, -1) for parts in zip(*found, strict=True)]

    def _evaluate(self, tensors: Tensors, x: Tensor) -> Tensor:
        """Map each place's rows (G, m, *features) by tensors (S, G, …) to outputs (S, G, C, m)."""
        slots, places = next(iter(tensors.values())).shape[:2]
        if self._mlp:
            return outputs(self._mlp, tensors, x[None])
        if slots < places:
            of = [{n: t[slot] for n, t in tensors.items()} for slot in range(slots)]
            return torch.stack([self._stacked.evaluate(lanes, x) for lanes in of]).mT
        of = [{n: t[:, place] for n, t in tensors.items()} for place in range(places)]
        pairs = zip(of, x, strict=True)
        return torch.stack([self._stacked.evaluate_shared(*pair) for pair in pairs], 1).mT

    def _val_losses(self, out: Tensor, rows: Tensor) -> Tensor:
        """Return the loss that validation reads of rows (G, b): (L, b)."""
        problem = self._problem
        return self._losses(self._loss, out, rows, problem.y_clean, problem.weight_clean)

    def _train_losses(self, out: Tensor, rows: Tensor) -> Tensor:
        """Return the loss that training reads of rows (G, b): (L, b)."""
        return self._losses(self._trained, out, rows, self._problem.y, self._problem.weight)

    def _losses(
        self, loss: Loss, out: Tensor, rows: Tensor, y: Tensor, w: Tensor | None
    ) -> Tensor:
        """Return the data loss of outputs (L, C, b) for rows (G, b) of X, weighed: (L, b)."""
        lanes = len(out)
        losses = loss.rows(out.mT, self._per_lane(y[rows], lanes))
        return weighted(losses, None if w is None else self._per_lane(w[rows], lanes))

    def _mean(self, values: Tensor, sizes: Tensor | None) -> Tensor:
        """Average (L, m) over the rows of each place, (G,) of them, or over all: (L,)."""
        return masked_mean(values, None if sizes is None else self._per_lane(sizes, len(values)))


def masked_mean(values: Tensor, sizes: Tensor | None) -> Tensor:
    """Average each row of (L, m) over its first `sizes` (L,) columns; over all without. (L,)."""
    if sizes is None:
        return sums(values) / values.shape[1]
    valid = torch.arange(values.shape[1], device=values.device) < sizes[:, None]
    return sums(torch.where(valid, values, 0)) / sizes


def _joined(parts: Sequence[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat([*parts], dim)


def gather(source: Tensor, rows: Tensor) -> Tensor:
    """Return source[rows] for rows (L, B); index_select is the fast way to copy rows."""
    return source.index_select(0, rows.reshape(-1)).view(*rows.shape, *source.shape[1:])
