"""Functions of all lanes at once, called from where vmap shows one lane.

`torch.autograd.Function` has a rule for vmap of its own, which takes a few tenths of a millisecond
a call: as long as a small layer. Here the axis of the lanes is laid open without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch as functorch
from torch._functorch.pyfunctorch import retrieve_current_functorch_interpreter
from torch.autograd import Function

DTYPES = torch.float32, torch.float64
AT_ONCE = 1 << 18  # entries that are worked on at once

OfLanes = Callable[..., tuple[Tensor, ...]]


def by_all_lanes(x: Tensor) -> bool:
    """Whether a layer is to run over all lanes of inputs at once.

    It is on a CPU, in the precision of its inputs, where nothing but vmap hides axes.
    """
    if x.device.type != "cpu" or x.dtype not in DTYPES or x.numel() == 0:
        return False
    if torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return False
    levels = functorch.get_interpreter_stack() or []
    return all(level.key() == functorch.TransformType.Vmap for level in levels)


def applied(function: type[Function], *args: Any) -> tuple[Tensor, ...]:
    """Run a function of lanes, and return all its outputs."""
    outs: Tensor | tuple[Tensor, ...] = function.apply(*args)
    return (outs,) if isinstance(outs, Tensor) else outs


def over_lanes(work: OfLanes, *tensors: Tensor | None) -> list[Tensor]:
    """Call `work` on tensors (L, …) of all lanes; of one where no vmap is.

    Args:
        work: of tensors (L, …) some (L, …). What lanes share has a stride of 0 along the first
            axis.
        tensors: of one lane, or None, which stays so.
    """
    outs = _opened(work, [None if t is None else t[None] for t in tensors])
    return [out.squeeze(0) for out in outs]


def _opened(work: OfLanes, tensors: Sequence[Tensor | None]) -> Sequence[Tensor]:
    """Join the axis that each vmap hides with the first one."""
    if not torch._C._are_functorch_transforms_active():
        return work(*tensors)
    vmap = retrieve_current_functorch_interpreter()
    level, size = vmap.level(), vmap.batch_size()  # type: ignore[attr-defined]
    held = [None if tensor is None else _joined(tensor, level, size) for tensor in tensors]
    with vmap.lower():
        outs = _opened(work, held)
    return [functorch._add_batch_dim(out.unflatten(0, (size, -1)), 0, level) for out in outs]


def _joined(tensor: Tensor, level: int, size: int) -> Tensor:
    held, axis = functorch._unwrap_batched(tensor, level)
    lanes = held.expand(size, *held.shape) if axis is None else held.movedim(axis, 0)
    return lanes.flatten(0, 1)


def parts(x: Tensor) -> list[slice]:
    """Split lanes, so that what is done to one part of x stays in a cache."""
    n = max(1, AT_ONCE // x[0].numel())
    return [slice(at, at + n) for at in range(0, len(x), n)]
