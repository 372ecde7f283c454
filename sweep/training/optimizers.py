"""Optimisers for many lanes at once: each with its own lr, α and step count.

torch.optim takes one lr and one weight_decay per tensor, so it cannot train lanes that
differ in them. These do what torch.optim does (same formulas, to rounding) on all lanes.

| symbol | meaning | shape |
|---|---|---|
| θ, g | parameters and gradient | (L, P), as `Flat` |
| t | steps each lane has made, this one included | (L, 1), float64 |
| lr, α, r, μ | columns: learning rate, strength, l1_ratio, momentum | (L, 1) |

The state is zero before a lane's first step: zero it when you refill a lane.
Every step works in place, on tensors that keep their addresses, and reads no value on the host.
So a step can be captured in a CUDA graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sweep.training.layout import Flat
from sweep.training.penalty import add_l2_gradient, soft_threshold

Columns = dict[str, Tensor]  # what may differ from lane to lane, each (L, 1): see COLUMNS


class Optimizer(Protocol):
    """An update rule over lanes."""

    def init(self, params: Flat) -> tuple[Flat, ...]:
        """Make the state of parameters, all zero."""

    def step(
        self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: Columns
    ) -> None:
        """Update `params` and `state` in place; `grad` is overwritten."""


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

    def init(self, params: Flat) -> tuple[Flat, ...]:
        """Make momentum buffer b (L, P) and gain s (L, 1), or nothing without momentum."""
        return (params.zeros_like(), params.columns()) if self.has_momentum else ()

    def step(
        self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: Columns
    ) -> None:
        """Update in place."""
        strength, lr, ratio = columns["strength"], columns["lr"], columns["l1_ratio"]
        momentum = columns["momentum"]
        add_l2_gradient(grad, params, strength, ratio)
        gain = torch.ones_like(lr)
        if self.has_momentum:
            buffer, (gain_buffer,) = state[0], state[1].parts
            fresh = torch.where((t == 1) | (momentum == 0), 1.0, 1 - self.dampening).to(lr.dtype)
            for b, g in zip(buffer.parts, grad.parts, strict=True):
                b.mul_(momentum).addcmul_(g, fresh)
                if self.nesterov:
                    g.addcmul_(b, momentum)
            gain_buffer.mul_(momentum).add_(fresh)
            gain = 1 + momentum * gain_buffer if self.nesterov else gain_buffer
            grad = grad if self.nesterov else buffer
        for p, g in zip(params.parts, grad.parts, strict=True):
            p.addcmul_(g, -lr)
        if self.l1:
            for w in params.weights:
                soft_threshold(w, lr * strength * ratio * gain)


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

    def init(self, params: Flat) -> tuple[Flat, ...]:
        """Make m and v, each (L, P)."""
        return params.zeros_like(), params.zeros_like()

    def step(
        self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: Columns
    ) -> None:
        """Update in place."""
        (beta1, beta2), lr = self.betas, columns["lr"]
        m, v, g = state[0].whole, state[1].whole, grad.whole
        self._penalise(params, grad, columns)
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        correction1, scale, offset = self.factors(t, lr)
        if torch.compiler.is_compiling():  # or the lines below would compute them for every entry
            torch._dynamo.graph_break()
        torch.sqrt(v, out=g)
        for part in grad.parts:
            part.mul_(scale).add_(offset)  # addcmul is slow where two of three are columns
        params.whole.addcdiv_(m, g, value=-1)
        if self.l1:
            threshold = columns["strength"] * columns["l1_ratio"] * correction1
            for w, denominator in zip(params.weights, grad.weights, strict=True):
                soft_threshold(w, threshold / denominator)

    def factors(self, t: Tensor, lr: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the correction of m, and scale and offset of the denominator: (L, 1) each.

        The bias corrections are folded into it, lr·m̂/(√v̂ + eps) = m/(scale·√v + offset), which
        takes two passes less. In float64: 1 − 0.999^t loses five digits in float32.
        """
        beta1, beta2 = self.betas
        correction1, correction2 = 1 - beta1**t, 1 - beta2**t
        scale = correction1 / (lr * correction2.sqrt())
        offset = correction1 * self.eps / lr
        return correction1.to(lr.dtype), scale.to(lr.dtype), offset.to(lr.dtype)

    def _penalise(self, params: Flat, grad: Flat, columns: Columns) -> None:
        if self.decoupled:
            for w in params.weights:
                w.mul_(1 - columns["lr"] * columns["strength"])
        else:
            add_l2_gradient(grad, params, columns["strength"], columns["l1_ratio"])


@dataclass(frozen=True)
class FusedAdam(Adam):
    """Adam on a CPU in one pass over memory, by torch's kernel behind `fused=True`; not for l1.

    The kernel takes one lr a call and one step count a tensor. The lanes of a trial share both,
    so they go in as one tensor; trials of equal lr share a call. So a trial's bits do not depend
    on the others.
    """

    def step(
        self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: Columns
    ) -> None:
        """Update in place."""
        self._penalise(params, grad, columns)
        (beta1, beta2), first = self.betas, slice(None, None, params.places)
        steps, lrs = t[first].unbind(), columns["lr"][first, 0].tolist()
        for lr in dict.fromkeys(lrs):
            slots = [slot for slot, other in enumerate(lrs) if other == lr]
            p, g, m, v = (
                [tensor for slot in slots for tensor in flat.slots[slot]]
                for flat in (params, grad, *state)
            )
            counts = [steps[slot] for slot in slots for _ in params.sizes]
            torch._fused_adam_(
                p, g, m, v, [], counts, lr=lr, beta1=beta1, beta2=beta2, weight_decay=0.0,
                eps=self.eps, amsgrad=False, maximize=False,
            )  # fmt: skip
