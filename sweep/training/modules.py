"""The network of ONE trial, whose bits follow from its seeds wherever its lane lies.

| symbol | meaning | shape |
|---|---|---|
| F, C | features of a row, outputs | |
| x | rows of one batch, or any entries | (…, F) |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

Factory = Callable[[], nn.Module]


class SiLU(nn.Module):
    """Map x to x·sigmoid(x), with the same bits wherever a lane lies.

    torch.nn.SiLU, ELU and sigmoid round differently in the tail of a vector: the last lane
    would get other bits than the rest. Those of tanh and expm1 are the same everywhere.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map entries of any shape."""
        return x * (0.5 + 0.5 * torch.tanh(0.5 * x))


class ELU(nn.Module):
    """Map x to x where positive, else exp(x) - 1, with the same bits wherever a lane lies."""

    def forward(self, x: Tensor) -> Tensor:
        """Map entries of any shape."""
        return torch.where(x > 0, x, torch.expm1(x.clamp(max=0)))


ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": SiLU, "elu": ELU,
}  # fmt: skip


class MLP(nn.Module):
    """Stack linear layers with an activation between them; no hidden layer is linear.

    `sweep.training.mlp` runs it in many lanes.
    """

    def __init__(self, n_features: int, hidden: Sequence[int], n_outputs: int, activation: str):
        super().__init__()
        widths = [n_features, *hidden, n_outputs]
        self.layers = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths)
        )
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Map rows (…, F) to outputs (…, C)."""
        for index, layer in enumerate(self.layers):
            x = layer(self.activation(x) if index else x)
        return x


def build(factory: Factory, seed: int) -> nn.Module:
    """Make one network whose initial weights follow from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return with_counter_dropout(factory())


class CounterDropout(nn.Module):
    """Drop entries by a hash of (key, element), so that a mask has no hidden state.

    `nn.Dropout` draws from the global generator: its mask would depend on the lane
    and on what ran before. Whoever trains sets `key` before each step: see `dropout_key`.
    """

    key: Tensor

    def __init__(self, p: float):
        super().__init__()
        self.p = p
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Scale the kept entries by 1 / (1 - p), as torch.nn.Dropout does."""
        if not self.training or self.p == 0:
            return x
        element = torch.arange(x.numel(), device=x.device).view(x.shape)
        kept = _hash32(element * _GOLDEN + self.key) >= int(self.p * 2**32)
        return torch.where(kept, x / (1 - self.p), torch.zeros((), dtype=x.dtype, device=x.device))


def dropout_key(replicate_key: Tensor, step: Tensor, layer: int) -> Tensor:
    """Hash (replicate, step, layer) to the key of one dropout layer, shape of `step`."""
    return _hash32(_hash32(replicate_key + step.long() * _GOLDEN) + layer)


def with_counter_dropout(module: nn.Module) -> nn.Module:
    """Swap every nn.Dropout inside for a CounterDropout, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout):
            setattr(module, name, CounterDropout(child.p))
        else:
            with_counter_dropout(child)
    return CounterDropout(module.p) if isinstance(module, nn.Dropout) else module


_GOLDEN = 0x9E3779B1
_LOW32 = 0xFFFFFFFF


def _hash32(x: Tensor) -> Tensor:
    """Mix integers to 32 uniform bits (the finaliser of MurmurHash3)."""
    x = x & _LOW32
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & _LOW32
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & _LOW32
    return x ^ (x >> 16)
