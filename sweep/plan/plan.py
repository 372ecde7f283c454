"""The plan of a study on this machine, made before anything is trained or written."""

from __future__ import annotations

import hashlib
import math
import warnings
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from sweep.data.dataset import Dataset, load_dataset
from sweep.data.guarded import describe
from sweep.data.holdout import about_refit
from sweep.data.problem import Keep, Problem, make_problem
from sweep.data.replicates import partition_seed
from sweep.data.user_code import load_function
from sweep.errors import UsageError
from sweep.plan.balance import balanced
from sweep.plan.memory import check_lanes, check_rows, lane_bytes, mlp_bytes
from sweep.plan.metric import null_model
from sweep.plan.range import make_range, rows_looked_at
from sweep.plan.remarks import network_remarks
from sweep.plan.width import choose_width, resolve_device
from sweep.spec.attributes import BALANCED, NOTES, UNSCORED
from sweep.spec.augment import OF_IMAGES
from sweep.spec.optimizers import MuonSpec
from sweep.spec.resolved import Outline
from sweep.spec.sections import MlpSpec
from sweep.spec.sources import HASHES
from sweep.spec.splits import scheme_of
from sweep.spec.study import StudySpec
from sweep.training.layout import Layout
from sweep.training.metrics import Scorer
from sweep.training.modules import MLP, Factory, build
from sweep.training.own_loss import check_own_loss
from sweep.training.own_network import OwnFactory
from sweep.training.recipe import Recipe, make_recipe
from sweep.training.scores import levels
from sweep.training.vmapped import check_model


@dataclass(frozen=True)
class Plan(Outline):
    """A resolved study with its data, its network and its recipe, ready to train."""

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
    problem: Problem, factory: Factory, recipe: Recipe, layout: Layout, device: torch.device
) -> dict[str, Any]:
    return {
        "n_rows": problem.train.shape[1],
        "n_outputs": problem.n_outputs,
        "penalised": list(layout.penalised),
        "exempt": list(layout.exempt),
        **_hashes(factory, problem, recipe),
        "device": _device_name(device),
        **_unscored(problem),
    }


def _hashes(factory: Factory, problem: Problem, recipe: Recipe) -> dict[str, str | None]:
    """Hash the files of the user's own functions, where there are any."""
    metric = recipe.metric
    files = {
        "model.source": factory.function.file if isinstance(factory, OwnFactory) else None,
        "training.loss": problem.own_loss.file if problem.own_loss else None,
        "objective.metric": metric.file if isinstance(metric, Scorer) else None,
    }
    found = {
        HASHES[key]: hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]
        for key, file in files.items()
        if file
    }
    return {"model_hash": None, **found}


def _unscored(problem: Problem) -> dict[str, Any]:
    """Name the folds whose trials have no score, if there are any."""
    of_replicates = levels(problem)
    if of_replicates is None:
        return {}
    missing = of_replicates.isnan().view(len(of_replicates), -1).all(1)
    if not missing.any():
        return {}
    pairs = zip(problem.replicates, missing.tolist(), strict=True)
    return {UNSCORED: sorted({fold for (fold, _), unscored in pairs if unscored})}


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def make_plan(spec: StudySpec) -> Plan:
    """Read the data, make the model, and settle range and width.

    Raises:
        UsageError: the data, the model, the range or the device is not usable.
    """
    device = resolve_device(spec.device)
    _check_device(spec, device)
    dataset = load_dataset(spec.data, spec.folder, spec.seed, in_time=scheme_of(spec) == "time")
    check_rows(spec, dataset)
    # It goes to the device last: the range that is found before is the same on any.
    problem = _problem(spec, dataset, keep=rows_looked_at(spec))
    _check_warmup(spec, problem)
    _check_images(spec, dataset)
    if isinstance(spec.model, MlpSpec):
        check_lanes(spec, mlp_bytes(spec, problem, spec.model.hidden), device)
    factory = make_factory(spec, problem)
    recipe = make_recipe(spec, device, _row_shape(dataset))
    null = null_model(spec, dataset, problem, recipe.metric)
    first_rows = problem.tried().to(device)
    check_model(factory, first_rows, problem.n_outputs, fused=spec.training.fused)
    if problem.own_loss:
        y = problem.y[problem.train[0, :4]].to(device)
        check_own_loss(problem.own_loss, y, problem.n_outputs, fused=spec.training.fused)
    module = build(factory, 0)
    layout = Layout.of(module, spec.penalty.exempt, spec.penalty.include)
    _check_weights(layout, spec)
    _check_hidden(layout, spec)
    units = sum(place.shape[0] for place in layout.places if len(place.shape) > 1)
    each = lane_bytes(spec, problem, layout.size, units)
    check_lanes(spec, each, device)
    span = make_range(spec, problem)
    width, workers = choose_width(spec, problem, each, device)
    return Plan(
        spec, span, width, workers, dataset.content_hash,
        _about(problem, factory, recipe, layout, device) | null
        | {BALANCED: balanced(spec, problem, layout, module.to(device))}
        | {"refit": about_refit(spec, dataset)}
        | ({NOTES: [*dataset.notes]} if dataset.notes else {}),
        dataset, problem.to(device, torch.float32), factory, recipe, layout, each,
        remarks=network_remarks(spec, dataset, problem, layout, module.to(device)),
    )  # fmt: skip


