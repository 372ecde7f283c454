"""Optimisers for many lanes at once: each with its own lr, α and step count.

torch.optim takes one lr and one weight_decay per tensor, so it cannot train lanes that
differ in them. These do what torch.optim does (same formulas, to rounding) on flat tensors.

| symbol | meaning | shape |
|---|---|---|
| θ, g | parameters and gradient, penalised entries first | (L, P) |
| t | steps each lane has made, this one included | (L, 1), float64 |
| lr, α, r, μ | columns: learning rate, strength, l1_ratio, momentum | (L, 1) |

State is zero before a lane's first step: whoever refills a lane zeroes its rows.
Everything happens in place on tensors that stay where they are, so that a step can be
captured in a CUDA graph; no step reads a value on the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from sweep.penalty import add_l2_gradient, soft_threshold


class Columns(NamedTuple):
    """What may differ from lane to lane: each (L, 1)."""

    strength: Tensor
    lr: Tensor
    l1_ratio: Tensor
    momentum: Tensor


class Optimizer(Protocol):
    """An update rule over lanes."""

    def init(self, params: Tensor) -> tuple[Tensor, ...]:
        """Make the state of parameters (L, P); first axis L, all zero."""

    def step(
        self, params: Tensor, grad: Tensor, state: tuple[Tensor, ...], t: Tensor, columns: Columns,
        n_weights: int,
    ) -> None:  # fmt: skip
        """Update `params` and `state` in place; `grad` is used up."""


@dataclass(frozen=True)
class SGD:
    """Step as torch.optim.SGD, l1 by its proximal step.

    b ← μb + c·g, c = 1 at the first step and where μ = 0, else 1 − dampening
    d = g + μb with nesterov, else b
    θ ← soft(θ − lr·d, lr·α·r·s)

    s is the gain of the recursion fed a constant 1. With the plain threshold lr·α the
    iteration converges to the l1 problem of α(1 − μ), not of α.
    """

    dampening: float = 0.0
    nesterov: bool = False
    l1: bool = False
    has_momentum: bool = True

    def init(self, params: Tensor) -> tuple[Tensor, ...]:
        """Make momentum buffer b (L, P) and gain s (L, 1), or nothing without momentum."""
        if not self.has_momentum:
            return ()
        return torch.zeros_like(params), torch.zeros_like(params[:, :1])

    def step(
        self, params: Tensor, grad: Tensor, state: tuple[Tensor, ...], t: Tensor, columns: Columns,
        n_weights: int,
    ) -> None:  # fmt: skip
        """Update in place."""
        weights, (strength, lr, ratio, momentum) = params[:, :n_weights], columns
        add_l2_gradient(grad[:, :n_weights], weights, strength, ratio)
        gain = torch.ones_like(lr)
        if self.has_momentum:
            buffer, buffer_gain = state
            fresh = torch.where((t == 1) | (momentum == 0), 1.0, 1 - self.dampening).to(lr.dtype)
            buffer.mul_(momentum).addcmul_(grad, fresh)
            buffer_gain.mul_(momentum).add_(fresh)
            grad = grad.addcmul_(buffer, momentum) if self.nesterov else buffer
            gain = 1 + momentum * buffer_gain if self.nesterov else buffer_gain
        params.addcmul_(grad, -lr)
        if self.l1:
            soft_threshold(weights, lr * strength * ratio * gain)


@dataclass(frozen=True)
class Adam:
    """Step as torch.optim.Adam, or AdamW when `decoupled`; l1 by its proximal step.

    m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,  h = lr / (√v̂ + eps)
    θ ← soft(θ − h·m̂, h·α·r)

    The threshold is scaled per entry as the step is; soft(θ, lr·α) converges to another
    point (Yun, Lozano & Yang 2021, ProxGen). Decoupled: θ ← θ(1 − lr·weight_decay) first.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    l1: bool = False
    decoupled: bool = False

    def init(self, params: Tensor) -> tuple[Tensor, ...]:
        """Make m and v, each (L, P)."""
        return torch.zeros_like(params), torch.zeros_like(params)

    def step(
        self, params: Tensor, grad: Tensor, state: tuple[Tensor, ...], t: Tensor, columns: Columns,
        n_weights: int,
    ) -> None:  # fmt: skip
        """Update in place."""
        (m, v), (beta1, beta2) = state, self.betas
        weights, (strength, lr, ratio, _) = params[:, :n_weights], columns
        if self.decoupled:
            weights.mul_(1 - lr * strength)
        else:
            add_l2_gradient(grad[:, :n_weights], weights, strength, ratio)
        m.lerp_(grad, 1 - beta1)
        v.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        # Bias corrections in float64: 1 − 0.999^t loses five digits in float32. Folded into
        # the denominator, they cost two passes over memory less.
        correction1, correction2 = 1 - beta1**t, 1 - beta2**t
        scale = (correction1 / (lr * correction2.sqrt())).to(lr.dtype)
        offset = (correction1 * self.eps / lr).to(lr.dtype)
        denominator = torch.sqrt(v, out=grad).mul_(scale).add_(offset)  # m̂·lr/(√v̂+eps) = m/this
        params.addcdiv_(m, denominator, value=-1)
        if self.l1:
            threshold = strength * ratio * correction1.to(lr.dtype)
            soft_threshold(weights, threshold / denominator[:, :n_weights])
