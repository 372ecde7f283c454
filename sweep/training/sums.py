"""Sums along the last axis that come to the same bits wherever a row lies."""

from __future__ import annotations

import torch
from torch import Tensor

VECTORISED = 128  # entries from which torch reads a row on a GPU in vectors (ATen, Reduce.cuh)


def sums(values: Tensor, out: Tensor | None = None) -> Tensor:
    """Add up along the last axis: (…, n) to (…).

    On a GPU torch adds a long row from its first aligned address on: where n is no multiple of 4,
    the last bit depends on where the row begins, and that is the slot. So it is made to add up
    along a slow axis there, which no address comes into.
    """
    if values.device.type == "cuda" and values.shape[-1] >= VECTORISED:
        return torch.sum(slow(values), 0, out=out)
    return torch.sum(values, -1, out=out)


def slow(values: Tensor) -> Tensor:
    """Copy with the last axis as the first and slowest one: (…, n) to (n, …)."""
    return values.movedim(-1, 0).contiguous()
