"""Muon for the hidden matrices of all lanes, AdamW for the rest.

| symbol | meaning | shape |
|---|---|---|
| G | a matrix's gradient; B its running mean | (L, out, in) |
| X | a matrix that is made orthogonal | (L, n, k), n ≤ k |

The matrices lie as `Flat.matrices` says. Other symbols are those of `optimizers`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sweep.training.adaptive import decay
from sweep.training.layout import Flat, Matrix
from sweep.training.linalg import product, sums
from sweep.training.optimizers import Adam, Columns

A, B, C = 3.4445, -4.7750, 2.0315  # of the quintic that Newton-Schulz iterates
ITERATIONS, LEAST = 5, 1e-7  # torch's


@dataclass(frozen=True)
class Muon:
    """Step as torch.optim.Muon with `adjust_lr_fn`, and as torch.optim.AdamW elsewhere.

    B ← μB + (1 − μ)G,  U = μB + (1 − μ)G with nesterov, else B
    θ ← θ(1 − lr·weight_decay) − lr·k·orthogonal(U)

    k is 0.2·√max(out, in), which gives a step the root mean square of AdamW's (Liu et al. 2025,
    Muon is Scalable, §2.2), so that one lr serves both; or √max(1, out/in), of its first paper
    (Jordan et al. 2024). Torch rounds X to bfloat16; here it has the precision of training.
    """

    betas: tuple[float, float] = (0.9, 0.999)  # of AdamW
    eps: float = 1e-8
    nesterov: bool = True
    adjust_lr: Literal["match_rms_adamw", "original"] = "match_rms_adamw"

    def init(self, params: Flat) -> tuple[Flat, ...]:
        """Make B, or m where AdamW steps, and v: (L, P) each."""
        return params.zeros_like(), params.zeros_like()

    def step(
        self, params: Flat, grad: Flat, state: tuple[Flat, ...], t: Tensor, columns: Columns
    ) -> None:
        """Update in place."""
        lr = columns["lr"]
        decay(params, lr * columns["strength"])
        factors = Adam(self.betas, self.eps).factors(t, lr)
        parts = zip(params.parts, grad.parts, state[0].parts, state[1].parts, strict=True)
        for matrix, (p, g, mean, v) in zip(params.matrices, parts, strict=True):
            if matrix is None:
                self._step_adamw(p, g, mean, v, factors)
            else:
                self._step_matrix(matrix, p, g, mean, lr, columns["momentum"])

    def _step_adamw(
        self, p: Tensor, g: Tensor, m: Tensor, v: Tensor, factors: tuple[Tensor, Tensor, Tensor]
    ) -> None:
        (beta1, beta2), (_, scale, offset) = self.betas, factors
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        p.addcdiv_(m, v.sqrt().mul_(scale).add_(offset), value=-1)

    def _step_matrix(
        self, matrix: Matrix, p: Tensor, g: Tensor, mean: Tensor, lr: Tensor, momentum: Tensor
    ) -> None:
        mean.lerp_(g, 1 - momentum)
        update = torch.lerp(g, mean, momentum) if self.nesterov else mean
        n_out, n_in = matrix.shape
        if self.adjust_lr == "original":
            gain = math.sqrt(max(1, n_out / n_in))
        else:
            gain = 0.2 * math.sqrt(max(n_out, n_in))
        lies = matrix.shape[::-1] if matrix.transposed else matrix.shape
        step = orthogonal(update.view(-1, *lies))
        p.addcmul_(step.reshape(p.shape), -lr * gain)


def orthogonal(matrices: Tensor) -> Tensor:
    """Move the singular values of matrices (L, n, k) near 1, by Newton-Schulz.

    X ← X/‖X‖₂, then five times X ← aX + (bS + cS²)X with S = XXᵀ.
    """
    wide = matrices.mT if matrices.shape[1] > matrices.shape[2] else matrices
    size = sums(matrices.flatten(1).square()).sqrt().clamp_min(LEAST)
    x = (wide / size[:, None, None]).contiguous()
    for _ in range(ITERATIONS):
        s = product(x, x.mT)
        x = product(product(s, s).mul_(C).add_(s, alpha=B), x).add_(x, alpha=A)
    return x.mT if wide is not matrices else x
