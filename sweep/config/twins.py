"""The torch optimisers that do what those of the study file do, and their proximal steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sweep.config.own_optimizers import Lion, Muon

Group = dict[str, Any]

# How far a unit l1 strength moves a parameter in the step just made, by the parameter's group and
# by what the optimiser holds of it. What must last from step to step it adds to the latter.
Reach = Callable[[Group, dict[str, Any]], float | Tensor]

# How each optimiser's own state calls the reach of a unit l1 strength. SGD's is a plain float:
# torch would round a tensor to the parameter's type when it loads a checkpoint.
GAIN = "l1_gain"


class Twin(NamedTuple):
    """The torch optimiser that does what an optimiser of the study file does.

    Its arguments are in `sweep.config.options`, under the same name.

    Attributes:
        kind: its class.
        reach: for the proximal step; None where the optimiser decays the weights by itself.
    """

    kind: Callable[..., torch.optim.Optimizer]
    reach: Reach | None


def _sgd_reach(group: Group, state: dict[str, Any]) -> float | Tensor:
    lr, momentum = float(group["lr"]), float(group["momentum"])
    if not momentum:
        return lr
    # The recursion of the momentum buffer, fed a constant 1.
    fresh = 1 - float(group["dampening"]) if GAIN in state else 1.0
    gain: float = momentum * state.get(GAIN, 0.0) + fresh
    state[GAIN] = gain
    return lr * (1 + momentum * gain if group["nesterov"] else gain)


def _adam_reach(group: Group, state: dict[str, Any]) -> float | Tensor:
    beta2, step = group["betas"][1], float(state["step"])
    second: Tensor = state["exp_avg_sq"] / (1 - beta2**step)
    return float(group["lr"]) / (second.sqrt() + float(group["eps"]))


def _rmsprop_reach(group: Group, state: dict[str, Any]) -> float | Tensor:
    lr, momentum = float(group["lr"]), float(group["momentum"])
    reach: Tensor = 1 / (state["square_avg"].sqrt() + float(group["eps"]))
    if momentum:
        state[GAIN] = reach = momentum * state.get(GAIN, 0.0) + reach
    return lr * reach


def _adagrad_reach(group: Group, state: dict[str, Any]) -> float | Tensor:
    lr = float(group["lr"]) / (1 + (float(state["step"]) - 1) * float(group["lr_decay"]))
    total: Tensor = state["sum"]
    return lr / (total.sqrt() + float(group["eps"]))


def _nadam_reach(group: Group, state: dict[str, Any]) -> float | Tensor:
    beta1, step, product = group["betas"][0], float(state["step"]), float(state["mu_product"])
    now, following = (
        beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1)
    )
    reach: float = (1 - now) / (1 - product)
    reach += following * (1 - beta1**step) / (1 - product * following)
    return reach * _adam_reach(group, state)


def _radam_reach(group: Group, state: dict[str, Any]) -> float | Tensor:
    lr, beta2, step = float(group["lr"]), group["betas"][1], float(state["step"])
    correction, most = 1 - beta2**step, 2 / (1 - beta2) - 1
    rho = most - 2 * step * beta2**step / correction
    if rho <= 5:
        return lr
    rectified = (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)
    second: Tensor = state["exp_avg_sq"]
    return lr * math.sqrt(rectified * correction) / (second.sqrt() + float(group["eps"]))


TWINS: Mapping[str, Twin] = {
    "sgd": Twin(torch.optim.SGD, _sgd_reach),
    "adam": Twin(torch.optim.Adam, _adam_reach),
    "adamw": Twin(torch.optim.AdamW, None),
    "rmsprop": Twin(torch.optim.RMSprop, _rmsprop_reach),
    "adagrad": Twin(torch.optim.Adagrad, _adagrad_reach),
    "nadam": Twin(torch.optim.NAdam, _nadam_reach),
    "radam": Twin(torch.optim.RAdam, _radam_reach),
    "lion": Twin(Lion, None),
    "muon": Twin(Muon, None),
}
