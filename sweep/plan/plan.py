"""What a study comes to on this machine, before anything is trained or written."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from sweep.data.dataset import Dataset, load_dataset
from sweep.data.guarded import describe
from sweep.data.problem import Problem, make_problem
from sweep.data.user_code import load_function
from sweep.errors import UsageError
from sweep.plan.alpha_max import alpha_max
from sweep.plan.memory import check_lanes, check_rows, lane_bytes, mlp_bytes
from sweep.spec.resolved import Outline, Range
from sweep.spec.sections import MlpSpec, SgdSpec
from sweep.spec.study import StudySpec
from sweep.training.lanes import Recipe
from sweep.training.layout import Layout
from sweep.training.modules import MLP, Factory, build
from sweep.training.optimizers import make_optimizer
from sweep.training.own_network import OwnFactory
from sweep.training.vmapped import check_model

# Lanes that one CPU core trains at once: more share the fixed cost of a step, until they leave
# the caches. A step that autograd differentiates has the larger fixed cost.
CPU_BYTES, CPU_BYTES_AUTOGRAD = 18 << 20, 64 << 20
CUDA_SHARE = 0.4  # of the card's memory
DEFAULT_RANGE = (1e-6, 1e-1)
SMALLEST, LARGEST = 1e-300, 1e300  # where a logarithmic range still has floats to choose from
LOW_TO_HIGH = 1e-4  # glmnet's ratio of the smallest to the largest strength


@dataclass(frozen=True)
class Plan(Outline):
    """A study, resolved, with all that it is trained on."""

    dataset: Dataset
    problem: Problem  # on its device
    factory: Factory
    recipe: Recipe
    layout: Layout
    lane_bytes: int

    @property
    def steps(self) -> int:
        """Optimiser steps of one training."""
        rows = self.problem.train.shape[1]
        return self.recipe.epochs * -(-rows // (self.recipe.batch_size or rows))

    @property
    def outline(self) -> Outline:
        """The plan without what it is trained on."""
        return Outline(**{field.name: getattr(self, field.name) for field in fields(Outline)})


def _about(
    problem: Problem, factory: Factory, layout: Layout, device: torch.device
) -> dict[str, Any]:
    source = Path(factory.function.file) if isinstance(factory, OwnFactory) else None
    return {
        "n_rows": problem.train.shape[1],
        "n_outputs": problem.n_outputs,
        "penalised": list(layout.penalised),
        "exempt": list(layout.exempt),
        "model_hash": source and hashlib.sha256(source.read_bytes()).hexdigest()[:16],
        "device": _device_name(device),
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def make_plan(spec: StudySpec) -> Plan:
    """Read the data, make the model, and settle range and width.

    Raises:
        UsageError: the data, the model, the range or the device is not usable.
    """
    device = resolve_device(spec.device)
    if spec.training.cuda_graph and device.type != "cuda":
        raise UsageError(
            f"training.cuda_graph: must be false where no GPU trains, got true with device"
            f" {device}. Use --set training.cuda_graph=false, or --device cuda"
        )
    if spec.training.compile:
        _check_compiler(device)
    dataset = load_dataset(spec.data, spec.folder, spec.seed)
    check_rows(spec, dataset)
    # It goes to the device last: the range that is found before is the same on any.
    problem = make_problem(spec, dataset)
    if isinstance(spec.model, MlpSpec):
        X = problem.X.flatten(1)
        problem = replace(problem, X=X, feature_shape=tuple(X.shape[1:]))
        check_lanes(spec, mlp_bytes(spec, problem, spec.model.hidden), device)
    factory = make_factory(spec, problem)
    first_rows = problem.X[problem.train[0, :4]].to(device)
    check_model(factory, first_rows, problem.n_outputs, fused=spec.training.fused)
    layout = Layout.of(build(factory, 0), spec.penalty.exempt)
    if not layout.n_weights:
        raise UsageError(
            f"penalty.exempt: must leave a tensor to penalise, got {list(spec.penalty.exempt)},"
            f" which spares all of {', '.join(layout.exempt)}. Remove a pattern"
        )
    units = sum(place.shape[0] for place in layout.places if len(place.shape) > 1)
    each = lane_bytes(spec, problem, layout.size, units)
    check_lanes(spec, each, device)
    span = make_range(spec, problem)
    width, workers = _width(spec, problem, each, device)
    recipe = _recipe(spec, device)
    return Plan(
        spec, span, width, workers, dataset.content_hash,
        _about(problem, factory, layout, device),
        dataset, problem.to(device, torch.float32), factory, recipe, layout, each,
    )  # fmt: skip


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


def _check_compiler(device: torch.device) -> None:
    """Compile something small, to refuse early.

    Raises:
        UsageError: torch.compile finds no compiler that works.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about itself
            torch.compile(torch.neg)(torch.zeros(1, device=device))
    except Exception as error:  # of any of its layers
        raise UsageError(
            f"training.compile: must be false where torch.compile has no working compiler for"
            f" device {device}, got {describe(error)}."
            " Install one (g++; for a GPU also Triton), or use --set training.compile=false"
        ) from None


