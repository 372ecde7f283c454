"""Functions of single entries, with the same bits wherever an entry lies.

On a CPU torch takes entries in vectors, and those left at the end of a tensor one by one, which
some functions round in another way: the last lane would have other bits than the rest. Here what
is left is taken as a vector too. (Those of tanh, exp, log and of other functions that are not
listed here are the same everywhere.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sweep.training.over_lanes import by_all_lanes, over_lanes

VECTOR = 32  # entries that torch takes at once at most

OfEntries = Callable[..., Tensor]


def in_vectors(entries: int) -> bool:
    """Whether nothing is left of so many entries of a lane, or of all."""
    return entries % (VECTOR * torch.get_num_threads()) == 0


def by_vectors(function: OfEntries, *tensors: Tensor) -> Tensor:
    """Apply a function of entries to tensors of one shape."""
    first = tensors[0]
    if torch.compiler.is_compiling() or first.device.type != "cpu":
        return function(*tensors)
    missing = -first.numel() % (VECTOR * torch.get_num_threads())
    if missing:
        flat = (F.pad(tensor.reshape(-1), (0, missing)) for tensor in tensors)
        return function(*flat)[: first.numel()].view(first.shape)
    out = function(*(tensor.contiguous() for tensor in tensors))
    if out.requires_grad:
        out.register_hook(torch.Tensor.contiguous)  # of a sum it is not, and taken one by one
    return out


def sigmoid_(z: Tensor) -> Tensor:
    """Overwrite contiguous z with sigmoid(z)."""
    if torch.compiler.is_compiling() or z.device.type != "cpu":
        return z.sigmoid_()
    flat, unit = z.view(-1), VECTOR * torch.get_num_threads()
    whole, rest = flat.split([flat.numel() // unit * unit, flat.numel() % unit])
    whole.sigmoid_()
    if len(rest):
        rest.copy_(by_vectors(torch.sigmoid, rest))
    return z


def _in_lane(function: OfEntries, x: Any, *args: Any, **options: Any) -> Tensor:
    """Apply a function of entries, and of numbers, in all lanes at once."""
    if torch.compiler.is_compiling():
        return function(x, *args, **options)
    of_entries = partial(_with_numbers, function, args, options)
    numbers = all(isinstance(arg, int | float | str) for arg in (*args, *options.values()))
    if not numbers or not isinstance(x, Tensor) or in_vectors(x.numel()) or not by_all_lanes(x):
        return of_entries(x)
    (out,) = over_lanes(lambda t: (by_vectors(of_entries, t),), x)
    return out


def _with_numbers(function: OfEntries, args: Any, options: Any, x: Tensor) -> Tensor:
    return function(x, *args, **options)


def _overwriting(function: OfEntries, x: Tensor, *args: Any, **options: Any) -> Tensor:
    return x.copy_(_in_lane(function, x.clone(), *args, **options))


def _with_inplace(function: OfEntries) -> OfEntries:
    """Take `inplace` as functions of `torch.nn.functional` do: by name, or last."""

    def run(input: Tensor, *args: Any, inplace: bool = False, **options: Any) -> Tensor:
        if args and isinstance(args[-1], bool):
            *args, inplace = args  # type: ignore[assignment]
        return (_overwriting if inplace else _in_lane)(function, input, *args, **options)

    return run


def _everywhere(name: str) -> Mapping[Any, Callable[..., Any]]:
    """Find a function in each place where torch has it, and the one that overwrites its input."""
    function = getattr(torch, name, None) or getattr(F, name)
    found = {}
    for home in (torch, torch.Tensor, F, torch.special):
        for of, run in ((name, _in_lane), (f"{name}_", _overwriting)):
            if hasattr(home, of):
                found[getattr(home, of)] = partial(run, function)
    return found


def _power(x: Any, exponent: Any) -> Tensor:
    """Whole powers are products, whose bits are the same everywhere."""
    if isinstance(x, int | float):
        return _in_lane(partial(torch.pow, x), exponent)
    whole = isinstance(exponent, int) and exponent >= 0
    return torch.pow(x, exponent) if whole else _in_lane(torch.pow, x, exponent)


_NAMES = "sigmoid", "exp2", "sinh", "cosh", "atanh", "gelu", "softplus", "selu", "celu", "elu"

# Of torch's functions what stands in for them in a lane.
ENTRIES: Mapping[Any, Callable[..., Any]] = {
    **{function: run for name in _NAMES for function, run in _everywhere(name).items()},
    **{f: _with_inplace(f) for f in (F.silu, F.mish, F.elu, F.selu, F.celu)},
    torch.special.expit: partial(_in_lane, torch.sigmoid),
    torch.pow: _power, torch.Tensor.pow: _power, torch.Tensor.__pow__: _power,
    torch.Tensor.__rpow__: lambda x, base: _power(base, x),
    torch.Tensor.pow_: partial(_overwriting, torch.pow),
}  # fmt: skip
