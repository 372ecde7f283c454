"""The network of the user's own: made by the user's function, or refused in one line."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from sweep.data.guarded import guarded
from sweep.data.user_code import OwnFunction
from sweep.errors import UsageError
from sweep.runtime import total_memory_bytes

LARGE_BYTES = 256 << 20  # of a network, whose size is looked at before it is made
COPIES = 10  # of a network, held while two lanes of it are tried: weights, gradients, flat rows


@dataclass(frozen=True)
class OwnFactory:
    """Make the user's network, ready to lie in lanes.

    Attributes:
        function: the user's.
        n_features: of a row; its shape, where a row has several dimensions.
        n_outputs: C.
        rows: a few rows (B, *features) on the CPU, by which lazy layers learn their shapes.
        output: what forward() calls its outputs, where it returns a dict.
        categories: how many codes each of the last features has, where some are categories.
    """

    function: OwnFunction
    n_features: int | tuple[int, ...]
    n_outputs: int
    rows: Tensor
    output: str | None = None
    categories: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a function that would take codes for numbers."""
        if self.categories:
            self.function.knowing(categories=self.categories)

    @property
    def arguments(self) -> str:
        """What the function is called with, as Python."""
        args, named = self._function.taken(**self._given)
        named |= {"categories": self.categories} if self.categories else {}
        return ", ".join([*map(repr, args), *(f"{name}={v!r}" for name, v in named.items())])

    def __call__(self) -> nn.Module:
        """Make one network, of float32 on a device that holds it.

        Raises:
            UsageError: in one line, when the function fails or gives no such network.
        """
        try:
            with torch.random.fork_rng(devices=[]):
                return self._made(LARGE_BYTES)
        except _LargeError:
            self._try_without_memory()
        return self._made(total_memory_bytes() // COPIES)

    def _made(self, most_bytes: int) -> nn.Module:
        with _Allocations(most_bytes) as allocations:
            try:
                module = self._function(**self._given)
                return guarded(
                    lambda: self._usable(module), lambda got: self._line("readable", got)
                )
            except _LargeError:
                if most_bytes == LARGE_BYTES:
                    raise
                raise self._too_large(allocations.size_bytes) from None

    def _try_without_memory(self) -> None:
        """Refuse at once what no memory holds, where torch can tell its size without making it."""
        allocations = _Allocations(total_memory_bytes() // COPIES)
        try:
            with torch.random.fork_rng(devices=[]), torch.device("meta"), allocations:
                self._function(**self._given)
        except _LargeError:
            raise self._too_large(allocations.size_bytes) from None
        except UsageError:
            return  # it reads what it makes

    def _too_large(self, size_bytes: int) -> UsageError:
        got, have = f"{size_bytes / 1e9:,.1f} GB", f"{total_memory_bytes() / 1e9:,.1f} GB"
        rule = f"at most a {COPIES}th of the {have} of memory here"
        return UsageError(self._line(rule, got, "Make it smaller"))

    @property
    def where(self) -> str:
        """Say in messages whose network it is."""
        return f" ({self.function.source})"

    @property
    def _function(self) -> OwnFunction:
        known = {"categories": self.categories} if self.categories else {}
        return self.function.knowing(**known)

    @property
    def _given(self) -> dict[str, Any]:
        return {"n_features": self.n_features, "n_outputs": self.n_outputs}

    def _line(self, rule: str, got: str, hint: str = "Mend the function") -> str:
        where, source = self.function.key, self.function.source
        return f"{where}: the network must be {rule}, got {got} ({source}). {hint}"

    def _refuse_unless(self, good: bool, rule: str, got: str, hint: str) -> None:
        if not good:
            raise UsageError(self._line(rule, got, hint))

    def _usable(self, module: Any) -> nn.Module:
        kind = "None" if module is None else type(module).__name__
        kind = f"the class {module.__name__}" if isinstance(module, type) else kind
        hint = "Return the module itself"
        self._refuse_unless(isinstance(module, nn.Module), "a torch.nn.Module", kind, hint)
        for part in module.modules():
            self._check_kind(part)
        if any(map(is_lazy, _tensors(module))):
            self._learn_shapes(module)
        for name, tensor in chain(module.named_parameters(), module.named_buffers()):
            self._check_tensor(name, tensor)
        size_bytes = 4 * sum(tensor.numel() for tensor in module.parameters())
        if COPIES * size_bytes > total_memory_bytes():
            raise self._too_large(size_bytes)
        return _with_float32_buffers(module)

    def _check_kind(self, part: nn.Module) -> None:
        kind, plain = type(part).__name__, "a plain torch.nn.Module"
        scripted = isinstance(part, torch.jit.ScriptModule | torch.jit.ScriptFunction)
        self._refuse_unless(not scripted, plain, f"{kind} of torch.jit", "Leave torch.jit out")
        compiled = (
            hasattr(part, "_orig_mod")
            or getattr(part, "_compiled_call_impl", None) is not None
            or hasattr(part.forward, "_torchdynamo_orig_callable")
        )
        hint = "Leave torch.compile out, and set training.compile: true instead"
        self._refuse_unless(not compiled, plain, f"{kind} of torch.compile", hint)

    def _check_tensor(self, name: str, tensor: Tensor) -> None:
        hint = "Use every lazy layer in forward(), or give it its sizes"
        self._refuse_unless(not is_lazy(tensor), "whole after four rows", f"lazy {name}", hint)
        hint = "Make it on the CPU"
        self._refuse_unless(not tensor.is_meta, "of real tensors", f"{name} on meta", hint)
        dense = tensor.layout is torch.strided
        self._refuse_unless(dense, "of dense tensors", f"{tensor.layout} {name}", "Use to_dense()")
        wide = isinstance(tensor, nn.Parameter) and tensor.dtype != torch.float32
        got = f"{tensor.dtype} {name}".removeprefix("torch.")
        self._refuse_unless(not wide, "of float32", got, "Call .float() on it")

    def _learn_shapes(self, module: nn.Module) -> None:
        """Have lazy layers make their weights: from the generator as it stands, as others do."""

        def run() -> None:
            with torch.no_grad():
                module.eval()
                module(self.rows)
                module.train()

        rule = f"made by rows of shape {tuple(self.rows.shape[1:])}"
        guarded(run, lambda got: self._line(rule, got, "Mend forward()"))


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _with_float32_buffers(module: nn.Module) -> nn.Module:
    """Turn buffers of other floats into those that lanes have."""
    for part in module.modules():
        for name, buffer in part._buffers.items():
            if buffer is not None and buffer.is_floating_point():
                part._buffers[name] = buffer.float()
    return module


class _LargeError(UsageError):
    """Report that a network takes more memory than is allowed."""


class _Allocations(TorchDispatchMode):
    """Count what new tensors take, and stop before the one that is too much.

    Args:
        most_bytes: of all of them.
    """

    def __init__(self, most_bytes: int):
        super().__init__()  # type: ignore[no-untyped-call]
        self._most_bytes, self.size_bytes = most_bytes, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        size, named = args[0] if args else None, kwargs or {}
        shape = size if isinstance(size, list | tuple) else ()
        if func._schema.name.endswith("_like") and isinstance(size, Tensor):
            shape = size.shape
        if len(shape) and all(isinstance(n, int) for n in shape):
            dtype = named.get("dtype") or torch.get_default_dtype()
            self.size_bytes += prod(shape) * dtype.itemsize
            if self.size_bytes > self._most_bytes:
                raise _LargeError
        return func(*args, **named)
