"""Attention of all lanes, forward and backward, a few lanes at a time.

| symbol | meaning | shape |
|---|---|---|
| L, n | lanes, heads | |
| T, S, d, e | queries, keys, width of a head of queries and keys, of values | |
| q, k, v | queries, keys, values | (L, …, T, n·d), (L, …, S, n·d), (L, …, S, n·e) |
| qkv | all three of the same tokens beside each other, e = d | (L, …, T, 3·n·d) |
| P | shares: softmax of scores | (L, …, n, T, S) |
| bias | added to scores | (L, …, n, T, S), or broadcast to it |
| kept | what shares are multiplied by after the softmax, if at all | (L, …, n, T, S) |

Heads are views of tokens. Their products are small and many, and their rows lie apart: numpy
multiplies them as they lie, where torch makes copies. The scores of so many lanes as are worked
on at once stay in a cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

ENTRIES = 1 << 16  # scores at once: in float32 half of a common second cache

Context = Any
Three = tuple[Tensor, Tensor, Tensor]


def attend(
    q: Tensor, k: Tensor | None, v: Tensor | None, bias: Tensor | None, kept: Tensor | None,
    heads: int, scale: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return what queries read of the values, (L, …, T, n·e), and P∘kept.

    Args:
        q, k, v: of q alone, qkv.
        bias, kept: see above.
        heads: n.
        scale: of the products of queries and keys.
    """
    run: Callable[..., tuple[Tensor, Tensor]] = _Attention.apply
    return run(q, k, v, bias, kept, heads, scale)


class _Attention(Function):
    """(P∘kept)·v, P = softmax(scale·q·kᵀ + bias)."""

    @staticmethod
    def forward(
        ctx: Context, q: Tensor, k: Tensor | None, v: Tensor | None, bias: Tensor | None,
        kept: Tensor | None, heads: int, scale: float,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return outputs and P∘kept."""
        queries, keys, values = _by_heads(q, k, v, heads)
        shares = q.new_empty(*queries.shape[:-1], keys.shape[-2])
        read = shares if kept is None else torch.empty_like(shares)
        out = q.new_empty(*q.shape[:-1], heads * values.shape[-1])
        into = _heads_of(out, heads)
        for some in _groups(shares):
            P, R = shares[some], read[some]
            _multiply(queries[some], keys[some].mT, P).mul_(scale)
            if bias is not None:
                P.add_(bias[some])
            torch.softmax(P, -1, out=P)
            if kept is not None:
                torch.mul(P, kept[some], out=R)
            _multiply(R, values[some], into[some])
        ctx.heads, ctx.scale = heads, scale
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(q, k, v, bias, kept, shares, read)
        return out, read

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dout: Tensor | None, dread: Tensor | None) -> Any:
        """Go back through values, softmax and scores."""
        q, k, v, bias, kept, shares, read = ctx.saved_tensors
        by_q, by_k, by_v = (None if t is None else torch.empty_like(t) for t in (q, k, v))
        queries, keys, values = _by_heads(q, k, v, ctx.heads)
        dq, dk, dv = _by_heads(by_q, by_k, by_v, ctx.heads)
        if dout is None:
            dout = q.new_zeros(*q.shape[:-1], ctx.heads * values.shape[-1])
        d, dbias = _heads_of(dout, ctx.heads), None
        if ctx.needs_input_grad[3]:
            dbias = torch.empty_like(shares)
        for some in _groups(shares):
            P = shares[some]
            _multiply(read[some].mT, d[some], dv[some])
            dP = _multiply(d[some], values[some].mT, torch.empty_like(P))
            if dread is not None:
                dP.add_(dread[some])
            if kept is not None:
                dP.mul_(kept[some])
            torch._softmax_backward_data(dP, P, -1, P.dtype, grad_input=dP)
            if dbias is not None:
                dbias[some] = dP
            dP.mul_(ctx.scale)
            _multiply(dP, keys[some], dq[some])
            _multiply(dP.mT, queries[some], dk[some])
        by_bias = None if dbias is None else dbias.sum_to_size(bias.shape)
        return by_q, by_k, by_v, by_bias, None, None, None


def _groups(shares: Tensor) -> Iterator[slice]:
    """Name the lanes that are worked on at once."""
    n = max(1, ENTRIES // max(1, shares[0].numel()))
    return (slice(first, first + n) for first in range(0, len(shares), n))


def _multiply(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    with np.errstate(all="ignore"):  # a lane that diverges is told of elsewhere
        np.matmul(a.numpy(), b.numpy(), out=out.numpy())
    return out


def _by_heads(q: Tensor | None, k: Tensor | None, v: Tensor | None, heads: int) -> Three:
    """View what attends by heads, (L, …, n, T, d) each."""
    assert q is not None
    if k is None or v is None:
        q, k, v = q.chunk(3, -1)
    return _heads_of(q, heads), _heads_of(k, heads), _heads_of(v, heads)


def _heads_of(tokens: Tensor, heads: int) -> Tensor:
    by_head: Tensor = tokens.unflatten(-1, (heads, -1))
    return by_head.transpose(-2, -3)
