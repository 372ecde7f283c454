"""The steps of recurrent layers, forward and backward, in all lanes at once.

| symbol | meaning | shape |
|---|---|---|
| L, T, B, F, H | lanes, steps, rows, inputs, hidden units | |
| x | inputs of all steps | (L, T, B, F) |
| W | weight of the inputs, of a 1, and of the state | (L, gates·H, F + 1 + H) |
| h, c | state before the first step | (L, B, H) |
| hs | states after each step | (T, L, B, H) |
| beside | inputs, 1 and state of each step, and the last state | (T + 1, L, B, F + 1 + H) |
| d | gradient of the loss by what W gives | (L, B, gates·H) |

Steps are the slowest axis, so that what a step works on stays in the caches, and a step has one
product each way. tanh is 2σ(2z) − 1, which takes a third of the time; its error is that of a
rounding of 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from sweep.training.entries import sigmoid_

Context = Any
Dims = tuple[int | None, ...]


def run(function: type[Function], *args: Any) -> tuple[Tensor, ...]:
    """Run `Lstm`, `Gru` or `Rnn`: states, and what is kept for the way back, if there is one."""
    outs: tuple[Tensor, ...] = function.apply(*args, torch.is_grad_enabled())
    return outs


def _in_lanes(function: type[Function], info: Any, dims: Dims, args: tuple[Any, ...]) -> Any:
    """Join the axis that vmap adds with that of the lanes; it is the second one of outputs."""
    size = info.batch_size
    joined = [
        (arg.expand(size, *arg.shape) if dim is None else arg.movedim(dim, 0)).flatten(0, 1)
        if isinstance(arg, Tensor) else arg
        for arg, dim in zip(args, dims, strict=True)
    ]  # fmt: skip
    outs: tuple[Tensor, ...] = function.apply(*joined)
    return tuple(out.unflatten(1, (size, -1)) for out in outs), (1,) * len(outs)


def _beside(x: Tensor, h: Tensor) -> Tensor:
    """Lay inputs, 1 and the first state beside each other."""
    lanes, steps, rows, width = x.shape
    beside = h.new_empty(steps + 1, lanes, rows, width + 1 + h.shape[-1])
    beside[:steps, ..., :width].copy_(x.transpose(0, 1))
    beside[..., width].fill_(1)
    beside[0, ..., width + 1 :].copy_(h)
    return beside


def _of_steps(steps: int, one: Tensor, keep: bool) -> Tensor:
    """Return room for what is like `one` in each step: (steps, …), the same place if not kept."""
    return one.new_empty(steps if keep else 1, *one.shape).expand(steps, *one.shape)


def _scaled(W: Tensor, factor: float, rows: slice) -> Tensor:
    """Multiply some rows of W."""
    by = W.new_ones(W.shape[1], 1)
    by[rows].fill_(factor)
    return W * by


def _keep(ctx: Context, inputs: Any, outputs: Any, n_states: int) -> None:
    """Keep W and what is no state for the way back."""
    ctx.hidden = inputs[2].shape[-1]
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(*outputs[n_states:])
    ctx.save_for_backward(inputs[1], *outputs[n_states:])


class _Way:
    """The way back through the products of all steps.

    Args:
        ctx: of the function.
        W, beside: see above.
        dhs: gradient by hs, if there is any.

    Attributes:
        dh: gradient by the state.
        dW: by W.
    """

    def __init__(self, ctx: Context, W: Tensor, beside: Tensor, dhs: Tensor | None):
        self._turned = beside.mT.unbind()
        self._dhs = None if dhs is None else dhs.unbind()
        self._state = slice(W.shape[2] - ctx.hidden, None)
        self._W, self._to_state = W, W[:, :, self._state]
        self._dx: list[Tensor] | None = [] if ctx.needs_input_grad[0] else None
        self._dWt = torch.zeros_like(W.mT, memory_format=torch.contiguous_format)
        self.dh = torch.zeros_like(beside[0, ..., self._state])

    def arrive(self, t: int) -> Tensor:
        """Return the gradient by the state after a step."""
        return self.dh if self._dhs is None else self.dh.add_(self._dhs[t])

    def leave(self, t: int, d: Tensor) -> Tensor:
        """Go through the product of a step, and return the gradient by the state before it."""
        self._dWt.baddbmm_(self._turned[t], d)
        if self._dx is None:
            torch.bmm(d, self._to_state, out=self.dh)
            return self.dh
        whole = torch.bmm(d, self._W)
        self._dx.append(whole[..., : self._state.start - 1])
        self.dh = whole[..., self._state]
        return self.dh

    @property
    def grads(self) -> tuple[Tensor | None, Tensor, Tensor]:
        """Return those of x, W and h."""
        dx = None if self._dx is None else torch.stack(self._dx[::-1], 1)
        return dx, self._dWt.mT, self.dh


class Lstm(Function):
    """c = f∘c + i∘g, h = o∘tanh(c); the gates are in the order i, f, g, o.

    Kept are the gates, with 2g, 2c and tanh(c).
    """

    @staticmethod
    def forward(x: Tensor, W: Tensor, h: Tensor, c: Tensor, keep: bool) -> tuple[Tensor, ...]:
        """Return hs and the last c, (1, L, B, H); and what is kept."""
        size, beside = h.shape[-1], _beside(x, h)
        weight = _scaled(W, 2, slice(2 * size, 3 * size)).mT.contiguous()
        steps = len(beside) - 1
        gates = _of_steps(steps, torch.cat([h] * 4, -1), keep)
        cs, tanhs = _of_steps(steps + 1, h, keep), _of_steps(steps, h, keep)
        torch.mul(c, 2, out=cs[0])
        minus_1, minus_2 = h.new_full((), -1), h.new_full((), -2)
        before, after = cs[:-1].unbind(), cs[1:].unbind()
        parts = zip(*(part.unbind() for part in gates.split(size, -1)), strict=True)
        each = zip(beside.unbind(), gates.unbind(), parts, before, after, tanhs.unbind(),
                   beside[1:, ..., -size:].unbind(), strict=False)  # fmt: skip
        for whole, z, (i, f, g, o), was, now, tanh, state in each:
            sigmoid_(torch.bmm(whole, weight, out=z))
            torch.add(minus_2, g, alpha=4, out=g)
            torch.mul(f, was, out=now).addcmul_(i, g)
            sigmoid_(tanh.copy_(now))
            torch.add(minus_1, tanh, alpha=2, out=tanh)
            torch.mul(o, tanh, out=state)
        hs = beside[1:, ..., -size:].contiguous()
        return hs, cs[-1:] / 2, beside, gates, cs, tanhs

    @staticmethod
    def setup_context(ctx: Context, inputs: Any, output: Any) -> None:
        """Keep what the way back needs."""
        _keep(ctx, inputs, output, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dhs: Tensor | None, dc: Tensor | None, *_: Any) -> Any:
        """Go back through the steps."""
        W, beside, gates, cs, tanhs = ctx.saved_tensors
        way, size = _Way(ctx, W, beside, dhs), ctx.hidden
        half_dc = torch.zeros_like(cs[0]) if dc is None else dc[0] / 2
        d, slope, by_h = (torch.empty_like(t[0]) for t in (gates, gates, cs))
        (di, df, dg, do), slope_g = d.split(size, -1), slope[..., 2 * size : 3 * size]
        two = half_dc.new_full((), 2)
        parts = [*zip(*(part.unbind() for part in gates.split(size, -1)), strict=True)]
        each = [*zip(gates.unbind(), parts, cs.unbind(), tanhs.unbind(), strict=False)]
        for t in reversed(range(len(each))):
            z, (i, f, g, o), was, tanh = each[t]
            dh = way.arrive(t)
            torch.addcmul(z, z, z, value=-1, out=slope)
            torch.addcmul(two, g, g, value=-0.5, out=slope_g)
            torch.addcmul(o, o, torch.mul(tanh, tanh, out=by_h), value=-1, out=by_h)
            half_dc.addcmul_(dh, by_h, value=0.5)
            torch.mul(half_dc, g, out=di)
            torch.mul(half_dc, was, out=df)
            torch.mul(half_dc, i, out=dg)
            torch.mul(dh, tanh, out=do)
            half_dc.mul_(f)
            way.leave(t, d.mul_(slope))
        return *way.grads, 2 * half_dc, None

    @staticmethod
    def vmap(info: Any, in_dims: Dims, *args: Any) -> Any:
        """Run the lanes of an outer axis beside those of each."""
        return _in_lanes(Lstm, info, in_dims, args)


class Gru(Function):
    """n = tanh(n_x + r∘n_h), h = n + z∘(h − n); the rows of W are in the order r, z, n_x, n_h.

    Kept are r with z, 2n_x with 2n_h, and n.
    """

    @staticmethod
    def forward(x: Tensor, W: Tensor, h: Tensor, keep: bool) -> tuple[Tensor, ...]:
        """Return hs; and what is kept."""
        size, beside = h.shape[-1], _beside(x, h)
        weight = _scaled(W, 2, slice(2 * size, None))
        to_gates, to_n = (half.mT.contiguous() for half in weight.split(2 * size, 1))
        steps, twice = len(beside) - 1, torch.cat([h, h], -1)
        gates, halves = _of_steps(steps, twice, keep), _of_steps(steps, twice, keep)
        ns = _of_steps(steps, h, keep)
        minus_1, states = h.new_full((), -1), beside[..., -size:].unbind()
        parts = [part.unbind() for both in (gates, halves) for part in both.split(size, -1)]
        each = zip(beside.unbind(), gates.unbind(), halves.unbind(), zip(*parts, strict=True),
                   ns.unbind(), states, states[1:], strict=False)  # fmt: skip
        for whole, both, half, (r, z, of_x, of_h), n, was, now in each:
            sigmoid_(torch.bmm(whole, to_gates, out=both))
            torch.bmm(whole, to_n, out=half)
            sigmoid_(torch.addcmul(of_x, r, of_h, out=n))
            torch.add(minus_1, n, alpha=2, out=n)
            torch.sub(was, n, out=now).mul_(z).add_(n)
        return beside[1:, ..., -size:].contiguous(), beside, gates, halves, ns

    @staticmethod
    def setup_context(ctx: Context, inputs: Any, output: Any) -> None:
        """Keep what the way back needs."""
        _keep(ctx, inputs, output, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dhs: Tensor | None, *_: Any) -> Any:
        """Go back through the steps."""
        (W, beside, gates, halves, ns), size = ctx.saved_tensors, ctx.hidden
        way = _Way(ctx, W, beside, dhs)
        d = torch.cat([gates[0], gates[0]], -1)
        (dr, dz, dn, dn_h), d_gates = d.split(size, -1), d[..., : 2 * size]
        slope, of_n, kept = (torch.empty_like(t[0]) for t in (gates, ns, ns))
        one, states = d.new_ones(()), beside[..., -size:].unbind()
        parts = [part.unbind() for part in (*gates.split(size, -1), halves[..., size:], ns)]
        each = [*zip(gates.unbind(), zip(*parts, strict=True), states, strict=False)]
        for t in reversed(range(len(each))):
            both, (r, z, of_h, n), was = each[t]
            dh = way.arrive(t)
            torch.addcmul(both, both, both, value=-1, out=slope)
            torch.addcmul(one, n, n, value=-1, out=of_n)
            torch.mul(torch.sub(was, n, out=dz), dh, out=dz)
            torch.mul(dh, z, out=kept)
            torch.mul(torch.sub(dh, kept, out=dn), of_n, out=dn)
            torch.mul(dn, r, out=dn_h)
            torch.mul(torch.mul(dn, of_h, out=dr), 0.5, out=dr)
            d_gates.mul_(slope)
            way.leave(t, d).add_(kept)
        return *way.grads, None

    @staticmethod
    def vmap(info: Any, in_dims: Dims, *args: Any) -> Any:
        """Run the lanes of an outer axis beside those of each."""
        return _in_lanes(Gru, info, in_dims, args)


class Rnn(Function):
    """h = φ(z), φ tanh or relu."""

    @staticmethod
    def forward(x: Tensor, W: Tensor, h: Tensor, relu: bool, _: bool) -> tuple[Tensor, ...]:
        """Return hs; and what is kept."""
        size, beside = h.shape[-1], _beside(x, h)
        weight, z = W.mT.contiguous(), torch.empty_like(h)
        for whole, state in zip(beside.unbind(), beside[1:, ..., -size:].unbind(), strict=False):
            torch.bmm(whole, weight, out=z)
            state.copy_(z.relu_() if relu else z.tanh_())
        return beside[1:, ..., -size:].contiguous(), beside

    @staticmethod
    def setup_context(ctx: Context, inputs: Any, output: Any) -> None:
        """Keep what the way back needs."""
        ctx.relu = inputs[3]
        _keep(ctx, inputs, output, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dhs: Tensor | None, *_: Any) -> Any:
        """Go back through the steps."""
        W, beside = ctx.saved_tensors
        way, one = _Way(ctx, W, beside, dhs), W.new_ones(())
        for t in reversed(range(len(beside) - 1)):
            h = beside[t + 1, ..., -ctx.hidden :]
            slope = (h > 0).to(h) if ctx.relu else torch.addcmul(one, h, h, value=-1)
            way.leave(t, slope.mul_(way.arrive(t)))
        return *way.grads, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Dims, *args: Any) -> Any:
        """Run the lanes of an outer axis beside those of each."""
        return _in_lanes(Rnn, info, in_dims, args)
