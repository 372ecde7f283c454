"""The memory layout of all lanes: one block, penalised tensors first.

| symbol | meaning | shape |
|---|---|---|
| L | lanes | |
| P | entries of all parameters of one network, in tensors of size₁ + size₂ + … | |
| w | penalised entries: they come first in a lane | w ≤ P |
| whole | all entries, tensor by tensor: L·size₁ of the first, L·size₂ of the second, … | (L·P,) |
| part | all lanes of one tensor: a contiguous view | (L, size) |

There is a block for each kind of entry: parameters, gradient, optimiser state. An operation that
treats all entries alike runs once, over `whole`. One that differs between lanes runs over the
parts, with a column (L, 1). Parts are contiguous, so the matrices of all lanes can be an operand,
or the result, of one batched product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sweep.training.weights import hidden_matrices, weight_names

Tensors = dict[str, Tensor]  # by name


class Matrix(NamedTuple):
    """A hidden matrix (out, in), which may lie as its transpose."""

    shape: tuple[int, int]
    transposed: bool


class Flat:
    """Entries of all lanes.

    Args:
        whole: (L·P,), contiguous.
        sizes: of each tensor in a lane.
        n_penalised: tensors that are penalised; they come first.
        places: lanes of a slot, which train one trial.
        matrices: of each tensor that is a hidden matrix; (): not said.

    Attributes:
        parts: (L, size) of each tensor.
        weights: those of the penalised ones.
    """

    def __init__(
        self, whole: Tensor, sizes: Sequence[int], n_penalised: int = 0, places: int = 1,
        matrices: Sequence[Matrix | None] = (),
    ):  # fmt: skip
        self.whole, self.sizes, self.n_penalised = whole, tuple(sizes), n_penalised
        self.places, self.matrices = places, tuple(matrices)
        lanes = len(whole) // sum(sizes)
        parts = whole.split([lanes * size for size in sizes])
        self.parts = [part.view(lanes, size) for part, size in zip(parts, sizes, strict=True)]
        self.weights = self.parts[:n_penalised]

    @cached_property
    def slots(self) -> list[list[Tensor]]:
        """Each slot's tensors, (places, size)."""
        firsts = range(0, len(self.parts[0]), self.places)
        return [[part[first : first + self.places] for part in self.parts] for first in firsts]

    def zeros_like(self) -> Flat:
        """Make as many zeros."""
        return self.like(torch.zeros_like(self.whole))

    def like(self, whole: Tensor) -> Flat:
        """See entries (L·P,) as these are."""
        return Flat(whole, self.sizes, self.n_penalised, self.places, self.matrices)

    def columns(self) -> Flat:
        """Make a zero a lane: one part, (L, 1)."""
        return Flat(self.whole.new_zeros(len(self.parts[0])), [1])


@dataclass(frozen=True)
class Place:
    """Where one tensor lies in a lane."""

    name: str
    shape: torch.Size
    penalised: bool
    transposed: bool = False  # lies as its transpose does
    is_hidden: bool = False  # a matrix before the last one: see `hidden_matrices`

    @property
    def matrix(self) -> Matrix | None:
        """How it lies, if it is a hidden matrix."""
        if not self.is_hidden:
            return None
        n_out, n_in = self.shape
        return Matrix((n_out, n_in), self.transposed)

    @property
    def size(self) -> int:
        """Entries."""
        return prod(self.shape)

    def view(self, part: Tensor) -> Tensor:
        """View entries (L, size) as they lie as tensors, (L, *shape)."""
        return (
            part.view(-1, *self.shape[::-1]).mT if self.transposed else part.view(-1, *self.shape)
        )

    def entries(self, tensor: Tensor) -> Tensor:
        """Return the entries (size,) of a tensor as they lie."""
        return (tensor.mT if self.transposed else tensor).flatten()


@dataclass(frozen=True)
class Layout:
    """The order of a network's parameters in a lane: penalised ones first."""

    places: tuple[Place, ...]

    @classmethod
    def of(
        cls,
        module: nn.Module,
        exempt: Sequence[str] = (),
        include: Sequence[str] = (),
        *,
        transposed: Sequence[str] = (),
    ) -> Layout:
        """Lay out the trainable parameters of `module`, some matrices as their transposes.

        Raises:
            UsageError: see `weight_names`.
        """
        named = [(n, p.shape) for n, p in module.named_parameters() if p.requires_grad]
        weights, hidden = set(weight_names(module, exempt, include)), hidden_matrices(module)
        named.sort(key=lambda item: item[0] not in weights)
        return cls(
            tuple(
                Place(name, shape, name in weights, name in transposed, name in hidden)
                for name, shape in named
            )
        )

    @property
    def size(self) -> int:
        """P, entries in a lane."""
        return sum(place.size for place in self.places)

    @property
    def n_weights(self) -> int:
        """w, penalised entries."""
        return sum(place.size for place in self.places if place.penalised)

    @property
    def penalised(self) -> tuple[str, ...]:
        """Names of the penalised tensors."""
        return tuple(place.name for place in self.places if place.penalised)

    @property
    def exempt(self) -> tuple[str, ...]:
        """Names of the tensors that are never penalised."""
        return tuple(place.name for place in self.places if not place.penalised)

    def flat(self, rows: Tensor, places: int = 1) -> Flat:
        """Lay out lanes given as rows (L, P), of which so many make a slot."""
        sizes, n_penalised = [place.size for place in self.places], len(self.penalised)
        parts = [part.reshape(-1) for part in rows.split(sizes, 1)]
        matrices = [place.matrix for place in self.places]
        return Flat(torch.cat(parts), sizes, n_penalised, places, matrices)

    def views(self, flat: Flat) -> Tensors:
        """View lanes as tensors by name, each (L, *shape)."""
        pairs = zip(self.places, flat.parts, strict=True)
        return {place.name: place.view(part) for place, part in pairs}

    def first_layer(self, tensors: Tensors) -> Tensor:
        """View the first penalised matrix of lanes as (L, units, inputs).

        Where only vectors are penalised it is the first of them: each unit has one input.
        """
        matrices = [p.name for p in self.places if p.penalised and len(p.shape) > 1]
        first = tensors[(matrices or self.penalised)[0]]
        return first.flatten(2) if matrices else first.reshape(len(first), -1, 1)

    def row(self, module: nn.Module) -> Tensor:
        """Read the parameters of one module as a row (P,)."""
        parameters = dict(module.named_parameters())
        return torch.cat([place.entries(parameters[place.name].detach()) for place in self.places])
