"""A GPU, done on the CPU: what is on it is out of the host's reach, and comes to it late.

While a `SimulatedGpu` is `present`, torch finds a GPU. Its tensors say that they are on `cuda:0`
and are computed by the CPU, so that what comes of them is right. As on a GPU,

- an operator refuses tensors of both devices (but a number, 0-d, goes along with its launch);
- values reach the host by a copy alone, and one that is not waited for holds NaN until then;
- what the host waits for is noted, and refused while a graph is captured or where
  `torch.cuda.set_sync_debug_mode` says so;
- a graph is captured without being run, and its replay runs operators and nothing of Python.

Not seen are the order of streams, the kernels with their limits and last bits, and memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from sweep.training import cuda_graph
from tests.support.replay import MASKS, REFUSED, Call, aliases, is_view, memory, tensors

GPU = torch.device("cuda:0")
MEMORY = 1 << 30
Storage = torch.UntypedStorage


class OnGpu(Tensor):
    """A tensor on the GPU; `held` has its values."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnGpu:
        # To torch it is on `meta`, a device for which every build has what operators ask for.
        made: OnGpu = Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(),
            dtype=held.dtype, device=torch.device("meta"),
        )  # fmt: skip
        made.held = held
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return GPU

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __repr__(self) -> str:  # type: ignore[override]
        return f"OnGpu({self.held})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, operator: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return SimulatedGpu.now.dispatch(operator, args, kwargs or {})


class SimulatedGpu(TorchDispatchMode):
    """The device.

    Attributes:
        waits: operators that the host waited for.
        n_graphs: graphs that were captured.
        mode: `default`, `error` where waits are refused, or `capture`, where they are too.
    """

    now: SimulatedGpu

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: list[str] = []
        self.n_graphs = 0
        self.mode = "default"
        self._on_the_way: list[tuple[Tensor, Tensor]] = []
        self._calls: list[Call] = []  # of the graph that is being captured
        self._before: dict[int, tuple[Storage, Storage]] = {}  # what its tensors held before

    def __torch_dispatch__(
        self, operator: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return self.dispatch(operator, args, kwargs or {})

    def dispatch(self, operator: OpOverload, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run an operator on the device that it names, or that its tensors are on."""
        name, used = operator._schema.name, tensors((args, kwargs))
        there = [tensor for tensor in used if isinstance(tensor, OnGpu)]
        named = kwargs.get("device")
        on_gpu = bool(there) if named is None else torch.device(named).type != "cpu"
        if name == "aten::copy_" and isinstance(args[0], OnGpu) != isinstance(args[1], OnGpu):
            return self._copy(args[0], args[1], kwargs.get("non_blocking", any(args[2:])))
        if name == "aten::_to_copy":
            is_queued = kwargs.get("non_blocking") and hasattr(args[0], "is_locked")
            if on_gpu != bool(there) and not is_queued:
                self._wait(name)
        elif there:
            self._check(name, args, [t for t in used if t.ndim and not isinstance(t, OnGpu)])
        is_locked = kwargs.get("pin_memory")
        if named is not None:
            kwargs = {**kwargs, "device": "cpu", "pin_memory": False}
        result = self._run(operator, _held(args), _held(kwargs))
        if is_locked:  # the host's memory, which a copy to the device need not wait for
            result.is_locked = True
        if not on_gpu:
            return result
        known = {id(tensor.held): tensor for tensor in there}  # written to, and returned
        return tree_map_only(
            Tensor, lambda t: known[id(t)] if id(t) in known else OnGpu(t), result
        )

    def _copy(self, target: Tensor, source: Tensor, non_blocking: bool) -> Tensor:
        """Copy from one device to the other."""
        if isinstance(source, OnGpu) and non_blocking:
            self._on_the_way.append((target, source.held.clone()))
            return target.fill_(torch.nan)
        self._wait("aten::copy_")
        _held(target).copy_(_held(source))
        return target

    def _check(self, name: str, args: Any, on_host: list[Tensor]) -> None:
        if name in REFUSED:
            self._wait(name)
        if name in ("aten::index", "aten::index_put_"):
            indices = [index for index in args[1] if index is not None]
            theirs = [t for t in on_host if any(t is index for index in indices)]
            if theirs or any(index.dtype in MASKS for index in indices):
                self._wait(name)  # indices of the host's are copied
            on_host = on_host[len(theirs) :]
        if on_host:
            raise RuntimeError(f"{name}: expected all tensors on one device, got cuda:0 and cpu")

    def _wait(self, name: str) -> None:
        if self.mode != "default":
            raise RuntimeError(f"{name} called a synchronizing operation")
        self.waits.append(name)

    def _run(self, operator: OpOverload, args: Any, kwargs: Any) -> Any:
        """Compute it, while a graph is captured with what undoes and what repeats it."""
        if self.mode != "capture":
            return operator(*args, **kwargs)
        for tensor in tensors((args, kwargs)):  # not all that an operator changes is declared
            storage = tensor.untyped_storage()
            if memory(tensor) not in self._before:
                self._before[memory(tensor)] = storage, storage.clone()
        called = aliases(args), aliases(kwargs)
        result = operator(*args, **kwargs)
        if not is_view(operator):
            self._calls.append(Call(operator, *called, aliases(result)))
        return result

    # --- what stands in for calls of torch.cuda

    @contextmanager
    def present(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedGpu]:
        """Let torch find the device."""
        stream = SimpleNamespace(wait_stream=lambda other: None)
        event = SimpleNamespace(record=lambda stream: None, synchronize=self._arrive)
        SimulatedGpu.now = self
        stand_ins: dict[str, Any] = {
            "_lazy_init": lambda: None,
            "is_available": lambda: True,
            "device_count": lambda: 1,
            "get_device_name": lambda device: "simulated",
            "get_device_properties": lambda device: SimpleNamespace(total_memory=MEMORY),
            "max_memory_allocated": lambda device: 0,
            "reset_peak_memory_stats": lambda device: None,
            "empty_cache": lambda: None,
            "Event": lambda: event,
            "device": nullcontext,
            "stream": nullcontext,
            "current_stream": lambda device=None: stream,
            "set_stream": lambda stream: None,
            "synchronize": lambda device=None: self._arrive(),
            "set_sync_debug_mode": self._set_sync_debug_mode,
            "CUDAGraph": SimpleNamespace,
            "graph": self._capture,
        }
        with monkeypatch.context() as patch, self:
            for name, stand_in in stand_ins.items():
                patch.setattr(torch.cuda, name, stand_in)
            patch.setattr(cuda_graph, "_stream", lambda device: stream)
            yield self

    def _arrive(self) -> None:
        for target, values in self._on_the_way:
            target.copy_(values)
        self._on_the_way.clear()

    def _set_sync_debug_mode(self, mode: str) -> None:
        self.mode = mode

    @contextmanager
    def _capture(self, captured: SimpleNamespace, stream: Any) -> Iterator[None]:
        self.mode, self._calls = "capture", []
        try:
            yield
        except RuntimeError as error:  # torch raises once more
            raise RuntimeError("capture_end: the capture was invalidated") from error
        finally:
            self.mode = "default"
            for storage, values in self._before.values():
                storage.copy_(values)
            self._before.clear()
        calls = self._calls

        @torch.no_grad()
        def replay() -> None:
            for call in calls:
                call.again()

        captured.replay, self.n_graphs = replay, self.n_graphs + 1


def _held(tree: Any) -> Any:
    return tree_map_only(OnGpu, lambda tensor: tensor.held, tree)
