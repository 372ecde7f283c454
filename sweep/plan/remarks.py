"""What to remark on a study's network: found on the network itself, on a few real rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import nn

from sweep.data.dataset import Dataset
from sweep.data.guarded import guarded
from sweep.data.problem import Problem
from sweep.errors import UsageError
from sweep.spec.remarks import (
    BOUNDED,
    EMBEDDINGS,
    FLATTENED,
    SCALE_FREE,
    SOFTMAX,
    SPARED,
    SQUASHED,
    Remark,
)
from sweep.spec.sections import MlpSpec
from sweep.spec.study import StudySpec
from sweep.training.layout import Layout
from sweep.training.probe import Probe
from sweep.training.weights import EMBEDDING_LAYERS, matched_names, owner_of

ROWS = 24

T = TypeVar("T")


def network_remarks(
    spec: StudySpec, dataset: Dataset, problem: Problem, layout: Layout, module: nn.Module
) -> tuple[Remark, ...]:
    """Return what the user should know of the network.

    What cannot be tried says nothing here: a network that fails is refused where it is trained.

    Args:
        spec: the study.
        dataset: its rows, as they come.
        problem: the same, as they are trained on.
        layout: of the network's parameters.
        module: a network of its own, on the device that trains.
    """
    if isinstance(spec.model, MlpSpec):
        shape = " x ".join(map(str, dataset.X.shape[1:]))
        return (Remark(FLATTENED, (shape,)),) if dataset.X.ndim > 2 else ()
    device = next(module.parameters()).device
    rows = problem.train[0, :ROWS]
    found = [*_of_tensors(spec, layout, module)]
    probe = _tried(lambda: Probe(module, problem.X[rows].to(device)))
    if probe is not None:
        if free := _tried(lambda: probe.scale_free(layout.penalised)):
            found.append(Remark(SCALE_FREE, tuple(free)))
        found += _of_outputs(problem, probe)
    return tuple(found)


def _of_tensors(spec: StudySpec, layout: Layout, module: nn.Module) -> Iterator[Remark]:
    asked = matched_names(module, spec.penalty.exempt)
    spared = [p.name for p in layout.places if not p.penalised and len(p.shape) > 1]
    if unasked := tuple(name for name in spared if name not in asked):
        yield Remark(SPARED, unasked)
    embeddings = tuple(
        name
        for name in layout.penalised
        if isinstance(owner_of(module, name)[1], EMBEDDING_LAYERS)
    )
    if embeddings:
        yield Remark(EMBEDDINGS, embeddings)


def _of_outputs(problem: Problem, probe: Probe) -> Iterator[Remark]:
    if problem.task == "classification" and _tried(probe.are_probabilities):
        yield Remark(SOFTMAX)
        return
    if (bounds := _tried(probe.squashed)) is None:
        return
    low, high = bounds
    within = f"{low:g} to {high:g}"
    if problem.task == "classification":
        yield Remark(SQUASHED, (within,))
    elif problem.y.min() < low or problem.y.max() > high:
        ends = f"{float(problem.y.min()):.3g} to {float(problem.y.max()):.3g}"
        yield Remark(BOUNDED, (within, ends))


def _tried(work: Callable[[], T]) -> T | None:
    """Try what runs the user's network; None where it fails, in whatever way."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return guarded(work, str)
    except UsageError:
        return None