def make_factory(spec: StudySpec, problem: Problem) -> Factory:
    """Return the function that makes one trial's network."""
    model = spec.model
    if isinstance(model, MlpSpec):
        (n_features,) = problem.feature_shape
        return lambda: MLP(n_features, model.hidden, problem.n_outputs, model.activation)
    shape = problem.feature_shape
    return OwnFactory(
        load_function(model.source, spec.folder, "model.source"),
        shape[0] if len(shape) == 1 else tuple(shape),
        problem.n_outputs,
        rows=problem.X[problem.train[0, :4]].cpu(),
    )


def make_range(spec: StudySpec, problem: Problem) -> Range:
    """Return the range that a study begins with.

    Raises:
        UsageError: it is empty, or reaches where SGD is not stable.
    """
    if spec.strength == "weight_decay":
        bounds = spec.search.space.weight_decay
        return Range(bounds.low if bounds else 1e-5, bounds.high if bounds else 1.0)
    model, wanted, largest = spec.model, spec.search.space.alpha, None
    if isinstance(model, MlpSpec):
        ratio, _ = spec.ends("l1_ratio")
        largest = alpha_max(problem, model.hidden, model.activation, ratio, spec.seed)
    cap = stability_cap(spec)
    auto_high = min(largest or DEFAULT_RANGE[1], cap or float("inf"))
    high = auto_high if wanted.high == "auto" else wanted.high
    if cap is not None and high > cap:
        raise UsageError(
            f"search.space.alpha.high: must be < {cap:.3g}, where SGD with this lr stops being"
            f" stable, got {high:g}. Use auto, or a smaller lr"
        )
    auto_low = high * LOW_TO_HIGH if largest else min(DEFAULT_RANGE[0], high * LOW_TO_HIGH)
    low = auto_low if wanted.low == "auto" else wanted.low
    if not SMALLEST < high < LARGEST or low < SMALLEST:
        raise UsageError(
            f"search.space.alpha: must have a range in {SMALLEST:g} to {LARGEST:g}, got {low:g} to"
            f" {high:g} from the data. Give low and high, or scale the data"
        )
    if low >= high:
        raise UsageError(
            f"search.space.alpha.low: must be < high, got low {low:g}, high {high:g}."
            " Give both, or lower it"
        )
    return Range(low, high, largest, cap)


def stability_cap(spec: StudySpec) -> float | None:
    """Return the α above which SGD's own step on the squared penalty overshoots, if there is one.

    α < (1 + μ) / ((1 − τ)·lr), with nesterov (1 + μ) / ((1 + 2μ)·lr).
    """
    training = spec.training
    if not isinstance(training, SgdSpec) or spec.penalty.norm == "l1":
        return None
    momenta, (_, lr), (ratio, _) = map(spec.ends, ("momentum", "lr", "l1_ratio"))
    if training.nesterov:
        gain = min((1 + mu) / (1 + 2 * mu) for mu in momenta)
    else:
        # Without momentum torch ignores the dampening.
        gain = min((1 + mu) / (1 - training.dampening * (mu > 0)) for mu in momenta)
    return 0.99 * gain / (lr * (1 - ratio)) if ratio < 1 else None


def _recipe(spec: StudySpec, device: torch.device) -> Recipe:
    training = spec.training
    return Recipe(
        optimizer=make_optimizer(spec, device),
        epochs=training.epochs,
        batch_size=None if training.batch_size == "full" else training.batch_size,
        schedule=training.schedule,
        seed=spec.seed,
        exempt=spec.penalty.exempt,
        fused=training.fused,
        compile=training.compile,
        cuda_graph=training.cuda_graph,
    )


def _width(
    spec: StudySpec, problem: Problem, lane_bytes: int, device: torch.device
) -> tuple[int, int]:
    """Choose lanes and processes, from the spec and fixed properties of the device alone.

    As many slots as trials are in flight, and one for the α = 0 control; where a process has
    better fewer, waves of equal size. Each process has a slot at least.
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
