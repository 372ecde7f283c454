"""The steps of recurrent layers, forward and backward, in all lanes at once.

| symbol | meaning | shape |
|---|---|---|
| L, T, B, H | lanes, steps, rows, hidden units | |
| x | what the inputs of all steps add to the gates, bias included | (L, T, B, gates·H) |
| U, b | weight of the state, and GRU's bias beside it | (L, gates·H, H), (L, gates·H) |
| h, c | state before the first step; afterwards that of all steps | (L, B, H), (L, T, B, H) |
| d | gradient of the loss by a gate before its activation | as x |

Backward, each d is a factor that is known beforehand, for all steps at once, times the gradient of
the state. So little is left to do step by step, which small networks take most of their time for.
Sigmoids are written with tanh, whose bits are the same wherever a lane lies.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

Context = Any
Dims = tuple[int | None, ...]


def _stacked(size: int, dims: Dims, tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """Join the axis that vmap adds with that of the lanes."""
    return [
        (t.expand(size, *t.shape) if dim is None else t.movedim(dim, 0)).flatten(0, 1)
        for t, dim in zip(tensors, dims, strict=True)
    ]


def run(function: type[Function], *args: Any) -> Any:
    """Run `Lstm`, `Gru` or `Rnn`."""
    return function.apply(*args)


def _sigmoid_(doubled: Tensor) -> Tensor:
    """Overwrite z / 2 with sigmoid(z)."""
    return doubled.tanh_().mul_(0.5).add_(0.5)


def _before(first: Tensor, states: Tensor) -> Tensor:
    """Return the state before each step."""
    return torch.cat([first[:, None], states[:, :-1]], 1)


def _products(d: Tensor, h: Tensor) -> Tensor:
    """Return the gradient of U, of d and the state before each step."""
    return d.flatten(1, 2).mT @ h.flatten(1, 2)


class Lstm(Function):
    """c = f∘c + i∘g, h = o∘tanh(c); the gates of x and U are in the order g, i, f, o."""

    @staticmethod
    def forward(x: Tensor, U: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return h and c of all steps, and the gates."""
        size = h.shape[-1]
        halves = torch.full((4 * size,), 0.5, dtype=x.dtype, device=x.device)
        halves[:size].fill_(1)
        gates, weight = x * halves, (U * halves[:, None]).mT
        hs = x.new_empty(*x.shape[:3], size)
        cs = torch.empty_like(hs)
        for t in range(x.shape[1]):
            z = gates[:, t].baddbmm_(h, weight).tanh_()
            z[..., size:].mul_(0.5).add_(0.5)
            g, i, f, o = z.split(size, -1)
            c = torch.mul(f, c, out=cs[:, t]).addcmul_(i, g)
            h = torch.tanh(c, out=hs[:, t]).mul_(o)
        return hs, cs, gates

    @staticmethod
    def setup_context(ctx: Context, inputs: Any, output: Any) -> None:
        """Keep what the way back needs."""
        ctx.mark_non_differentiable(output[2])
        ctx.save_for_backward(*inputs[1:], *output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dhs: Tensor, dcs: Tensor, _: Any) -> tuple[Tensor, ...]:
        """Go back through the steps."""
        U, h, c, hs, cs, gates = ctx.saved_tensors
        g, i, f, o = gates.unflatten(-1, (4, -1)).unbind(-2)
        tanh = cs.tanh()
        d = torch.stack([i * (1 - g * g), g * i * (1 - i), _before(c, cs) * f * (1 - f),
                         tanh * o * (1 - o)], -2)  # fmt: skip
        by_h = o * (1 - tanh * tanh)
        dh, dc = torch.zeros_like(h), torch.zeros_like(c)
        for t in reversed(range(dhs.shape[1])):
            dh = dh + dhs[:, t]
            dc = (dc + dcs[:, t]).addcmul_(dh, by_h[:, t])
            d[:, t, :, :3].mul_(dc[:, :, None])
            d[:, t, :, 3].mul_(dh)
            dh = torch.bmm(d[:, t].flatten(-2), U)
            dc = dc * f[:, t]
        d = d.flatten(-2)
        return d, _products(d, _before(h, hs)), dh, dc

    @staticmethod
    def vmap(info: Any, in_dims: Dims, *tensors: Tensor) -> tuple[Any, tuple[int, int, int]]:
        """Run the lanes of an outer axis beside those of each."""
        outs = run(Lstm, *_stacked(info.batch_size, in_dims, tensors))
        return tuple(out.unflatten(0, (info.batch_size, -1)) for out in outs), (0, 0, 0)


