"""How many lanes train at once, on which device, and in how many processes."""

from __future__ import annotations

import os
import sys

import torch

from sweep.data.problem import Problem
from sweep.errors import UsageError
from sweep.spec.sections import MlpSpec
from sweep.spec.study import StudySpec

# Lanes that one CPU core trains at once: more share the fixed cost of a step, until they leave
# the caches. A step that autograd differentiates has the larger fixed cost.
CPU_BYTES, CPU_BYTES_AUTOGRAD = 18 << 20, 64 << 20
CUDA_SHARE = 0.4  # of the card's memory


def resolve_device(name: str) -> torch.device:
    """Return the device to train on.

    Raises:
        UsageError: a GPU is asked for and there is none, or not that one.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise UsageError(
                f"device: must be there, got {name} with {count} usable GPUs."
                " Use --device auto or cpu"
            )
    return device


def choose_width(
    spec: StudySpec, problem: Problem, lane_bytes: int, device: torch.device
) -> tuple[int, int]:
    """Choose lanes and processes, from the spec and fixed properties of the device alone.

    There are as many slots as trials in flight, and one for the control (α = 0). Where a process
    trains faster with fewer, trials come in waves of equal size. Each process has a slot or more.
    """
    workers, width, replicates = _workers(spec), spec.training.width, spec.n_replicates
    if width != "auto":
        return width, min(workers, max(1, width // replicates))
    if device.type == "cuda":
        # All lanes' outputs on their validation rows, the softmax of them and its logarithm.
        lane_bytes += 12 * problem.n_outputs * problem.val.shape[1]
        budget = int(CUDA_SHARE * torch.cuda.get_device_properties(device).total_memory)
    else:
        budget = CPU_BYTES if isinstance(spec.model, MlpSpec) else CPU_BYTES_AUTOGRAD
    wanted = min(spec.search.n_trials, spec.in_flight or spec.search.n_trials) + 1
    workers = min(workers, wanted)
    each, fit = -(-wanted // workers), max(1, budget // (lane_bytes * replicates))
    each = -(-each // -(-each // fit))
    return workers * each * replicates, workers


def _workers(spec: StudySpec) -> int:
    asked = spec.training.workers
    # Where there is a GPU torch starts threads of its own, which a fork would not have.
    alone = torch.cuda.is_available() or sys.platform != "linux"
    if asked == "auto":
        return 1 if alone else len(os.sched_getaffinity(0))
    if alone and asked > 1:
        raise UsageError(
            f"training.workers: must be 1 beside a GPU or on another system than Linux, got"
            f" {asked}. Leave it out"
        )
    return asked
