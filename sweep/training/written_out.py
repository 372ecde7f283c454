"""Functions of torch that vmap cannot batch, written with those that it can.

| symbol | meaning | shape |
|---|---|---|
| N, S, E | bags or rows, entries of a bag, width of an embedding | |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from sweep.errors import UsageError


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Map (…, F) as one product of all rows: vmap would make one of each leading axis."""
    if x.ndim < 3:
        return F.linear(x, weight, bias)
    rows = F.linear(x.reshape(-1, x.shape[-1]), weight, bias)
    return rows.view(*x.shape[:-1], -1)


def bilinear(left: Tensor, right: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Map (…, I) and (…, J) by a weight (O, I, J)."""
    n_outputs, n_left, _ = weight.shape
    rows = left.reshape(-1, n_left) @ weight.transpose(0, 1).flatten(1)
    rows = rows.unflatten(1, (n_outputs, -1)) * right.reshape(-1, 1, right.shape[-1])
    out: Tensor = rows.sum(-1).view(*left.shape[:-1], -1)
    return out if bias is None else out + bias


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """Give v the norms g, of all but one axis, or of all with dim -1."""
    others = [axis for axis in range(v.ndim) if axis != dim]
    return v * (g / v.square().sum(others, keepdim=dim != -1).sqrt())


def normalize(
    x: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Divide by the norm, into `out`, which spectral_norm keeps its vectors in."""
    unit = F.normalize(x, p, dim, eps)
    return unit if out is None else out.copy_(unit)


def scatter_(x: Tensor, *args: Any, **options: Any) -> Tensor:
    """Scatter into a tensor."""
    return x.copy_(x.scatter(*args, **options))


# --- embeddings


def embedding(
    index: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """Look rows up; their gradient is dense."""
    _check_lookup(max_norm, scale_grad_by_freq)
    rows = F.embedding(index, weight)
    if padding_idx is None:
        return rows
    padding = index == (padding_idx if padding_idx >= 0 else padding_idx + len(weight))
    return torch.where(padding[..., None], rows.detach(), rows)


def embedding_bag(
    index: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
    norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean",
    sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """Reduce the rows of each bag: of index (N, S), or of a flat one from each offset on."""
    _check_lookup(max_norm, scale_grad_by_freq)
    if padding_idx is not None and padding_idx < 0:
        padding_idx += len(weight)
    rows = F.embedding(index, weight)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights[..., None]
    counted = torch.ones_like(index, dtype=torch.bool)
    if padding_idx is not None:
        counted = index != padding_idx
    if offsets is not None:
        counted = counted & _members(offsets, len(index), include_last_offset)
        rows = rows[None]
    return _reduced(rows, counted[..., None], mode)


def _members(offsets: Tensor, n: int, closed: bool) -> Tensor:
    """Tell which of n entries belong to which bag, (N, n)."""
    at = torch.arange(n, device=offsets.device)
    begun = at >= offsets[:, None]
    after = begun[1:] if closed else torch.cat([begun[1:], torch.zeros_like(begun[:1])])
    return (begun[:-1] if closed else begun) & ~after


def _reduced(rows: Tensor, counted: Tensor, mode: str) -> Tensor:
    """Reduce rows (N, S, E) over those that are counted (N, S, 1); an empty bag gives 0."""
    if mode == "max":
        empty = ~counted.any(1)
        most = torch.where(counted | empty[:, None], rows, -torch.inf).max(1).values
        return torch.where(empty, 0, most)
    total = torch.where(counted, rows, 0).sum(1)
    return total if mode == "sum" else total / counted.sum(1).clamp(min=1)


def _check_lookup(max_norm: float | None, by_frequency: bool) -> None:
    if max_norm is not None:
        raise UsageError(
            "model: must not change its weights in forward(), got an embedding with max_norm."
            " Leave max_norm out: the penalty keeps the weights small"
        )
    if by_frequency:
        raise UsageError(
            "model: must have gradients that are those of the loss, got an embedding with"
            " scale_grad_by_freq. Leave it out"
        )


# --- layers with a Python number of a lane's own


class CumulativeNorm(_BatchNorm):
    """BatchNorm with momentum None: the running statistics are means over all batches so far."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by the batch in training, and note its statistics."""
        if not self.training or not self.track_running_stats:
            return super().forward(x)
        self._check_input_dim(x)  # type: ignore[no-untyped-call]
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            factor = 1 / self.num_batches_tracked.to(x.dtype)
            axes = [0, *range(2, x.ndim)]
            self.running_mean.add_(factor * (x.mean(axes) - self.running_mean))
            self.running_var.add_(factor * (x.var(axes) - self.running_var))
        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)


WRITTEN_OUT: Mapping[Any, Callable[..., Any]] = {
    F.linear: linear, F.bilinear: bilinear, torch._weight_norm: weight_norm,
    F.normalize: normalize, torch.Tensor.scatter_: scatter_,
    F.embedding: embedding, F.embedding_bag: embedding_bag,
}  # fmt: skip