class Gru(Function):
    """n = tanh(x_n + r∘(U_n h + b_n)), h = n + z∘(h − n); the gates are in the order r, z, n."""

    @staticmethod
    def forward(x: Tensor, U: Tensor, b: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return h of all steps, the gates, and U_n h + b_n of all steps."""
        size = h.shape[-1]
        halves = torch.full((3 * size,), 0.5, dtype=x.dtype, device=x.device)
        halves[2 * size :].fill_(1)
        gates, weight, bias = x * halves, (U * halves[:, None]).mT, (b * halves)[:, None]
        hs = x.new_empty(*x.shape[:3], size)
        ms = torch.empty_like(hs)
        for t in range(x.shape[1]):
            of_h = torch.baddbmm(bias, h, weight)
            z = gates[:, t]
            _sigmoid_(z[..., : 2 * size].add_(of_h[..., : 2 * size]))
            r, keep, n = z.split(size, -1)
            m = ms[:, t].copy_(of_h[..., 2 * size :])
            n.addcmul_(r, m).tanh_()
            h = torch.lerp(n, h, keep, out=hs[:, t])
        return hs, gates, ms

    @staticmethod
    def setup_context(ctx: Context, inputs: Any, output: Any) -> None:
        """Keep what the way back needs."""
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(inputs[1], inputs[3], *output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dhs: Tensor, *_: Any) -> tuple[Tensor, ...]:
        """Go back through the steps."""
        U, h, hs, gates, m = ctx.saved_tensors
        r, keep, n = gates.unflatten(-1, (3, -1)).unbind(-2)
        before = _before(h, hs)
        of_n = (1 - keep) * (1 - n * n)
        d = torch.stack([of_n * m * r * (1 - r), (before - n) * keep * (1 - keep), of_n * r], -2)
        dh = torch.zeros_like(h)
        for t in reversed(range(dhs.shape[1])):
            dh = dh + dhs[:, t]
            d[:, t].mul_(dh[:, :, None])
            of_n[:, t].mul_(dh)
            dh = (dh * keep[:, t]).baddbmm_(d[:, t].flatten(-2), U)
        of_x = torch.cat([d[..., :2, :].flatten(-2), of_n], -1)
        d = d.flatten(-2)
        return of_x, _products(d, before), d.sum((1, 2)), dh

    @staticmethod
    def vmap(info: Any, in_dims: Dims, *tensors: Tensor) -> tuple[Any, tuple[int, int, int]]:
        """Run the lanes of an outer axis beside those of each."""
        outs = run(Gru, *_stacked(info.batch_size, in_dims, tensors))
        return tuple(out.unflatten(0, (info.batch_size, -1)) for out in outs), (0, 0, 0)


class Rnn(Function):
    """h = φ(x + U h), φ tanh or relu."""

    @staticmethod
    def forward(x: Tensor, U: Tensor, h: Tensor, relu: bool) -> Tensor:
        """Return h of all steps."""
        hs, weight = x.clone(), U.mT
        for t in range(x.shape[1]):
            h = hs[:, t].baddbmm_(h, weight)
            h = h.relu_() if relu else h.tanh_()
        return hs

    @staticmethod
    def setup_context(ctx: Context, inputs: Any, output: Any) -> None:
        """Keep what the way back needs."""
        ctx.relu = inputs[3]
        ctx.save_for_backward(*inputs[1:3], output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dhs: Tensor) -> tuple[Tensor | None, ...]:
        """Go back through the steps."""
        U, h, hs = ctx.saved_tensors
        d = (hs > 0).to(hs) if ctx.relu else 1 - hs * hs
        dh = torch.zeros_like(h)
        for t in reversed(range(dhs.shape[1])):
            d[:, t].mul_(dh + dhs[:, t])
            dh = torch.bmm(d[:, t], U)
        return d, _products(d, _before(h, hs)), dh, None

    @staticmethod
    def vmap(
        info: Any, in_dims: Dims, x: Tensor, U: Tensor, h: Tensor, relu: bool
    ) -> tuple[Tensor, int]:
        """Run the lanes of an outer axis beside those of each."""
        tensors = _stacked(info.batch_size, in_dims[:3], (x, U, h))
        return run(Rnn, *tensors, relu).unflatten(0, (info.batch_size, -1)), 0
