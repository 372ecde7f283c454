"""Compute on the tensors of all lanes from inside one lane's forward(), below vmap.

vmap gives each of torch's operators a form for all lanes, one by one, with views and copies in
between. What knows the whole can do with fewer, and autograd sees these alone.

| symbol | meaning |
|---|---|
| L | lanes |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch
from torch._functorch import pyfunctorch

DTYPES = torch.float32, torch.float64

Outs = tuple[Tensor, ...]


def for_all_lanes(x: Tensor) -> bool:
    """Tell whether `at_once` is the faster way to what begins with x.

    It is on a CPU alone; not while torch.compile joins operators itself, nor where autocast
    chooses their precision, nor under a transform of the user's own.
    """
    if x.device.type != "cpu" or x.dtype not in DTYPES or torch.compiler.is_compiling():
        return False
    if torch.is_autocast_enabled("cpu"):
        return False
    levels = _levels()
    return not levels or (len(levels) == 1 and isinstance(levels[0], pyfunctorch.VmapInterpreter))


def at_once(function: Callable[..., Outs], *tensors: Tensor | None) -> Outs:
    """Call a function with what all lanes have of some tensors, and return a lane's own.

    Args:
        function: of tensors (L, …), to tensors (L, …).
        tensors: of one lane; what all lanes share comes expanded.
    """
    levels = _levels()
    if not levels:
        outs = function(*(None if t is None else t[None] for t in tensors))
        return tuple(out[0] for out in outs)
    lanes, level = levels[0].batch_size(), levels[0].level()
    with levels[0].lower():
        outs = function(*(_of_lanes(t, level, lanes) for t in tensors))
    return tuple(_functorch._add_batch_dim(out, 0, level) for out in outs)


def _of_lanes(tensor: Tensor | None, level: int, lanes: int) -> Tensor | None:
    if tensor is None:
        return None
    whole, axis = _functorch._unwrap_batched(tensor, level)
    return whole.expand(lanes, *whole.shape) if axis is None else whole.movedim(axis, 0)


def _levels() -> list[Any]:
    """List the transforms of torch.func that run."""
    if _functorch.peek_interpreter_stack() is None:
        return []
    return pyfunctorch.retrieve_all_functorch_interpreters()
