"""Lion and Muon as optimisers of torch's kind, of which torch has none or only a part."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sweep.training.muon import orthogonal

HIDDEN = "hidden"  # the key of a group of Muon's that says whether it holds hidden matrices


class Lion(torch.optim.Optimizer):
    """Lion with decoupled weight decay: see `sweep.training.adaptive.Lion`."""

    def __init__(
        self, params: Any, lr: float, betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ):  # fmt: skip
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make a step."""
        loss = _loss(closure)
        for group in self.param_groups:
            (beta1, beta2), lr = group["betas"], float(group["lr"])
            for p in (p for p in group["params"] if p.grad is not None):
                mean = _held(self.state[p], "exp_avg", p)
                p.mul_(1 - lr * group["weight_decay"])
                p.sub_(torch.lerp(mean, p.grad, 1 - beta1).sign_(), alpha=lr)
                mean.lerp_(p.grad, 1 - beta2)
        return loss


class Muon(torch.optim.Optimizer):
    """Muon for groups whose `hidden` is true, AdamW for the others.

    See `sweep.training.muon`: matrices are made orthogonal in their own precision, where
    torch.optim.Muon rounds to bfloat16.
    """

    def __init__(
        self, params: Any, lr: float, momentum: float = 0.95, nesterov: bool = True,
        adjust_lr: str = "match_rms_adamw", betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0.0,
    ):  # fmt: skip
        defaults = {
            "lr": lr, "momentum": momentum, "nesterov": nesterov, "adjust_lr": adjust_lr,
            "betas": betas, "eps": eps, "weight_decay": weight_decay, HIDDEN: False,
        }  # fmt: skip
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make a step."""
        loss = _loss(closure)
        for group in self.param_groups:
            move = _muon if group[HIDDEN] else _adamw
            for p in (p for p in group["params"] if p.grad is not None):
                p.mul_(1 - float(group["lr"]) * group["weight_decay"])
                move(p, p.grad, group, self.state[p])
        return loss


def _muon(p: Tensor, g: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
    momentum, (n_out, n_in) = float(group["momentum"]), p.shape
    mean = _held(state, "momentum_buffer", p).lerp_(g, 1 - momentum)
    update = torch.lerp(g, mean, momentum) if group["nesterov"] else mean
    gain = 0.2 * math.sqrt(max(n_out, n_in))
    if group["adjust_lr"] == "original":
        gain = math.sqrt(max(1, n_out / n_in))
    p.sub_(orthogonal(update[None])[0], alpha=float(group["lr"]) * gain)


def _adamw(p: Tensor, g: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
    (beta1, beta2), lr = group["betas"], float(group["lr"])
    t = state["step"] = state.get("step", 0) + 1
    m = _held(state, "exp_avg", p).lerp_(g, 1 - beta1)
    v = _held(state, "exp_avg_sq", p).mul_(beta2).addcmul_(g, g, value=1 - beta2)
    root = (v / (1 - beta2**t)).sqrt_().add_(group["eps"])
    p.addcdiv_(m, root, value=-lr / (1 - beta1**t))


def _held(state: dict[str, Any], name: str, p: Tensor) -> Tensor:
    """Return what an optimiser remembers of a tensor, zeros at first."""
    found: Tensor = state.setdefault(name, torch.zeros_like(p))
    return found


def _loss(closure: Callable[[], float] | None) -> float | None:
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()
