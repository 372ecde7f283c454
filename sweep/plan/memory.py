"""Refuse studies that the machine's memory cannot hold, by arithmetic.

This comes before anything is allocated: Linux grants memory that it does not have, and kills the
process that uses it. The machine's whole memory counts, not what is free now: a study that runs
today also runs tomorrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch

from sweep.data.dataset import Dataset
from sweep.data.file_rows import FileRows
from sweep.data.preprocessing import fits_all
from sweep.data.problem import Problem
from sweep.data.table_rows import TableRows
from sweep.errors import UsageError
from sweep.runtime import total_memory_bytes
from sweep.spec.sections import MlpSpec
from sweep.spec.study import StudySpec


def check_rows(spec: StudySpec, dataset: Dataset) -> None:
    """Refuse replicates whose rows do not fit the memory.

    Raises:
        UsageError: with the number of replicates.
    """
    X = dataset.X
    each = 8  # an index of a row
    if isinstance(X, FileRows | TableRows):
        _check_streamed(spec, X if isinstance(X, FileRows) else X.rows)
        each += 40  # where it lies in the file, its targets, its place in an epoch
    elif not fits_all(spec.data.scale, X):  # each replicate has rows of its own
        each += 4 * math.prod(X.shape[1:])
    needed = spec.n_replicates * len(X) * each
    if needed > total_memory_bytes():
        raise UsageError(
            f"replicates: must fit the memory, {_gigabytes(total_memory_bytes())}, got"
            f" {spec.n_replicates} replicates of {len(X)} rows: {_gigabytes(needed)}."
            " Use fewer folds, repeats or seeds"
        )


def _check_streamed(spec: StudySpec, X: FileRows) -> None:
    """Refuse what takes all rows at once, or may not wait for a file."""
    training, where = spec.training, f"({spec.data.source}, {_gigabytes(X.header.size_bytes)})"
    way_out = "set data.stream: false where they fit the memory"
    if training.batch_size == "full":
        raise UsageError(
            "training.batch_size: must be a number where rows are read from their file, got full"
            f" {where}. Use 512, say, or {way_out}"
        )
    if training.cuda_graph:
        raise UsageError(
            "training.cuda_graph: must be false where rows are read from their file, got true"
            f" {where}. Remove it, or {way_out}"
        )


def mlp_bytes(spec: StudySpec, problem: Problem, hidden: Sequence[int]) -> int:
    """Return `lane_bytes` of a perceptron before it is made."""
    widths = [math.prod(problem.feature_shape), *hidden, problem.n_outputs]
    n_weights = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths))
    return lane_bytes(spec, problem, n_weights, sum(widths[1:]))


def lane_bytes(spec: StudySpec, problem: Problem, n_weights: int, units: int) -> int:
    """Estimate the bytes that a step moves for one lane: parameters, state and activations."""
    rows = problem.train.shape[1]
    batch = rows if spec.training.batch_size == "full" else min(rows, spec.training.batch_size)
    return 4 * (5 * n_weights + batch * (math.prod(problem.feature_shape) + 3 * units))


def check_lanes(spec: StudySpec, lane_bytes: int, device: torch.device) -> None:
    """Refuse lanes that do not fit the memory: those of one trial, or of `training.width`.

    Raises:
        UsageError: naming the key to lower.
    """
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
    else:
        total = total_memory_bytes()
    width, each = spec.training.width, lane_bytes + 8 * spec.training.epochs  # a loss an epoch
    lanes = spec.n_replicates if width == "auto" else width
    lanes = lanes if spec.training.fused else 1
    if lanes * each <= total:
        return
    if each > total and 8 * spec.training.epochs > lane_bytes:
        key, hint = "training.epochs", "Use fewer"
    elif each > total:
        key = "model.hidden" if isinstance(spec.model, MlpSpec) else "model.source"
        hint = "Use a smaller network"
    elif width == "auto":
        key, hint = "replicates", "Use fewer, or one after another with --set training.width=1"
    else:
        key, hint = "training.width", "Use fewer, or auto"
    raise UsageError(
        f"{key}: must fit the memory of {device}, {_gigabytes(total)}, got"
        f" {lanes} lanes of {_gigabytes(each)}. {hint}"
    )


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.3g} GB"
