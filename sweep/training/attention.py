"""Attention as plain products and a softmax, which lanes can run.

torch's fused kernels have no rule for vmap; this is the mathematics they document.

| symbol | meaning | shape |
|---|---|---|
| B, T, S, E | rows, queries, keys, their width | |
| n, d | heads, width of a head | |
| q, k, v | queries, keys, values | (…, T, d), (…, S, d), (…, S, d) |
| bias | added to the scores: -inf where a query must not see a key | (…, T, S) |

On a CPU `heads` does it, with a way back of its own, where there are many scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod, sqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sweep.training.counters import Draws
from sweep.training.drawing import dropout
from sweep.training.heads import attend
from sweep.training.over_lanes import by_all_lanes, over_lanes
from sweep.training.written_out import linear

FEWEST = 1 << 12  # scores of a lane, from which `heads` takes less time than products of torch
LARGEST = 1 << 18  # multiplications of a head's product: larger ones are left to torch


def _attended(
    draws: Draws, tokens: list[Tensor], heads: int, bias: Tensor | None, blind: Tensor | None,
    scale: float, drop: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return what queries read, (…, T, n·d), and their shares after dropout, (…, n, T, S).

    Args:
        draws: of dropout.
        tokens: q, k and v as (…, T, n·d); or all three beside each other.
        heads: n.
        bias: see above.
        blind: queries whose outputs are 0, as the bias is.
        scale: of the products.
        drop: share to drop.
    """
    q, *k_and_v = tokens
    n_queries, n_keys = (t.shape[-2] for t in _three(tokens)[:2])
    shape = *q.shape[:-2], heads, n_queries, n_keys
    largest = n_queries * n_keys * max(t.shape[-1] for t in _three(tokens)) // heads
    if prod(shape) < FEWEST or largest > LARGEST or not by_all_lanes(q):
        return _by_products(draws, _three(tokens), heads, bias, blind, scale, drop)
    kept = None if blind is None else (~blind).to(q.dtype)
    if drop:
        of_drop = dropout(draws, torch.ones(shape, dtype=q.dtype).mT, drop).mT
        kept = of_drop if kept is None else of_drop * kept
    bias, kept = (
        None if t is None else t.view(*[1] * (len(shape) - t.ndim), *t.shape) for t in (bias, kept)
    )

    def attending(q: Tensor, *others: Tensor | None) -> tuple[Tensor, Tensor]:
        k, v, bias, kept = others
        return attend(q, k, v, bias, kept, heads, scale)

    out, shares = over_lanes(attending, q, *(k_and_v or (None, None)), bias, kept)
    return out, shares


