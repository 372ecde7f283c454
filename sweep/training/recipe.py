"""How every lane of a study is trained, and by which optimiser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from sweep.spec.augment import AugmentSpec
from sweep.spec.optimizers import (
    AdagradSpec,
    AdamSpec,
    AdamWSpec,
    LionSpec,
    MuonSpec,
    NAdamSpec,
    RAdamSpec,
    RMSpropSpec,
    SgdSpec,
)
from sweep.spec.schedule import Kind, ScheduleSpec
from sweep.spec.study import StudySpec
from sweep.training.adaptive import Adagrad, Lion, NAdam, RAdam, RMSprop
from sweep.training.metrics import Metric, make_scorer
from sweep.training.muon import Muon
from sweep.training.optimizers import SGD, Adam, FusedAdam, Optimizer
from sweep.training.precision import Precision


@dataclass(frozen=True)
class Recipe:
    """How every lane is trained; what differs between lanes is a `Setting`."""

    optimizer: Optimizer
    epochs: int
    batch_size: int | None = None  # None: all rows
    schedule: Kind | ScheduleSpec = "constant"
    seed: int = 0
    exempt: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    fused: bool = True
    compile: bool = False
    cuda_graph: bool = False
    clip_norm: float | None = None  # of the data loss's gradient
    augment: tuple[AugmentSpec, ...] = ()
    metric: Metric = "val_loss"  # that networks are measured by at the end
    precision: Precision = "float32"  # of a step's products
    row_shape: tuple[int, ...] = ()  # of a row as the data give it, which changes of images need


def make_recipe(spec: StudySpec, device: torch.device, row_shape: tuple[int, ...]) -> Recipe:
    """Return how a study's lanes are trained on a device."""
    training = spec.training
    return Recipe(
        optimizer=OPTIMIZERS[training.optimizer](spec, device),
        epochs=training.epochs,
        batch_size=None if training.batch_size == "full" else training.batch_size,
        schedule=training.schedule,
        seed=spec.seed,
        exempt=spec.penalty.exempt,
        include=spec.penalty.include,
        fused=training.fused,
        compile=training.compile,
        cuda_graph=training.cuda_graph,
        clip_norm=training.clip_norm,
        augment=training.augmentations,
        metric=make_scorer(spec.objective, spec.data.task, spec.folder),
        precision=training.precision,
        row_shape=row_shape,
    )


# --- the optimiser that a study file asks for


def _sgd(spec: StudySpec, device: torch.device) -> Optimizer:
    training = spec.training
    assert isinstance(training, SgdSpec)
    return SGD(training.dampening, training.nesterov, _has_l1(spec), _has_momentum(spec))


def _adam(spec: StudySpec, device: torch.device) -> Optimizer:
    training = spec.training
    assert isinstance(training, AdamSpec | AdamWSpec)
    in_one_pass = device.type == "cpu" and not _has_l1(spec) and not training.compile
    adam = FusedAdam if in_one_pass else Adam
    decoupled = isinstance(training, AdamWSpec)
    return adam(training.betas, training.eps, _has_l1(spec), decoupled)


def _rmsprop(spec: StudySpec, device: torch.device) -> Optimizer:
    training = spec.training
    assert isinstance(training, RMSpropSpec)
    return RMSprop(
        training.smoothing, training.eps, training.centered, _has_l1(spec), _has_momentum(spec)
    )


def _adagrad(spec: StudySpec, device: torch.device) -> Optimizer:
    training = spec.training
    assert isinstance(training, AdagradSpec)
    return Adagrad(training.lr_decay, training.initial_accumulator, training.eps, _has_l1(spec))


def _nadam(spec: StudySpec, device: torch.device) -> Optimizer:
    training = spec.training
    assert isinstance(training, NAdamSpec)
    return NAdam(training.betas, training.eps, training.momentum_decay, _has_l1(spec))


def _radam(spec: StudySpec, device: torch.device) -> Optimizer:
    training = spec.training
    assert isinstance(training, RAdamSpec)
    return RAdam(training.betas, training.eps, _has_l1(spec))


def _lion(spec: StudySpec, device: torch.device) -> Optimizer:
    assert isinstance(spec.training, LionSpec)
    return Lion(spec.training.betas)


def _muon(spec: StudySpec, device: torch.device) -> Optimizer:
    training = spec.training
    assert isinstance(training, MuonSpec)
    return Muon(training.betas, training.eps, training.nesterov, training.adjust_lr)


def _has_l1(spec: StudySpec) -> bool:
    return spec.penalty.norm != "l2"


def _has_momentum(spec: StudySpec) -> bool:
    return spec.ends("momentum")[1] > 0


OPTIMIZERS: Mapping[str, Callable[[StudySpec, torch.device], Optimizer]] = {
    "sgd": _sgd, "adam": _adam, "adamw": _adam, "rmsprop": _rmsprop, "adagrad": _adagrad,
    "nadam": _nadam, "radam": _radam, "lion": _lion, "muon": _muon,
}  # fmt: skip
