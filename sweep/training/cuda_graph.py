"""Work on a GPU as a CUDA graph: launched kernel by kernel once, replayed as a whole after that.

A small network's kernels take less time than the host needs to launch them. A replay is one
launch: it runs the same kernels on the same addresses, and nothing of Python. So what the work
reads and writes must stay where it is, what differs from one time to the next must be on the
device, and nothing may wait for the device.

A capture that fails leaves things broken: more of them before pytorch/pytorch#176753. So the work
is first run where torch raises at what waits, which is most of what a capture would fail at.
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

    Where it cannot be captured, the log says why, once for every reason.

    Args:
        work: touches only tensors that exist and stay where they are; what it returns is dropped.
            It is run three times before it is captured.
        state: all that the work changes and a later run reads; it is left as it was.

    Returns:
        The replay, or None where the work waits for the device or a capture fails.

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
    """Run work where torch raises at what waits for the device; return what it raised."""
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
    """Return what began it: leaving a capture that failed raises once more."""
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
