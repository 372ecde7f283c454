"""Layers that are exchanged before a network trains in lanes.

Few have to be: functions that lanes cannot run are led elsewhere wherever they are called, see
`forward`. A layer is exchanged where its forward() keeps a state outside its tensors, or needs a
Python number that each lane has of its own. Names of tensors stay, and so does the `state_dict`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from sweep.training.counters import FORWARD, CounterDropout
from sweep.training.forward import KEY
from sweep.training.written_out import CumulativeNorm

Swap = Callable[[nn.Module], nn.Module]


def _counter_dropout(module: nn.Module) -> nn.Module:
    assert isinstance(module, nn.Dropout)
    return CounterDropout(module.p)


def _cumulative_norm(module: nn.Module) -> nn.Module:
    """Let a BatchNorm that averages over all batches count them in a tensor."""
    assert isinstance(module, _BatchNorm)
    if module.momentum is None:
        kind = type(module)
        module.__class__ = type(kind.__name__, (CumulativeNorm, kind), {})
    return module


# By class of torch. A subclass of the user's is exchanged too while its forward() is torch's.
SWAPS: Mapping[type[nn.Module], Swap] = {
    nn.Dropout: _counter_dropout,
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _cumulative_norm),
}


def swapped(module: nn.Module) -> nn.Module:
    """Exchange what `SWAPS` names inside a network, or the network itself, each layer once."""
    return _swapped(module, {})


def _swapped(module: nn.Module, done: dict[int, nn.Module]) -> nn.Module:
    if id(module) in done:
        return done[id(module)]
    kind = next((kind for kind in type(module).__mro__ if kind in SWAPS), None)
    if kind and _forward(type(module)) is _forward(kind):
        done[id(module)] = SWAPS[kind](module)
        return done[id(module)]
    done[id(module)] = module
    if isinstance(module, nn.RNNBase):
        # It would look where the weights lie, to move them together; those of lanes lie nowhere.
        object.__setattr__(module, "flatten_parameters", _nothing)
    if isinstance(module, nn.TransformerEncoder):
        # vmap has no nested tensors. Without them padded places are in evaluation what they are in
        # training; torch alone makes them 0 there.
        module.use_nested_tensor = False
    for name, child in module._modules.items():
        if child is not None and (new := _swapped(child, done)) is not child:
            setattr(module, name, new)
    return module


def _forward(kind: type[nn.Module]) -> Any:
    return kind.forward


def _nothing() -> None:
    return None


def keys_of(module: nn.Module) -> Iterator[tuple[str, int]]:
    """Name the buffers that hold the keys of draws, and the layer that each counts as."""
    dropouts = (
        f"{name}.key".lstrip(".")
        for name, part in module.named_modules()
        if isinstance(part, CounterDropout)
    )
    for layer, name in enumerate(dropouts):
        yield name, layer
    if KEY in module._buffers:
        yield KEY, FORWARD
