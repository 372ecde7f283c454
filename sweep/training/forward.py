"""What a network's forward() runs under in a lane.

Functions of torch that vmap cannot batch, or that draw from the global generator, are written out
in `written_out`, `recurrent`, `packed`, `attention` and `drawing`; here calls of them are led
there, wherever they come from: torch's own layers, subclasses of them, or lines of the user's.
So a network keeps its modules, its names and its `state_dict`. A function whose mathematics vmap
can batch, but slowly, may be written out too: add it to `FUNCTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sweep.training.attention import ATTENTION
from sweep.training.convolution import CONVOLUTIONS
from sweep.training.counters import Draws
from sweep.training.drawing import DRAWING
from sweep.training.entries import ENTRIES
from sweep.training.normalisation import NORMALISATION
from sweep.training.outputs import read_outputs
from sweep.training.packed import PACKING
from sweep.training.pooling import POOLING
from sweep.training.recurrent import CELLS, RECURRENT
from sweep.training.written_out import WRITTEN_OUT

KEY = "_sweep_draws"  # the buffer of a network that holds the key of its draws

# Of torch's functions what stands in for them: those that draw take the lane's `Draws` first.
FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    **WRITTEN_OUT, **PACKING, **CELLS, **POOLING, **CONVOLUTIONS, **NORMALISATION,
    **ENTRIES,
}  # fmt: skip
FUNCTIONS_THAT_DRAW: Mapping[Any, Callable[..., Any]] = {**DRAWING, **RECURRENT, **ATTENTION}


class _InLane(TorchFunctionMode):
    """Lead calls of torch's functions to what stands in for them."""

    def __init__(self, draws: Draws):
        super().__init__()
        self._draws = draws

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if written := FUNCTIONS.get(func):
            return written(*args, **(kwargs or {}))
        if drawing := FUNCTIONS_THAT_DRAW.get(func):
            return drawing(self._draws, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


class Forward:
    """A network's forward() in a lane.

    Args:
        module: the network, whose own forward() this calls.
        output: what it calls its outputs, where it returns a dict.
        where: says in messages whose network it is.
    """

    def __init__(self, module: nn.Module, output: str | None = None, where: str = ""):
        self.own = module.forward
        self._module, self._output, self._where = module, output, where

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the outputs (rows, C)."""
        return read_outputs(self.returned(*args, **kwargs), self._output, self._where)

    def returned(self, *args: Any, **kwargs: Any) -> Any:
        """Return what forward() returns."""
        key = self._module._buffers[KEY]
        assert key is not None
        with _InLane(Draws(key)):
            return self.own(*args, **kwargs)


def ready_for_lanes(module: nn.Module, output: str | None = None, where: str = "") -> nn.Module:
    """Have a network draw by the key of its lane, and run what vmap cannot batch, in place.

    Args:
        module: the network.
        output, where: see `Forward`.
    """
    module.register_buffer(KEY, torch.zeros((), dtype=torch.int64))
    object.__setattr__(module, "forward", Forward(module, output, where))
    return module
