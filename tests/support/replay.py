"""What a CUDA graph does, done on the CPU: record the operators of some work, then run them again.

A replay runs the recorded operators on the recorded tensors and nothing of Python; what an
operator made is copied to where it was the first time. So whatever a graph would get wrong on a
GPU is wrong here: numbers of Python's are those of the recording, and a tensor put in the place
of another is not seen.

Two recordings are compared, so that what can be known from them is refused at once: numbers that
differ, and tensors that come from outside and are others the second time. Those were made on the
host (an index list, for one), or put in the place of others. Refused too is what waits for the
device, or what a capture refuses: see REFUSED.

Not seen are Tensor.tolist and the like inside compiled code, memory that is freed after the
recording, which is kept here, and the order of streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

REFUSED = {
    "aten::_local_scalar_dense": "reads a value on the host",
    "aten::is_nonzero": "reads a value on the host",
    "aten::equal": "reads a value on the host",
    "aten::nonzero": "gives a shape that depends on values",
    "aten::masked_select": "gives a shape that depends on values",
    "aten::_unique2": "gives a shape that depends on values",
    "aten::bincount": "gives a shape that depends on values",
    "aten::repeat_interleave": "gives a shape that depends on values",
    "aten::lift_fresh": "copies from the host",
}
ON_HOST = ("item", "tolist", "numpy", "cpu", "__bool__", "__int__", "__float__", "__array__")
MASKS = (torch.bool, torch.uint8)


class RefusedError(RuntimeError):
    """Work that a CUDA graph cannot replay."""


class Call(NamedTuple):
    """One operator as it was called."""

    operator: OpOverload
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any

    def again(self) -> None:
        """Run it on the same tensors; what it made comes to be where it was."""
        made = self.operator(*self.args, **self.kwargs)
        if isinstance(made, Tensor):
            made, kept = [made], [self.result]
        else:
            made, kept = tree_leaves(made), tree_leaves(self.result)
        for old, new in zip(kept, made, strict=True):
            if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():  # else in place
                old.copy_(new)


class Recorder(TorchDispatchMode):
    """Runs operators as they come, and adds them to a list."""

    def __init__(self, calls: list[Call]):
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls = calls

    def __torch_dispatch__(
        self, operator: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        refuse(operator, args)
        kwargs = kwargs or {}
        called = aliases(args), aliases(kwargs)
        result = operator(*args, **kwargs)
        self.calls.append(Call(operator, *called, aliases(result)))
        return result


class OnHost(TorchFunctionMode):
    """Refuses what brings a tensor to the host without an operator, on a CPU."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if getattr(function, "__name__", "") in ON_HOST and isinstance(args[0], Tensor):
            raise RefusedError(f"Tensor.{function.__name__} waits for the device")
        return function(*args, **(kwargs or {}))


def refuse(operator: OpOverload, args: Any) -> None:
    name = operator._schema.name
    if name in REFUSED:
        raise RefusedError(f"{name} {REFUSED[name]}")
    if name.startswith("aten::index") and isinstance(args[1], list):
        masks = [index for index in args[1] if index is not None and index.dtype in MASKS]
        if masks:
            raise RefusedError(f"{name} with a mask gives a shape that depends on values")


def recorded(work: Callable[[], object]) -> list[Call]:
    calls: list[Call] = []
    with OnHost(), Recorder(calls):
        work()
    return calls


def capture(work: Callable[[], object], state: Sequence[Tensor]) -> Callable[[], None]:
    """Stand in for `sweep.training.cuda_graph.capture` on a CPU.

    Raises:
        RefusedError: a CUDA graph could not replay the work, or would replay something else.
    """
    saved = [tensor.clone() for tensor in state]
    recordings = []
    for _ in range(2):
        recordings.append(recorded(work))
        with torch.no_grad():
            for tensor, value in zip(state, saved, strict=True):
                tensor.copy_(value)
    compare(*recordings)
    # A view stays what it is: what it looks at is written again.
    calls = [call for call in recordings[1] if not is_view(call.operator)]

    @torch.no_grad()
    def replay() -> None:
        for call in calls:
            call.again()

    return replay


def compare(first: Sequence[Call], second: Sequence[Call]) -> None:
    """Refuse work that does not do the same, on the same tensors, both times."""
    if [call.operator for call in first] != [call.operator for call in second]:
        raise RefusedError("other operators the second time")
    for (one, outer), (other, again) in zip(origins(first), origins(second), strict=True):
        where = one.operator._schema.name
        if outer != again:
            raise RefusedError(f"{where} reads a tensor that is another one the second time")
        if numbers(one) != numbers(other):
            raise RefusedError(f"{where} has other numbers the second time")


def origins(calls: Sequence[Call]) -> Iterator[tuple[Call, list[int]]]:
    """Tell of each call the memory that it reads or writes and that no call before it made."""
    made: set[int] = set()
    for call in calls:
        used = {memory(tensor) for tensor in tensors((call.args, call.kwargs))}
        yield call, sorted(used - made)
        made |= {memory(tensor) for tensor in tensors(call.result)} - used


def numbers(call: Call) -> str:
    """Write out the arguments, of tensors the shape alone."""
    return repr(tree_map_only(Tensor, lambda t: tuple(t.shape), (call.args, call.kwargs)))


def is_view(operator: OpOverload) -> bool:
    return operator.is_view or torch.Tag.inplace_view in operator.tags


def aliases(tree: Any) -> Any:
    """Keep tensors as they are now: their shape may be changed in place afterwards."""
    return tree_map_only(Tensor, Tensor.detach, tree)


def tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
