"""Random numbers without a state: hashes of a key, the number of the call, and the element.

torch's own come from a global generator: they would depend on the lane and on what ran before.
Here they follow from (replicate, step) by the key, and from which draw of the forward pass it is.

| symbol | meaning | shape |
|---|---|---|
| key | of one lane and step, from `draw_key`; int64 | () |
| bits | 32 uniform ones, as int64 | any |
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt

import torch
from torch import Tensor, nn

GOLDEN = 0x9E3779B1
FORWARD = 1 << 20  # the layer that draws in forward() count as: no network has so many dropouts
_LOW32 = 0xFFFFFFFF
_SIGN = 1 << 31
_STEP = 2.0**-32


class Draws:
    """The draws of one run of one network.

    Args:
        key: () int64.
    """

    def __init__(self, key: Tensor):
        self._key, self._calls = key, 0

    def bits(self, shape: Sequence[int]) -> Tensor:
        """Draw 32 bits for each element; another call draws others."""
        return _bits(self._next_key(), shape)

    def kept(self, p: float, shape: Sequence[int]) -> Tensor:
        """Draw False with probability p, else True."""
        return _kept(self._next_key(), p, shape)

    def _next_key(self) -> Tensor:
        self._calls += 1
        return _hash32(self._key + self._calls * GOLDEN)

    def uniform(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Draw from [0, 1), in as many steps as the dtype tells apart, at most 2**32."""
        if dtype == torch.float64:
            return self.bits(shape).double() * _STEP
        digits = 24 if dtype == torch.float32 else 8
        return (self.bits(shape) >> (32 - digits)).to(dtype) * 2.0**-digits

    def inside(self, shape: Sequence[int]) -> Tensor:
        """Draw from (0, 1), without its ends, in float64."""
        return (self.bits(shape).double() + 0.5) * _STEP

    def normal(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Draw from N(0, 1)."""
        return (torch.erfinv(2 * self.inside(shape) - 1) * sqrt(2)).to(dtype)

    def exponential(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Draw from the exponential distribution of mean 1."""
        return -self.inside(shape).log().to(dtype)

    def integers(self, low: int, high: int, shape: Sequence[int]) -> Tensor:
        """Draw whole numbers from low to high - 1, of a range below 2**31."""
        return low + (self.bits(shape) * (high - low) >> 32)


class CounterDropout(nn.Module):
    """Drop entries by a hash of (key, element), so that a mask has no hidden state.

    Whoever trains sets `key` before each step: see `draw_key`.
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
        kept = _kept(self.key, self.p, x.shape)
        return torch.where(kept, x / (1 - self.p), torch.zeros((), dtype=x.dtype, device=x.device))


def draw_key(replicate_key: Tensor, step: Tensor, layer: int) -> Tensor:
    """Hash (replicate, step, layer) to the key of one layer that draws, shape of `step`."""
    return _hash32(_hash32(replicate_key + step.long() * GOLDEN) + layer)


def _bits(key: Tensor, shape: Sequence[int]) -> Tensor:
    """Return 32 bits of a key for each element."""
    element = torch.arange(prod(shape), device=key.device).view(tuple(shape))
    return _hash32(element * GOLDEN + key)


def _kept(key: Tensor, p: float, shape: Sequence[int]) -> Tensor:
    """Tell for each element whether its bits are p·2**32 or more."""
    least = int(p * 2**32)
    if key.device.type != "cpu" or torch.compiler.is_compiling() or least > _LOW32:
        return _bits(key, shape) >= least
    element = torch.arange(prod(shape), dtype=torch.int32).view(tuple(shape))
    bits = _mixed32(element * _signed(GOLDEN) + key.to(torch.int32))
    return bits.bitwise_xor_(_signed(_SIGN)) >= least - _SIGN  # as numbers without a sign


def _mixed32(x: Tensor) -> Tensor:
    """Do as `_hash32` with bits that lie in int32, in place: in a third of the time."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x.bitwise_xor_((x >> shift).bitwise_and_(_LOW32 >> shift)).mul_(_signed(factor))
    return x.bitwise_xor_((x >> 16).bitwise_and_(_LOW32 >> 16))


def _signed(bits: int) -> int:
    """Return the number that int32 reads from 32 bits."""
    return bits - (1 << 32) if bits & _SIGN else bits


def _hash32(x: Tensor) -> Tensor:
    """Mix integers to 32 uniform bits (the finaliser of MurmurHash3)."""
    x = x & _LOW32
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & _LOW32
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & _LOW32
    return x ^ (x >> 16)
