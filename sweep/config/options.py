"""The arguments of the torch optimisers that do what those of the study file do; without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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

Options = dict[str, Any]
Values = dict[str, float]


class Call(NamedTuple):
    """How an optimiser of the study file is made.

    Attributes:
        name: of its class.
        options: its arguments beside lr, by the study's section and the hyperparameters' values.
    """

    name: str
    options: Callable[[Any, Values], Options]


def _sgd(training: SgdSpec, values: Values) -> Options:
    momentum = values["momentum"]
    dampening = training.dampening * (momentum > 0)
    return {"momentum": momentum, "dampening": dampening, "nesterov": training.nesterov}


def _adam(training: AdamSpec | AdamWSpec | RAdamSpec, values: Values) -> Options:
    return {"betas": training.betas, "eps": training.eps}


def _rmsprop(training: RMSpropSpec, values: Values) -> Options:
    return {
        "alpha": training.smoothing, "eps": training.eps, "momentum": values["momentum"],
        "centered": training.centered,
    }  # fmt: skip


def _adagrad(training: AdagradSpec, values: Values) -> Options:
    return {
        "lr_decay": training.lr_decay, "eps": training.eps,
        "initial_accumulator_value": training.initial_accumulator,
    }  # fmt: skip


def _nadam(training: NAdamSpec, values: Values) -> Options:
    return {
        "betas": training.betas, "eps": training.eps, "momentum_decay": training.momentum_decay
    }  # fmt: skip


def _lion(training: LionSpec, values: Values) -> Options:
    return {"betas": training.betas}


def _muon(training: MuonSpec, values: Values) -> Options:
    return {
        "momentum": values["momentum"], "nesterov": training.nesterov,
        "adjust_lr": training.adjust_lr, "betas": training.betas, "eps": training.eps,
    }  # fmt: skip


OPTIMIZERS: Mapping[str, Call] = {
    "sgd": Call("SGD", _sgd),
    "adam": Call("Adam", _adam),
    "adamw": Call("AdamW", _adam),
    "rmsprop": Call("RMSprop", _rmsprop),
    "adagrad": Call("Adagrad", _adagrad),
    "nadam": Call("NAdam", _nadam),
    "radam": Call("RAdam", _adam),
    "lion": Call("Lion", _lion),
    "muon": Call("Muon", _muon),
}
