"""One block of memory for a kind of entry of all lanes: parameters, gradient, optimiser state.

| symbol | meaning | shape |
|---|---|---|
| L | lanes | |
| P | entries of a lane, in tensors of size₁ + size₂ + … | |
| whole | all entries, tensor by tensor: L·size₁ of the first, L·size₂ of the second, … | (L·P,) |
| part | all lanes of one tensor: a contiguous view | (L, size) |

What treats all entries alike runs once, over `whole`; what differs from lane to lane runs over
the parts, against a column (L, 1). A part being contiguous, the matrices of all lanes are one
operand of a batched product, and one can be its result.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor


class Flat:
    """Entries of all lanes.

    Args:
        whole: (L·P,), contiguous.
        sizes: of each tensor in a lane.
        n_penalised: tensors that are penalised; they come first.
        places: lanes of a slot, which train one trial.

    Attributes:
        parts: (L, size) of each tensor.
        weights: those of the penalised ones.
    """

    def __init__(self, whole: Tensor, sizes: Sequence[int], n_penalised: int = 0, places: int = 1):
        self.whole, self.sizes, self.n_penalised = whole, tuple(sizes), n_penalised
        self.places = places
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
        return Flat(torch.zeros_like(self.whole), self.sizes, self.n_penalised, self.places)

    def columns(self) -> Flat:
        """Make a zero a lane: one part, (L, 1)."""
        return Flat(self.whole.new_zeros(len(self.parts[0])), [1])
