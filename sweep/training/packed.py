"""Packed sequences in lanes: rows of a sequence batch that differ in length.

Where all lanes have the same lengths, rows are packed as torch packs them. Lengths that are found
in the data differ by lane, so no two lanes would have as many rows: there everything stays padded,
and a mask says which rows count.

| symbol | meaning | shape |
|---|---|---|
| T, B | steps, sequences, the longest first | |
| x | sequences | (T, B, F), or packed (N, F) |
| sizes | sequences that have a step; carried along by torch.nn.utils.rnn.PackedSequence | (T,) |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sweep.errors import UsageError


@dataclass(frozen=True)
class Packing:
    """How sequences are packed.

    Attributes:
        mask: which sequences have a step, (T, B); None where all have all.
        steps, sequences: T and B.
        rows: the place of each packed row in (T, B), flat; None where all are kept.
    """

    mask: Tensor | None
    steps: int
    sequences: int
    rows: Tensor | None

    def packed(self, x: Tensor) -> Tensor:
        """Take the rows that count out of (T, B, …)."""
        flat = x.flatten(0, 1)
        return flat if self.rows is None else flat.index_select(0, self.rows)

    def padded(self, x: Tensor) -> Tensor:
        """Put packed rows into (T, B, …); what does not count repeats another row."""
        if self.rows is not None:
            places = torch.zeros(self.steps * self.sequences, dtype=torch.int64, device=x.device)
            places[self.rows] = torch.arange(len(self.rows), device=x.device)
            x = x.index_select(0, places)
        return x.view(self.steps, self.sequences, *x.shape[1:])


def _ragged(sizes: list[int], device: torch.device) -> Packing:
    """Return the packing of lengths that all lanes share."""
    counts = torch.tensor(sizes, device=device)
    mask = torch.arange(sizes[0], device=device) < counts[:, None]
    return Packing(mask, len(sizes), sizes[0], mask.flatten().nonzero()[:, 0])


def _masked(lengths: Tensor, steps: int) -> Packing:
    """Return the packing of lengths (B,) that each lane has of its own."""
    mask = torch.arange(steps, device=lengths.device)[:, None] < lengths
    return Packing(mask, steps, lengths.shape[0], None)


def packing_of(sizes: Tensor, device: torch.device) -> Packing:
    """Return how a packed sequence was packed, by its sizes."""
    if found := getattr(sizes, _OF_LANE, None):
        lengths, steps = found
        return _masked(lengths.to(device), steps)
    return _ragged(sizes.tolist(), device)


def pack(x: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    """Return packed rows and sizes, as torch._pack_padded_sequence does."""
    x = x.transpose(0, 1) if batch_first else x
    if torch._C._functorch.is_batchedtensor(lengths):
        sizes = torch.tensor([x.shape[1]])
        setattr(sizes, _OF_LANE, (lengths, len(x)))
        return packing_of(sizes, x.device).packed(x), sizes
    each = lengths.tolist()
    if sorted(each, reverse=True) != each:
        raise ValueError("lengths: must fall, got others. Pack with enforce_sorted=False")
    sizes = torch.tensor([sum(length > t for length in each) for t in range(each[0])])
    return packing_of(sizes, x.device).packed(x[: each[0]]), sizes


def pad(
    x: Tensor, sizes: Tensor, batch_first: bool, value: float, total: int
) -> tuple[Tensor, Tensor]:
    """Return padded sequences and their lengths, as torch._pad_packed_sequence does."""
    packing = packing_of(sizes, x.device)
    if packing.rows is None and total < packing.steps:
        raise UsageError(
            "model: must call pad_packed_sequence with total_length, where each lane has lengths"
            f" of its own, got none. Write total_length={packing.steps}"
        )
    out = packing.padded(x)
    mask = packing.mask
    assert mask is not None
    out = torch.where(mask.view(*mask.shape, *[1] * (out.ndim - 2)), out, value)
    out = F.pad(out, (*[0, 0] * (out.ndim - 1), 0, total - packing.steps), value=value)
    return (out.transpose(0, 1) if batch_first else out), mask.sum(0).cpu()


_OF_LANE = "_sweep_lengths"
PACKING: Mapping[Any, Callable[..., Any]] = {
    torch._C._VariableFunctions._pack_padded_sequence: pack,
    torch._C._VariableFunctions._pad_packed_sequence: pad,
}
