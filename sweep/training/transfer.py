"""Copy values between the device and the host without making one wait for the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sweep.training.messages import Array


class Fetched:
    """A copy of values for the host, queued on the device; `values` waits for it."""

    def __init__(self, tensor: Tensor):
        self._copied: torch.cuda.Event | None = None
        self._values = tensor.double()
        if tensor.device.type == "cuda":
            # Pinned: otherwise the copy waits for the device.
            copy = torch.empty(tensor.shape, dtype=torch.float64, pin_memory=True)
            self._values = copy.copy_(self._values, non_blocking=True)
            self._copied = torch.cuda.Event()
            self._copied.record(torch.cuda.current_stream(tensor.device))

    def values(self) -> Array:
        """Return the values as float64."""
        if self._copied:
            self._copied.synchronize()
        return np.asarray(self._values)


def sent(rows: Sequence[Sequence[float]], like: Tensor) -> Tensor:
    """Copy rows of numbers to the device of a tensor, in its precision, without waiting for it."""
    values = torch.tensor(rows, dtype=like.dtype)
    if like.device.type == "cuda":
        pinned = torch.empty(values.shape, dtype=like.dtype, pin_memory=True)
        return pinned.copy_(values).to(like.device, non_blocking=True)
    return values


def on_host(tensor: Tensor) -> Array:
    """Wait for the device and return the values as float64."""
    return Fetched(tensor).values()
