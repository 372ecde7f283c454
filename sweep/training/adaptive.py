"""Optimisers beside SGD and Adam whose steps are scaled entry by entry, and Lion, for all lanes.

Symbols are those of `optimizers`. Where the penalty has an l1 part its threshold is what the
optimiser itself would move an entry by, were the gradient a constant α·r from the first step on:
so a point at which the optimiser rests is one of the penalised problem, whatever its momentum
(Yun, Lozano & Yang 2021, ProxGen, for steps scaled entry by entry).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sweep.training.layout import Flat
from sweep.training.optimizers import Adam, Columns
from sweep.training.penalty import add_l2_gradient, soft_threshold


@dataclass(frozen=True)
class RMSprop:
    """Step as torch.optim.RMSprop.

    v ← ρv + (1 − ρ)g²,  ḡ ← ρḡ + (1 − ρ)g if centered,  d = √(v − ḡ²) + eps
    b ← μb + g/d,  s ← μs + 1/d
    θ ← soft(θ − lr·b, lr·α·r·s)
    """

    smoothing: float = 0.99
    eps: float = 1e-8
    centered: bool = False
    l1: bool = False
    has_momentum: bool = False

    def init(self, params: Flat) -> tuple[Flat, ...]:
        """Make v, then ḡ, b and s where they are needed: (L, P) each."""
        n = 1 + self.centered + self.has_momentum * (1 + self.l1)
        return tuple(params.zeros_like() for _ in range(n))

    def step(
        self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: Columns
    ) -> None:
        """Update in place."""
        lr, momentum = columns["lr"], columns["momentum"]
        add_l2_gradient(grad, params, columns["strength"], columns["l1_ratio"])
        d = params.like(self._divisor(grad.whole, state))
        reach = [1 / part for part in d.weights] if self.l1 else []
        step = params.like(grad.whole.div_(d.whole))
        if self.has_momentum:
            buffer, *gains = state[1 + self.centered :]
            for b, g in zip(buffer.parts, step.parts, strict=True):
                b.mul_(momentum).add_(g)
            for gain in gains:
                pairs = zip(gain.weights, reach, strict=True)
                reach = [s.mul_(momentum).add_(once) for s, once in pairs]
            step = buffer
        for p, b in zip(params.parts, step.parts, strict=True):
            p.addcmul_(b, -lr)
        _shrink(params, reach, lr, columns)

    def _divisor(self, g: Tensor, state: tuple[Flat, ...]) -> Tensor:
        v = state[0].whole.mul_(self.smoothing).addcmul_(g, g, value=1 - self.smoothing)
        if not self.centered:
            return v.sqrt().add_(self.eps)
        mean = state[1].whole.lerp_(g, 1 - self.smoothing)
        return v.addcmul(mean, mean, value=-1).sqrt_().add_(self.eps)


@dataclass(frozen=True)
class Adagrad:
    """Step as torch.optim.Adagrad.

    v ← v + g²,  d = √(v₀ + v) + eps,  h = lr / (1 + (t − 1)·lr_decay) / d
    θ ← soft(θ − h·g, h·α·r)
    """

    lr_decay: float = 0.0
    initial_accumulator: float = 0.0
    eps: float = 1e-10
    l1: bool = False

    def init(self, params: Flat) -> tuple[Flat, ...]:
        """Make v, (L, P)."""
        return (params.zeros_like(),)

    def step(
        self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: Columns
    ) -> None:
        """Update in place."""
        add_l2_gradient(grad, params, columns["strength"], columns["l1_ratio"])
        v, g = state[0].whole, grad.whole
        v.addcmul_(g, g)
        d = params.like(v.add(self.initial_accumulator).sqrt_().add_(self.eps))
        g.div_(d.whole)
        lr = (columns["lr"] / (1 + (t - 1) * self.lr_decay)).to(g.dtype)
        for p, step in zip(params.parts, grad.parts, strict=True):
            p.addcmul_(step, -lr)
        _shrink(params, [1 / part for part in d.weights] if self.l1 else [], lr, columns)


@dataclass(frozen=True)
class NAdam:
    """Step as torch.optim.NAdam.

    m, v as Adam;  μ_t = β₁(1 − 0.96^(t·ψ)/2),  M_t = μ₁·…·μ_t,  d = √v̂ + eps
    a = lr(1 − μ_t)/(1 − M_t),  c = lr·μ_{t+1}/(1 − M_t·μ_{t+1})
    θ ← soft(θ − (a·g + c·m)/d, α·r(a + c(1 − β₁^t))/d)
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum_decay: float = 4e-3
    l1: bool = False

    def init(self, params: Flat) -> tuple[Flat, ...]:
        """Make m and v, each (L, P), and M, (L, 1) in float64."""
        product = Flat(params.whole.new_zeros(len(params.parts[0]), dtype=torch.float64), [1])
        return params.zeros_like(), params.zeros_like(), product

    def step(
        self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: Columns
    ) -> None:
        """Update in place."""
        (beta1, beta2), lr = self.betas, columns["lr"]
        add_l2_gradient(grad, params, columns["strength"], columns["l1_ratio"])
        m, v, g = state[0].whole, state[1].whole, grad.whole
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        of_g, of_m = self._factors(t, lr, state[2].parts[0])
        d, root = params.like(v.sqrt()), (1 - beta2**t).sqrt().to(lr.dtype)
        for part in d.parts:
            part.div_(root).add_(self.eps)
        for part, mean in zip(grad.parts, state[0].parts, strict=True):
            part.mul_(of_g.to(lr.dtype)).addcmul_(mean, of_m.to(lr.dtype))
        params.whole.addcdiv_(g, d.whole, value=-1)
        reach = (of_g + of_m * (1 - beta1**t)).to(lr.dtype)
        _shrink(params, [1 / part for part in d.weights] if self.l1 else [], reach, columns)

    def _factors(self, t: Tensor, lr: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
        """Return a and c in float64, (L, 1) each, and move M on."""
        now, following = (
            self.betas[0] * (1 - 0.5 * 0.96 ** ((t + ahead) * self.momentum_decay))
            for ahead in (0, 1)
        )
        product.copy_(torch.where(t == 1, now, product * now))
        return lr * (1 - now) / (1 - product), lr * following / (1 - product * following)


@dataclass(frozen=True)
class RAdam(Adam):
    """Step as torch.optim.RAdam: Adam whose scale is corrected for its few first gradients.

    ρ∞ = 2/(1 − β₂) − 1,  ρ = ρ∞ − 2t·β₂^t/(1 − β₂^t)
    h = lr·√((ρ − 4)(ρ − 2)ρ∞ / ((ρ∞ − 4)(ρ∞ − 2)ρ))·√(1 − β₂^t) / (√v + eps) where ρ > 5, else lr
    θ ← soft(θ − h·m̂, h·α·r)
    """

    def factors(self, t: Tensor, lr: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what Adam's do; without a scale the denominator is the offset."""
        beta1, beta2 = self.betas
        correction1, correction2 = 1 - beta1**t, 1 - beta2**t
        most = torch.full_like(t, 2 / (1 - beta2) - 1)
        rho = most - 2 * t * beta2**t / correction2
        rectified = (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)
        scale = correction1 / (lr * (rectified * correction2).sqrt())
        is_on = rho > 5
        scale, offset = (
            torch.where(is_on, on, off).to(lr.dtype)
            for on, off in ((scale, 0 * rho), (scale * self.eps, correction1 / lr))
        )
        return correction1.to(lr.dtype), scale, offset


@dataclass(frozen=True)
class Lion:
    """Step by the sign of a mean gradient (Chen et al. 2023, Symbolic Discovery, program 1).

    θ ← θ(1 − lr·weight_decay) − lr·sign(β₁m + (1 − β₁)g),  m ← β₂m + (1 − β₂)g
    """

    betas: tuple[float, float] = (0.9, 0.99)

    def init(self, params: Flat) -> tuple[Flat, ...]:
        """Make m, (L, P)."""
        return (params.zeros_like(),)

    def step(
        self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: Columns
    ) -> None:
        """Update in place."""
        (beta1, beta2), lr = self.betas, columns["lr"]
        decay(params, lr * columns["strength"])
        m, g = state[0].whole, grad.whole
        sign = params.like(torch.lerp(m, g, 1 - beta1).sign_())
        for p, step in zip(params.parts, sign.parts, strict=True):
            p.addcmul_(step, -lr)
        m.lerp_(g, 1 - beta2)


def decay(params: Flat, by: Tensor) -> None:
    """Take a share (L, 1) off the weights, in place."""
    for w in params.weights:
        w.mul_(1 - by)


def _shrink(params: Flat, reach: list[Tensor], lr: Tensor, columns: Columns) -> None:
    """Take the proximal step of the l1 part, by lr times each weight's reach; none without any."""
    threshold = lr * columns["strength"] * columns["l1_ratio"]
    for w, of_entries in zip(params.weights, reach, strict=bool(reach)):
        soft_threshold(w, threshold * of_entries)
