"""CUDA graphs: work on a GPU is launched kernel by kernel once, and replayed as a whole later.

A small network's kernels take less time than the host needs to launch them. A replay is one
launch: it runs the same kernels on the same addresses, and no Python. So the work's tensors must
keep their addresses, values that vary must lie in tensors on the device, and nothing may wait for
the device.

A failed capture leaves torch in a broken state (worse before pytorch/pytorch#176753). So the work
first runs in a mode in which torch raises at every wait: that is why most captures fail.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from sweep.runtime import is_out_of_memory

Work = Callable[[], object]
Replay = Callable[[], None]
WARM_UPS = 2  # compile, load kernels, make handles of libraries


@torch.no_grad()
def capture(work: Work, state: Sequence[Tensor]) -> Replay | None:
    """Capture work on a GPU; return its replay, for the stream that is current when it is called.

    If it cannot be captured, the log says why, once for each reason.

    Args:
        work: touches only existing tensors that keep their addresses; its result is dropped.
            It is run three times before it is captured.
        state: tensors that the work changes and a later run reads; they are restored.

    Returns:
        The replay, or None if the work waits for the device or the capture fails.

    Raises:
        Exception: the work fails for a reason of its own, such as full memory.
    """
    device = state[0].device
    with torch.cuda.device(device):
        saved = [tensor.clone() for tensor in state]
        home, stream = torch.cuda.current_stream(), _stream(device)
        stream.wait_stream(home)
        # Handles of libraries and their memory belong to a stream: it is the one of the capture.
        try:
            with torch.cuda.stream(stream):
                for _ in range(WARM_UPS):
                    work()
                failure = _failure_without_waits(work)
        finally:
            home.wait_stream(stream)
        for tensor, value in zip(state, saved, strict=True):
            tensor.copy_(value)
        if failure is None:
            graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(graph, stream=stream):
                    work()
            except RuntimeError as error:
                torch.cuda.set_stream(home)  # leaving the capture raised before it did that
                torch.cuda.synchronize()
                failure = error
            else:
                return graph.replay
    began = _began(failure)
    if is_out_of_memory(began):
        raise began
    _tell((str(began).strip() or type(began).__name__).splitlines()[0].rstrip("."))
    return None


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


def _failure_without_waits(work: Work) -> RuntimeError | None:
    """Run work in the mode in which torch raises at every wait; return the exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mode warns that it does not find everything
        torch.cuda.set_sync_debug_mode("error")
    try:
        work()
    except RuntimeError as error:
        return error
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return None


def _began(error: BaseException) -> BaseException:
    """Return the first exception of a chain: leaving a failed capture raises another one."""
    while error.__context__ is not None:
        error = error.__context__
    return error


@cache
def _tell(cause: str) -> None:
    logging.getLogger("sweep").warning(
        "training.cuda_graph: must be work that a GPU can capture, got %s. Training goes on"
        " without graphs",
        cause,
    )
