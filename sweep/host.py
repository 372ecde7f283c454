"""Values on their way from the device to the host."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sweep.reports import Array


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