def _check_device(spec: StudySpec, device: torch.device) -> None:
    """Refuse what a device cannot do."""
    if spec.training.cuda_graph and device.type != "cuda":
        raise UsageError(
            f"training.cuda_graph: must be false where no GPU trains, got true with device"
            f" {device}. Use --set training.cuda_graph=false, or --device cuda"
        )
    if spec.training.precision == "tf32" and device.type != "cuda":
        raise UsageError(
            f"training.precision: must be float32 or bfloat16 where no GPU trains, got tf32 with"
            f" device {device}. Use --set training.precision=float32, or --device cuda"
        )
    if spec.training.compile:
        _check_compiler(device)


def replanned(outline: Outline, dataset: Dataset) -> Plan:
    """Make in another process the plan that one has made, from what the two do not share.

    Args:
        outline: of the plan; its spec tells the folder and the device here.
        dataset: its rows.

    Raises:
        UsageError: the device is not there, or a function's file is not the same.
    """
    spec = outline.spec
    device = resolve_device(spec.device)
    problem = _problem(spec, dataset)
    factory = make_factory(spec, problem)
    recipe = make_recipe(spec, device, _row_shape(dataset))
    hashes = _hashes(factory, problem, recipe)
    for key, name in HASHES.items():
        if hashes.get(name) != outline.about.get(name):
            raise UsageError(
                f"{key}: must be the same file wherever the study is trained, got another one"
                f" at {Path.cwd()}. Leave it as it is until the run ends, or name it in"
                " engine.ship"
            )
    layout = Layout.of(build(factory, 0), spec.penalty.exempt, spec.penalty.include)
    units = sum(place.shape[0] for place in layout.places if len(place.shape) > 1)
    return Plan(
        **{field.name: getattr(outline, field.name) for field in fields(Outline)},
        dataset=dataset, problem=problem.to(device, torch.float32), factory=factory,
        recipe=recipe, layout=layout,
        lane_bytes=lane_bytes(spec, problem, layout.size, units),
    )  # fmt: skip


def _row_shape(dataset: Dataset) -> tuple[int, ...]:
    """Return the shape of a row as the data give it: a perceptron gets it flat."""
    return tuple(dataset.X.shape[1:])


def _check_images(spec: StudySpec, dataset: Dataset) -> None:
    shape = _row_shape(dataset)
    for change in spec.training.augmentations:
        if change.type not in OF_IMAGES:
            continue
        if len(shape) not in (2, 3):
            raise UsageError(
                f"training.augment: {change.type} needs rows of shape (H, W) or (C, H, W), got"
                f" {shape} from {spec.data.source}. Give images, by .npz or a function, or remove"
                " it"
            )
        if change.type == "crop" and (change.pad or 1) >= min(shape[-2:]):
            raise UsageError(
                f"training.augment.pad: must be less than an image's sides, {shape[-2]} x"
                f" {shape[-1]}, got {change.pad or 1}. Lower it"
            )


def _check_warmup(spec: StudySpec, problem: Problem) -> None:
    training, rows = spec.training, problem.train.shape[1]
    batch = rows if training.batch_size == "full" else training.batch_size
    steps = training.epochs * -(-rows // batch)
    if training.rate.warmup_steps(steps) >= steps:
        raise UsageError(
            f"training.schedule.warmup: must leave steps of the {steps} that a training has, got"
            f" {training.rate.warmup:g}. Lower it, or give a share such as 0.1"
        )


def _check_weights(layout: Layout, spec: StudySpec) -> None:
    if layout.n_weights:
        return
    exempt, names = [*spec.penalty.exempt], ", ".join(layout.exempt)
    if exempt:
        got, hint = f"{exempt}, which spares all of {names}", "Remove a pattern"
    else:
        got = f"none of two dimensions or more among {names}"
        hint = "Name some in penalty.include"
    raise UsageError(f"penalty.exempt: must leave a tensor to penalise, got {got}. {hint}")


def _check_hidden(layout: Layout, spec: StudySpec) -> None:
    if isinstance(spec.training, MuonSpec) and not any(p.is_hidden for p in layout.places):
        names = ", ".join(place.name for place in layout.places)
        raise UsageError(
            "training.optimizer: muon must have a matrix to train before the last one, got none"
            f" among {names}. Use adamw, or add a hidden layer"
        )


def on_partition(plan: Plan, partition: int) -> Plan:
    """Return the plan with its rows divided into other folds, and other first weights and orders.

    Args:
        plan: of the study.
        partition: which division; 0 is the search's own.
    """
    X = plan.problem.X
    problem = _problem(plan.spec, plan.dataset, partition).to(X.device, X.dtype)
    recipe = replace(plan.recipe, seed=partition_seed(plan.recipe.seed, partition))
    return replace(plan, problem=problem, recipe=recipe)


def _problem(spec: StudySpec, rows: Dataset, part: int = 0, keep: Keep | None = None) -> Problem:
    """Make the replicates on the CPU, with flat rows where the network takes them."""
    problem = make_problem(spec, rows, part, keep)
    if not isinstance(spec.model, MlpSpec):
        return problem
    return problem.shaped((math.prod(problem.feature_shape),))


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
    if spec.data.categorical and not problem.categories:
        raise UsageError(
            f"data.categorical: embed must have columns of texts, got none ({spec.data.where})."
            " Name some in data.columns: {NAME: categorical}, or remove it"
        )
    return OwnFactory(
        load_function(model.source, spec.folder, "model.source"),
        shape[0] if len(shape) == 1 else tuple(shape),
        problem.n_outputs,
        rows=problem.rows(problem.train[0, :4]).cpu(),
        output=model.output,
        categories=problem.categories,
    )
