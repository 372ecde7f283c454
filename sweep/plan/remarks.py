"""What to remark on a study's network: found on the network itself, on a few real rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import Tensor, nn

from sweep.data.dataset import Dataset
from sweep.data.guarded import guarded
from sweep.data.problem import Problem
from sweep.errors import UsageError
from sweep.spec.remarks import (
    BOUNDED,
    EMBEDDINGS,
    FIRST,
    FLATTENED,
    LAST_ROW,
    SCALE_FREE,
    SCALE_FREE_L1,
    SCALES,
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

ROWS = 23  # a number that layers hardly have: it tells what goes by rows

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

    Raises:
        UsageError: the last batch of a training has one row, and the network takes no single one.
    """
    if isinstance(spec.model, MlpSpec):
        shape = " x ".join(map(str, dataset.X.shape[1:]))
        return (Remark(FLATTENED, (shape,)),) if dataset.X.ndim > 2 else ()
    device = next(module.parameters()).device
    rows = problem.rows(problem.train[0, :ROWS]).to(device)
    probe = tried(lambda: Probe(module, rows))
    last_row = [*_last_row(spec, dataset, problem, probe, module, rows)] if probe else []
    free = SCALE_FREE_L1 if spec.penalty.ratio else SCALE_FREE
    named = {
        SPARED: _spared(spec, layout, module),
        SCALES: _scales(spec, layout, module),
        EMBEDDINGS: _embeddings(layout, module, probe),
        free: probe and tried(lambda: probe.scale_free(layout.penalised)),
    }
    of_tensors = (Remark(kind, tuple(names)) for kind, names in named.items() if names)
    n_returned = (probe and tried(probe.n_returned)) or 0
    several = [Remark(FIRST, (str(n_returned),))] if n_returned > 1 else []
    return (*last_row, *several, *of_tensors, *(_of_outputs(problem, probe) if probe else ()))


def _last_row(
    spec: StudySpec, dataset: Dataset, problem: Problem, probe: Probe, module: nn.Module,
    rows: Tensor,
) -> Iterator[Remark]:  # fmt: skip
    """Remark on a refit whose last batch has one row, where the network takes no single row."""
    n, size = problem.train.shape[1], spec.training.batch_size
    n_refit = (spec.data.train_rows or len(dataset.y)) if len(dataset.y_test) else 0
    alone = [count for count in (n, n_refit) if size != "full" and count % size == 1]
    if not alone or not tried(probe.trains) or tried(Probe(module, rows[:1]).trains):
        return
    if n in alone:
        raise UsageError(
            f"training.batch_size: must leave the last batch of {n} rows more than one, which the"
            f" network refuses in training mode, got {size}. Choose another"
        )
    yield Remark(LAST_ROW, (f"{n_refit:,}", str(size)))


def _spared(spec: StudySpec, layout: Layout, module: nn.Module) -> list[str]:
    """Name what is not penalised, of two dimensions or more, unless the user asked for that."""
    asked = matched_names(module, spec.penalty.exempt)
    spared = [
        place.name for place in layout.places if not place.penalised and len(place.shape) > 1
    ]
    return [name for name in spared if name not in asked]


def _scales(spec: StudySpec, layout: Layout, module: nn.Module) -> list[str]:
    """Name what is penalised but begins as scales do: all entries are one number, and not 0."""
    asked = matched_names(module, spec.penalty.include)
    begin = {name: module.get_parameter(name).detach().flatten() for name in layout.penalised}
    even = [name for name, w in begin.items() if len(w) > 1 and w[0] and (w == w[0]).all()]
    return [name for name in even if name not in asked]


def _embeddings(layout: Layout, module: nn.Module, probe: Probe | None) -> list[str]:
    """Name the penalised tensors whose rows are looked up, by any layer."""
    looked_up = (probe and tried(probe.looked_up)) or []
    return [
        name
        for name in layout.penalised
        if name in looked_up or isinstance(owner_of(module, name)[1], EMBEDDING_LAYERS)
    ]


def _of_outputs(problem: Problem, probe: Probe) -> Iterator[Remark]:
    if problem.task in ("count", "own") or problem.own_loss:
        return  # what their outputs may be is not known
    if problem.task == "classification" and tried(probe.are_probabilities):
        yield Remark(SOFTMAX)
        return
    if (bounds := tried(probe.squashed)) is None:
        return
    low, high = bounds
    within = f"{low:g} to {high:g}"
    if problem.task in ("classification", "binary", "multilabel"):
        yield Remark(SQUASHED, (within,))
    elif problem.y.min() < low or problem.y.max() > high:
        ends = f"{float(problem.y.min()):.3g} to {float(problem.y.max()):.3g}"
        yield Remark(BOUNDED, (within, ends))


def tried(work: Callable[[], T]) -> T | None:
    """Try what runs the user's network; None where it fails, in whatever way."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return guarded(work, str)
    except UsageError:
        return None
