"""Batch normalisation of all lanes at once on a CPU, whatever order axes lie in.

| symbol | meaning | shape |
|---|---|---|
| L, B, C | lanes, rows of a batch, channels | |
| n | entries of a channel | |
| x | rows, lines, images or volumes | (L, B, C, ...) |
| mean, var | of a channel of each lane | (L, C) |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sweep.training.entries import in_vectors
from sweep.training.over_lanes import applied, by_all_lanes, over_lanes, parts


def _others(x: Tensor) -> list[int]:
    """Return all axes but those of lanes and channels."""
    return [1, *range(3, x.ndim)]


def _beside(values: Tensor, x: Tensor) -> Tensor:
    """See what belongs to channels (L, C) as x lies."""
    return values.view(len(values), 1, -1, *[1] * (x.ndim - 3))


class Normalise(Function):
    """(x - mean) / sqrt(var + eps) of each channel, times a weight, plus a bias (L, C)."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return it, mean and var."""
        axes, out = _others(x), torch.empty_like(x)
        mean = x.new_empty(len(x), x.shape[2])
        var = torch.empty_like(mean)
        for part in parts(x):
            torch.mean(x[part], axes, out=mean[part])
            centred = torch.sub(x[part], _beside(mean[part], x), out=out[part])
            torch.mean(centred.square(), axes, out=var[part])
            scale = (var[part] + eps).rsqrt()
            centred.mul_(_beside(scale if weight is None else scale * weight[part], x))
            if bias is not None:
                centred.add_(_beside(bias[part], x))
        return out, mean, var

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep x, what it was moved and divided by, and the weight."""
        (x, weight, bias, eps), (_, mean, var) = inputs, output
        ctx.has_bias = bias is not None
        ctx.mark_non_differentiable(mean, var)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d: Tensor, *_: Any) -> Any:
        """Return the gradients.

        That by x is (d - mean(d) - z·mean(d·z))·weight / sqrt(var + eps), z what is normalised.
        """
        x, weight, mean, scale = ctx.saved_tensors
        n, axes, dx = x[0].numel() // x.shape[2], _others(x), torch.empty_like(x)
        by_bias, along = torch.empty_like(mean), torch.empty_like(mean)
        factor = scale if weight is None else scale * weight
        for part in parts(x):
            z = torch.sub(x[part], _beside(mean[part], x)).mul_(_beside(scale[part], x))
            torch.sum(d[part], axes, out=by_bias[part])
            torch.sum(torch.mul(d[part], z, out=dx[part]), axes, out=along[part])
            z.mul_(_beside(along[part] / n, x)).add_(_beside(by_bias[part] / n, x))
            torch.sub(d[part], z, out=dx[part]).mul_(_beside(factor[part], x))
        by_weight = None if weight is None else along
        return dx, by_weight, by_bias if ctx.has_bias else None, None


def _batch_norm(
    x: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Do what F.batch_norm does."""
    n = x.numel() // x.shape[1] if x.numel() else 0
    if n < 2 or not by_all_lanes(x) or _is_rows_in_vectors(x):
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        assert running_mean is not None
        assert running_var is not None
        return _by_running(x, running_mean, running_var, weight, bias, eps)
    out, mean, var = over_lanes(lambda *of: applied(Normalise, *of, eps), x, weight, bias)
    if running_mean is not None and running_var is not None:
        running_mean.mul_(1 - momentum).add_(momentum * mean)
        running_var.mul_(1 - momentum).add_(momentum * n / (n - 1) * var)
    return out


def _is_rows_in_vectors(x: Tensor) -> bool:
    """Whether each lane of rows begins a vector where torch normalises all lanes' side by side."""
    return x.ndim == 2 and in_vectors(x.shape[1])


def _by_running(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Normalise by what was measured in training, as vmap batches it."""
    scale = (var + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    shape = 1, -1, *[1] * (x.ndim - 2)
    return x * scale.view(shape) + shift.view(shape)


NORMALISATION: Mapping[Any, Callable[..., Any]] = {F.batch_norm: _batch_norm}