def _by_products(
    draws: Draws, tokens: list[Tensor], heads: int, bias: Tensor | None, blind: Tensor | None,
    scale: float, drop: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Do as `_attended` does, by products that vmap can batch."""
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(-2, -3) for t in tokens)
    shares = _shares(draws, q, k, bias, scale, drop)
    out = shares.mT @ v
    out = out if blind is None else out.masked_fill(blind, 0)
    return out.transpose(-2, -3).flatten(-2), shares.mT


def _three(tokens: list[Tensor]) -> list[Tensor]:
    return tokens if len(tokens) == 3 else [*tokens[0].chunk(3, -1)]


def _shares(
    draws: Draws, q: Tensor, k: Tensor, bias: Tensor | None, scale: float, drop: float
) -> Tensor:
    """Return softmax(q·kᵀ·scale + bias) after dropout, transposed: (…, S, T).

    The softmax is along the slow axis: along the fast one it takes many times as long on a CPU.
    """
    scores = k @ (q * scale).mT
    shares = (scores if bias is None else scores + bias.mT).softmax(-2)
    return dropout(draws, shares, drop, drop > 0)


def scaled_dot_product_attention(
    draws: Draws, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """Do what F.scaled_dot_product_attention does, for (…, T, d)."""
    if enable_gqa:
        key, value = (
            t.repeat_interleave(query.shape[-3] // t.shape[-3], -3) for t in (key, value)
        )
    bias = _as_bias(attn_mask, query.dtype)
    if is_causal:
        bias = causal(query.shape[-2], key.shape[-2], query)
    scale = 1 / sqrt(query.shape[-1]) if scale is None else scale
    tokens, bias = [query, key, value], None if bias is None else bias.unsqueeze(-3)
    return _attended(draws, tokens, 1, *_without_blind(bias), scale, dropout_p)[0]


def _without_blind(bias: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Let queries that see no key see all, and tell which they are: their outputs are 0."""
    if bias is None:
        return None, None
    blind = (bias == -torch.inf).all(-1, keepdim=True)
    return bias.masked_fill(blind, 0), blind


def causal(n_queries: int, n_keys: int, like: Tensor) -> Tensor:
    """Return the bias (T, S) by which a query sees no key behind itself."""
    hidden = torch.ones(n_queries, n_keys, dtype=torch.bool, device=like.device).triu(1)
    return _hiding(hidden, like.dtype)


def _as_bias(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Turn a mask, of what is seen or to be added, into a bias."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return _hiding(~mask, dtype)


def _hiding(hidden: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill(
        hidden, -torch.inf
    )


def _additive(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Turn a mask of MultiheadAttention, of what is hidden or to be added, into a bias."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return _hiding(mask, dtype)


def multi_head_attention_forward(
    draws: Draws, query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int,
    num_heads: int, in_proj_weight: Tensor | None, in_proj_bias: Tensor | None,
    bias_k: Tensor | None, bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float,
    out_proj_weight: Tensor, out_proj_bias: Tensor | None, training: bool = True,
    key_padding_mask: Tensor | None = None, need_weights: bool = True,
    attn_mask: Tensor | None = None, use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None, k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None, static_k: Tensor | None = None,
    static_v: Tensor | None = None, average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Do what F.multi_head_attention_forward does, for (T, B, E), or (T, E) of a single row."""
    if is_causal and attn_mask is None:
        raise RuntimeError("attn_mask: must be given with is_causal, got none")
    single = query.ndim == 2
    same = query is key, key is value
    query, key, value = ((t[:, None] if single else t).transpose(0, 1)
                         for t in (query, key, value))  # fmt: skip
    if use_separate_proj_weight:
        weights = [q_proj_weight, k_proj_weight, v_proj_weight]
    else:
        assert in_proj_weight is not None
        weights = [in_proj_weight]
    tokens = _projected(query, key, value, same, weights, in_proj_bias)
    if bias_k is not None or add_zero_attn:
        q, k, v = _three(tokens)
        tokens = [q, *_lengthened(k, v, bias_k, bias_v, add_zero_attn)]
    if static_k is not None or static_v is not None:
        raise NotImplementedError("static_k and static_v of multi_head_attention_forward")
    padding = (
        key_padding_mask[None] if single and key_padding_mask is not None else key_padding_mask
    )
    n_keys = key.shape[1], _three(tokens)[1].shape[1]
    bias = _bias(attn_mask, padding, query.dtype, (len(query), num_heads), *n_keys)
    drop, blind = dropout_p if training else 0.0, None
    if not need_weights:
        bias, blind = _without_blind(bias)
    scale = sqrt(num_heads / embed_dim_to_check)
    out, dropped = _attended(draws, tokens, num_heads, bias, blind, scale, drop)
    out = linear(out, out_proj_weight, out_proj_bias).transpose(0, 1)
    seen = _seen(dropped, average_attn_weights) if need_weights else None
    if single:
        return out[:, 0], None if seen is None else seen[0]
    return out, seen


def _seen(shares: Tensor, averaged: bool) -> Tensor:
    return shares.mean(1) if averaged else shares


def _projected(
    query: Tensor, key: Tensor, value: Tensor, same: tuple[bool, bool],
    weights: list[Tensor | None], bias: Tensor | None,
) -> list[Tensor]:  # fmt: skip
    """Map queries, keys and values: to each, or to all three beside each other."""
    biases = [None] * 3 if bias is None else [*bias.chunk(3)]
    if len(weights) == 1:
        (whole,) = weights
        assert whole is not None
        if all(same):
            return [linear(query, whole, bias)]
        weights = [*whole.chunk(3)]
    each = zip((query, key, value), weights, biases, strict=True)
    return [linear(x, w, b) for x, w, b in each if w is not None]


def _lengthened(
    k: Tensor, v: Tensor, bias_k: Tensor | None, bias_v: Tensor | None, zero: bool
) -> tuple[Tensor, Tensor]:
    """Append to the keys and values (B, S, E) what the layer has of its own, and zeros."""
    if bias_k is not None and bias_v is not None:
        k, v = (
            torch.cat([t, own.expand(len(t), 1, -1)], 1) for t, own in ((k, bias_k), (v, bias_v))
        )
    if zero:
        k, v = (F.pad(t, (0, 0, 0, 1)) for t in (k, v))
    return k, v


def _bias(
    mask: Tensor | None, padding: Tensor | None, dtype: torch.dtype, begin: tuple[int, int],
    n_keys: int, n_all: int,
) -> Tensor | None:  # fmt: skip
    """Join both masks, and let what was appended to the keys be seen."""
    found: Tensor | None = None
    added = _additive(mask, dtype)
    if added is not None:
        found = added if added.ndim == 2 else added.unflatten(0, begin)
    hidden = _additive(padding, dtype)
    if hidden is not None:
        hidden = hidden[:, None, None]
        found = hidden if found is None else found + hidden
    return found if found is None or n_all == n_keys else F.pad(found, (0, n_all - n_keys))


ATTENTION: Mapping[Any, Callable[..., Any]] = {
    F.scaled_dot_product_attention: scaled_dot_product_attention,
    F.multi_head_attention_forward: multi_head_attention_forward,
}
