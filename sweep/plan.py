"""What a study comes to on this machine, before anything is trained or written."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sweep import optim
from sweep.data import Dataset, Problem, load_dataset, make_problem
from sweep.errors import UsageError
from sweep.lanes import Recipe, Setting
from sweep.models import MLP, Factory, Layout, build, check_model
from sweep.own import load_function
from sweep.ranges import Range, make_range
from sweep.search import make_design, make_pruner, make_sampler, make_space
from sweep.spec import AdamSpec, MlpSpec, SgdSpec, StudySpec

# Lanes that one CPU core trains at once: more share the fixed cost of a step, until they leave
# the caches. A step that autograd differentiates has the larger fixed cost.
CPU_BYTES, CPU_BYTES_AUTOGRAD = 18 << 20, 64 << 20
CUDA_SHARE = 0.4  # of the card's memory


@dataclass(frozen=True)
class Plan:
    """A study, resolved."""

    spec: StudySpec
    dataset: Dataset
    problem: Problem  # on its device
    factory: Factory
    recipe: Recipe
    layout: Layout
    span: Range
    width: int  # lanes
    workers: int  # processes that share them
    lane_bytes: int

    @property
    def steps(self) -> int:
        """Optimiser steps of one training."""
        rows = self.problem.train.shape[1]
        return self.recipe.epochs * -(-rows // (self.recipe.batch_size or rows))

    @property
    def about(self) -> dict[str, Any]:
        """What an exported config tells of the problem, as plain data."""
        model = self.spec.model
        source = (
            None if isinstance(model, MlpSpec) else source_file(model.source, self.spec.folder)
        )
        return {
            "n_rows": self.problem.train.shape[1],
            "n_outputs": self.problem.n_outputs,
            "penalised": list(self.layout.penalised),
            "exempt": list(self.layout.exempt),
            "model_hash": source and hashlib.sha256(source.read_bytes()).hexdigest()[:16],
            "device": _device_name(self.problem.X.device),
        }

    def setting(self, params: dict[str, float]) -> Setting:
        """Return what a trial with these params sets in its lanes."""
        training = self.spec.training
        momentum = training.momentum if isinstance(training, SgdSpec) else 0.0
        return Setting(
            params[self.spec.strength],
            params.get("lr", training.lr),
            params.get("l1_ratio", self.spec.penalty.ratio),
            params.get("momentum", momentum),
        )


def source_file(source: str, folder: Path) -> Path:
    """Return the file that a function of the user's own stands in."""
    return Path(inspect.getfile(load_function(source, folder)))


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def make_plan(spec: StudySpec) -> Plan:
    """Read the data, make the model, and settle range and width.

    Raises:
        UsageError: the data, the model, the range, the sampler or the device is not usable.
    """
    device = resolve_device(spec.device)
    dataset = load_dataset(spec.data, spec.folder, spec.seed)
    problem = make_problem(spec, dataset).to(device, torch.float32)
    if isinstance(spec.model, MlpSpec):
        X = problem.X.flatten(1)
        problem = replace(problem, X=X, feature_shape=tuple(X.shape[1:]))
    factory = make_factory(spec, problem)
    first_rows = problem.X[problem.train[0, :4]].cpu()
    check_model(factory, first_rows, problem.n_outputs, fused=spec.training.fused)
    layout = Layout.of(build(factory, 0), spec.penalty.exempt)
    if not layout.n_weights:
        raise UsageError(
            f"penalty.exempt: must leave a tensor to penalise, got {list(spec.penalty.exempt)},"
            f" which spares all of {', '.join(layout.exempt)}. Remove a pattern"
        )
    span = make_range(spec, problem)
    lane_bytes = _lane_bytes(spec, problem, layout)
    width, workers = _width(spec, lane_bytes, device)
    recipe = _recipe(spec)
    # They refuse options that are not theirs, before anything is trained or written.
    make_sampler(spec.search.sampler)
    make_pruner(spec.search.pruner, spec.training.epochs)
    make_design(spec, make_space(spec, span.low, span.high))
    return Plan(spec, dataset, problem, factory, recipe, layout, span, width, workers, lane_bytes)


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


def make_factory(spec: StudySpec, problem: Problem) -> Factory:
    """Return the function that makes one trial's network."""
    model = spec.model
    if isinstance(model, MlpSpec):
        (n_features,) = problem.feature_shape
        return lambda: MLP(n_features, model.hidden, problem.n_outputs, model.activation)
    made = load_function(model.source, spec.folder)
    shape = problem.feature_shape
    return lambda: made(shape[0] if len(shape) == 1 else shape, problem.n_outputs)


def _recipe(spec: StudySpec) -> Recipe:
    training = spec.training
    return Recipe(
        optimizer=_optimizer(spec),
        epochs=training.epochs,
        batch_size=None if training.batch_size == "full" else training.batch_size,
        schedule=training.schedule,
        seed=spec.seed,
        exempt=spec.penalty.exempt,
        fused=training.fused,
        compile=training.compile,
    )


def _optimizer(spec: StudySpec) -> optim.Optimizer:
    training, l1 = spec.training, spec.penalty.norm != "l2"
    if isinstance(training, SgdSpec):
        has_momentum = training.momentum > 0 or spec.search.space.momentum is not None
        return optim.SGD(training.dampening, training.nesterov, l1, has_momentum)
    decoupled = not isinstance(training, AdamSpec)
    return optim.Adam(training.betas, training.eps, l1, decoupled)


def _lane_bytes(spec: StudySpec, problem: Problem, layout: Layout) -> int:
    """Estimate what one lane moves in a step: parameters, state and activations."""
    rows = problem.train.shape[1]
    batch = rows if spec.training.batch_size == "full" else min(rows, spec.training.batch_size)
    units = sum(place.shape[0] for place in layout.places if len(place.shape) > 1)
    n_features = int(torch.tensor(problem.feature_shape).prod())
    return 4 * (5 * layout.size + batch * (n_features + 3 * units))


def _width(spec: StudySpec, lane_bytes: int, device: torch.device) -> tuple[int, int]:
    """Choose lanes and processes, from the spec and fixed properties of the device alone.

    As many slots as trials are in flight, and one for the α = 0 control; where a process has
    better fewer, waves of equal size. Each process has a slot at least.
    """
    workers, width, replicates = _workers(spec), spec.training.width, spec.n_replicates
    if width != "auto":
        return width, min(workers, max(1, width // replicates))
    if device.type == "cuda":
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
