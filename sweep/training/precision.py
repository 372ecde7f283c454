"""The precision of a step's products; weights, losses and the optimiser stay in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

Precision = Literal["float32", "tf32", "bfloat16"]


def casts(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a network's forward pass makes its products in bfloat16.

    The backward pass makes its own in the precision that each tensor had forward.
    """
    if precision != "bfloat16":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


@contextmanager
def rounded(precision: Precision) -> Iterator[None]:
    """Let a GPU round the factors of products to TF32 meanwhile, if that is the precision."""
    if precision != "tf32":
        yield
        return
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
