"""Small networks around each layer of torch.nn that lanes run in a way of their own.

They map rows (B, 20) to (B, 3): a row is a sequence of 5 steps of 4 numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

WIDTH = 20
Use = Callable[[nn.Module, Tensor], Tensor]
Make = Callable[[], nn.Module]


class Around(nn.Module):
    """A layer, used somehow on sequences (B, 5, 4), and a linear one behind it."""

    def __init__(self, layer: nn.Module, use: Use, width: int):
        super().__init__()
        self.layer, self.use, self.last = layer, use, nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        used = self.use(self.layer, x.view(-1, 5, 4))
        return torch.as_tensor(self.last(used.flatten(1)))


def around(make: Make, use: Use, width: int) -> Make:
    return lambda: Around(make(), use, width)


def recurrent(kind: Callable[..., nn.RNNBase], **options: Any) -> Make:
    """Use all outputs and the last states, which begin at 0 or, with `begin`, elsewhere."""
    begin = options.pop("begin", False)
    first = options.setdefault("batch_first", True)
    layer = kind(4, 6, **options)
    directions = 2 if layer.bidirectional else 1
    width = layer.proj_size or 6
    lstm = isinstance(layer, nn.LSTM)

    def use(layer: nn.Module, x: Tensor) -> Tensor:
        states = [torch.ones(directions * options.get("num_layers", 1), len(x), n).to(x) / 3
                  for n in ((width, 6) if lstm else (width,))]  # fmt: skip
        args = (((*states,) if lstm else states[0]),) if begin else ()
        out, last = layer(x if first else x.transpose(0, 1), *args)
        out = out if first else out.transpose(0, 1)
        ends = torch.cat([*last] if lstm else [last], -1).transpose(0, 1)
        return torch.cat([out.flatten(1), ends.flatten(1)], 1)

    n_states = options.get("num_layers", 1) * directions
    total = 5 * width * directions + n_states * (width + 6 if lstm else width)
    return around(lambda: kind(4, 6, **options), use, total)


def packed(kind: Callable[..., nn.RNNBase], lengths: Callable[[Tensor], Any]) -> Make:
    """Use a packed sequence, whose lengths may follow from the rows."""

    def use(layer: nn.Module, x: Tensor) -> Tensor:
        sequences = pack_padded_sequence(x, lengths(x), batch_first=True, enforce_sorted=False)
        out, last = layer(sequences)
        out, _ = pad_packed_sequence(out, batch_first=True, padding_value=0.5, total_length=5)
        last = last[0] if isinstance(last, tuple) else last
        return torch.cat([out.flatten(1), last.transpose(0, 1).flatten(1)], 1)

    return around(lambda: kind(4, 6, bidirectional=True), use, 72)


def cell(kind: Callable[..., nn.RNNCellBase], **options: Any) -> Make:
    def use(layer: nn.Module, x: Tensor) -> Tensor:
        state = None
        for step in x.unbind(1):
            state = layer(step, state)
        return state[0] if isinstance(state, tuple) else torch.as_tensor(state)

    return around(lambda: kind(4, 6, **options), use, 6)


def attention(
    of: Callable[[Tensor], Mapping[str, Any]] = lambda x: {}, seen: bool = True, **options: Any
) -> Make:
    def use(layer: nn.Module, x: Tensor) -> Tensor:
        q = x if options.get("batch_first") else x.transpose(0, 1)
        k, v = q[..., : options.get("kdim", 4)], q[..., : options.get("vdim", 4)]
        out, weights = layer(q, k, v, need_weights=seen, **of(x))
        out = out if options.get("batch_first") else out.transpose(0, 1)
        return torch.cat([out.flatten(1), weights.flatten(1)], 1) if seen else out

    extra = options.get("add_bias_kv", False) + options.get("add_zero_attn", False)
    width = 20 + (25 + 5 * extra if seen else 0)
    return around(lambda: nn.MultiheadAttention(4, 2, **options), use, width)


def encoder(**options: Any) -> nn.TransformerEncoderLayer:
    given = {"dropout": 0.0, "batch_first": True} | options
    return nn.TransformerEncoderLayer(4, 2, 8, **given)


def hidden(x: Tensor) -> Tensor:
    """Hide some of the last steps of each row, by what is in it: (B, 5)."""
    return torch.arange(5) >= lengths_of(x)[:, None]


def lengths_of(x: Tensor) -> Tensor:
    return (x[:, :, 0] > 0).sum(1).clamp(min=1)


def shared_lengths(x: Tensor) -> list[int]:
    return [1 + row % 5 for row in range(len(x))]


def causal(x: Tensor) -> Tensor:
    return nn.Transformer.generate_square_subsequent_mask(5, dtype=x.dtype)


def by_function(use: Callable[[Tensor], Tensor], width: int = WIDTH) -> Make:
    return around(nn.Identity, lambda _, x: use(x), width)


def index(x: Tensor) -> Tensor:
    return (x[..., 0] * 3).long().remainder(7)


def normed(wrap: Callable[..., Any], **options: Any) -> Make:
    return around(lambda: wrap(nn.Linear(4, 6), **options), lambda layer, x: layer(x), 30)


def bag(of: Callable[[Tensor], Mapping[str, Any]] = lambda x: {}, **options: Any) -> Make:
    return around(
        lambda: nn.EmbeddingBag(7, 4, **options), lambda layer, x: layer(index(x), **of(x)), 4
    )


SUBCLASS = type("Named", (nn.LSTM,), {})
LAYERS: Mapping[str, Make] = {
    "RNN": recurrent(nn.RNN),
    "RNN relu, two layers": recurrent(nn.RNN, nonlinearity="relu", num_layers=2),
    "LSTM": recurrent(nn.LSTM),
    "LSTM from given states": recurrent(nn.LSTM, begin=True, num_layers=2),
    "LSTM, both directions": recurrent(nn.LSTM, bidirectional=True, num_layers=2),
    "LSTM, projected": recurrent(nn.LSTM, proj_size=3, bidirectional=True),
    "LSTM without biases": recurrent(nn.LSTM, bias=False, batch_first=False),
    "a subclass of LSTM": recurrent(SUBCLASS),
    "GRU": recurrent(nn.GRU),
    "GRU from given states": recurrent(nn.GRU, begin=True),
    "GRU, both directions": recurrent(nn.GRU, bidirectional=True, num_layers=2, bias=False),
    "LSTM, packed by shared lengths": packed(nn.LSTM, shared_lengths),
    "GRU, packed by lengths of the rows": packed(nn.GRU, lengths_of),
    "RNNCell": cell(nn.RNNCell),
    "RNNCell relu": cell(nn.RNNCell, nonlinearity="relu", bias=False),
    "LSTMCell": cell(nn.LSTMCell),
    "GRUCell": cell(nn.GRUCell),
    "MultiheadAttention": attention(batch_first=True),
    "attention without weights": attention(seen=False),
    "attention, more keys": attention(add_bias_kv=True, add_zero_attn=True),
    "attention, other widths": attention(kdim=3, vdim=2, bias=False),
    "attention, causal": attention(lambda x: {"attn_mask": causal(x), "is_causal": True}, False),
    "attention, padded": attention(lambda x: {"key_padding_mask": hidden(x)}, batch_first=True),
    "attention, padded and masked": attention(
        lambda x: {"key_padding_mask": hidden(x), "attn_mask": causal(x) < 0}
    ),
    "TransformerEncoderLayer": around(encoder, lambda layer, x: layer(x), 20),
    "encoder, norm first, causal": around(
        lambda: nn.TransformerEncoder(encoder(norm_first=True, activation="gelu"), 2, None, False),
        lambda layer, x: layer(x, mask=causal(x), is_causal=True),
        20,
    ),
    "encoder, padded": around(
        lambda: nn.TransformerEncoder(encoder(), 2, None, False),
        lambda layer, x: layer(x, src_key_padding_mask=hidden(x)),
        20,
    ),
    "TransformerDecoderLayer": around(
        lambda: nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0, batch_first=True),
        lambda layer, x: layer(x, x.flip(1), tgt_mask=causal(x)),
        20,
    ),
    "Transformer": around(
        lambda: nn.Transformer(4, 2, 1, 1, 8, dropout=0.0, batch_first=True),
        lambda layer, x: layer(x, x[:, :3]).flatten(1),
        12,
    ),
    "scaled_dot_product_attention": by_function(
        lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True)
    ),
    "grouped queries, nothing seen": by_function(
        lambda x: F.scaled_dot_product_attention(
            x.view(-1, 2, 5, 2), x.view(-1, 1, 10, 2), x.view(-1, 1, 10, 2), scale=0.3,
            attn_mask=torch.arange(5)[:, None] > torch.arange(10), enable_gqa=True,
        )
    ),
    "Bilinear": around(lambda: nn.Bilinear(4, 2, 6), lambda f, x: f(x, x[..., :2]), 30),
    "Embedding, sparse": around(
        lambda: nn.Embedding(7, 4, sparse=False, padding_idx=1), lambda f, x: f(index(x)), 20
    ),
    "EmbeddingBag mean": bag(padding_idx=2),
    "EmbeddingBag max": bag(mode="max"),
    "EmbeddingBag sum, weighted": bag(lambda x: {"per_sample_weights": x[..., 1]}, mode="sum"),
    "EmbeddingBag by offsets": around(
        lambda: nn.EmbeddingBag(7, 4),
        lambda f, x: f(index(x).flatten(), 5 * torch.arange(len(x))),
        4,
    ),
    "weight_norm": normed(parametrizations.weight_norm),
    "weight_norm of columns": normed(parametrizations.weight_norm, dim=1),
    "weight_norm of a GRU": around(
        lambda: parametrizations.weight_norm(nn.GRU(4, 6, batch_first=True), "weight_hh_l0"),
        lambda f, x: f(x)[0],
        30,
    ),
    "spectral_norm": normed(parametrizations.spectral_norm),
    "spectral_norm by hooks": normed(nn.utils.spectral_norm),
    "BatchNorm that averages": around(
        lambda: nn.BatchNorm1d(5, momentum=None), lambda f, x: f(x), 20
    ),
    "ReLU in place": around(
        lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True)), lambda f, x: f(x), 30
    ),
    "ELU in place": around(
        lambda: nn.Sequential(nn.Linear(4, 6), nn.ELU(inplace=True)), lambda f, x: f(x), 30
    ),
}  # fmt: skip


def filled(x: Tensor) -> Tensor:
    """Use every way to draw a tensor."""
    # Draws are of torch's own dtype; a product in float32 would differ by roundings.
    noise = torch.randn(2, 4).to(x) @ torch.rand(4, 4).to(x) + torch.randn_like(x[0, :2])
    chosen = torch.multinomial(torch.ones(5), 3) + torch.randint(3, (3,))
    kept = torch.bernoulli(torch.full((4,), 0.4)) * torch.empty_like(x[0, 0]).uniform_(-1, 1)
    scaled = torch.normal(x[:, 0], 0.3) * torch.empty(4).normal_(1, 0.2).exponential_()
    order = torch.randperm(4)
    near = noise.sum(0) + kept + chosen.to(x).sum() + scaled[:, order]
    return x + 0.1 * near[:, None]


# What draws: there is no way to compare it with torch's own draws.
DRAWING: Mapping[str, Make] = {
    "F.dropout": by_function(lambda x: F.dropout(x, 0.3)),
    "F.dropout in place": around(
        nn.Identity, lambda f, x: F.dropout(2 * x, 0.3, f.training, inplace=True), 20
    ),
    "dropouts of channels": by_function(
        lambda x: F.dropout1d(F.dropout2d(x[..., None], 0.2)[..., 0], 0.3)
    ),
    "Dropout3d": around(lambda: nn.Dropout3d(0.3), lambda f, x: f(x[..., None, None]), 20),
    "AlphaDropout": around(lambda: nn.AlphaDropout(0.3), lambda f, x: f(x), 20),
    "FeatureAlphaDropout": around(lambda: nn.FeatureAlphaDropout(0.3), lambda f, x: f(x), 20),
    "RReLU": around(nn.RReLU, lambda f, x: f(x), 20),
    "gumbel_softmax": by_function(lambda x: F.gumbel_softmax(x, 0.7)),
    "gumbel_softmax, hard": by_function(lambda x: F.gumbel_softmax(x, 0.7, hard=True) * x),
    "drawn tensors": by_function(filled),
    "LSTM with dropout": recurrent(nn.LSTM, num_layers=2, dropout=0.4),
    "attention with dropout": attention(dropout=0.3, batch_first=True),
    "encoder with dropout": around(
        lambda: encoder(dropout=0.2), lambda f, x: f(x), 20
    ),
    "attention function that drops": by_function(
        lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.3)
    ),
}  # fmt: skip
