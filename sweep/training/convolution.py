"""Convolutions of all lanes at once on a CPU, as products of matrices.

vmap makes one convolution of many groups of them, which takes a CPU as long as one lane after
another. Here the rows of a batch are the fastest axis. So all that a kernel meets in three rows of
pixels lies in memory as a matrix does, if one starts reading at its first column of pixels; there
is one product for each of the kernel's columns, and nothing is copied but zeros put around. What
follows entry by entry, or compares pixels, works on long runs of memory too.

| symbol | meaning | shape |
|---|---|---|
| L, B | lanes, rows of a batch | |
| C, O | channels that come in and go out | |
| H, W, H', W' | height and width of what comes in and goes out | |
| x | images | (L, B, C, H, W) |
| laid x | as it lies in memory | (L, H, C, W, B) |
| d | gradient of the loss by what goes out, laid | (L, H', O, W', B) |
| K | entries that one product adds up | |
| columns | of laid x, for each row of outputs; neighbours overlap | (L, H', K, W'·B) |

Lines are images of one column. Each lane, and each row of its outputs, has a product of its own,
so that a lane's bits do not depend on others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sweep.training.over_lanes import applied, by_all_lanes, over_lanes, parts
from sweep.training.pooling import each_axis

FEW = 16  # entries of K below which the kernel's columns are copied beside each other


@dataclass(frozen=True)
class Axis:
    """How a kernel moves along an axis.

    Attributes:
        size: taps of the kernel.
        stride: between outputs.
        before, after: zeros around what comes in; less than 0 leaves entries out.
        gap: between taps.
    """

    size: int = 1
    stride: int = 1
    before: int = 0
    after: int = 0
    gap: int = 1

    @property
    def reach(self) -> int:
        """From the first tap to the last."""
        return self.gap * (self.size - 1)

    @property
    def back(self) -> Axis:
        """How gradients of outputs move to what came in, where the stride is 1."""
        return replace(self, before=self.reach - self.before, after=self.reach - self.after)

    def padded(self, n: int) -> int:
        """Count n entries and the zeros around them."""
        return n + self.before + self.after

    def outputs(self, n: int) -> int:
        """Count those of n entries."""
        return (self.padded(n) - self.reach - 1) // self.stride + 1

    def met(self, n: int, tap: int) -> slice:
        """Say which of n entries and the zeros around them a tap meets."""
        first = tap * self.gap
        return slice(first, first + (self.outputs(n) - 1) * self.stride + 1, self.stride)


# --- how images and weights lie


def _laid(x: Tensor) -> Tensor:
    """Lay images (L, B, C, H, W) as (L, H, C, W, B)."""
    return x.permute(0, 3, 2, 4, 1).contiguous()


def _seen(x: Tensor) -> Tensor:
    """See what lies as (L, H, C, W, B) as images."""
    return x.permute(0, 4, 2, 1, 3)


def _padded(x: Tensor, high: Axis, wide: Axis) -> Tensor:
    """Put zeros around laid x."""
    top, bottom, left, right = high.before, high.after, wide.before, wide.after
    if not any((top, bottom, left, right)):
        return x
    if min(top, bottom, left, right) < 0:
        return F.pad(x, (0, 0, left, right, 0, 0, top, bottom)).contiguous()
    lanes, height, channels, width, batch = x.shape
    out = x.new_empty(lanes, high.padded(height), channels, wide.padded(width), batch)
    inner = out[:, top : top + height]
    edges = (
        out[:, :top],
        out[:, top + height :],
        inner[..., :left, :],
        inner[..., left + width :, :],
    )
    for edge in edges:
        if edge.numel():
            edge.zero_()
    inner[..., left : left + width, :].copy_(x)
    return out


def _copies_columns(channels: int, high: Axis, wide: Axis) -> bool:
    """Whether there is one product, with the kernel's columns beside each other in K."""
    return wide.stride > 1 or (wide.size > 1 and channels * high.size < FEW)


def _columns(x: Tensor, high: Axis, wide: Axis) -> list[Tensor]:
    """Return the columns of laid x for each product."""
    lanes, height, channels, width, batch = x.shape
    n_high, n_wide = high.outputs(height), wide.outputs(width)
    x, taps = _padded(x, high, wide), range(wide.size)
    if _copies_columns(channels, high, wide):
        parts = [x[:, :, :, wide.met(width, tap)] for tap in taps]
        x, taps = torch.stack(parts, 3).flatten(2, 3), range(1)
    across = x.shape[3] * batch
    row = x.shape[2] * across
    shape = lanes, n_high, high.size * x.shape[2], n_wide * batch
    strides = x.shape[1] * row, high.stride * row, across, 1
    return [x.as_strided(shape, strides, tap * wide.gap * batch) for tap in taps]


def _matrices(weight: Tensor, high: Axis, wide: Axis) -> list[Tensor]:
    """Lay weights (L, O, C, h, w) as columns are: (L, O, K) for each product."""
    by_rows = weight.transpose(2, 3)
    if _copies_columns(weight.shape[2], high, wide):
        return [by_rows.flatten(2)]
    return [part.flatten(2) for part in by_rows.unbind(4)]


def _as_weights(parts: list[Tensor], weight: Tensor) -> Tensor:
    """Lay what `_matrices` lays as weights are."""
    by_rows = weight.transpose(2, 3)
    if len(parts) == weight.shape[4]:
        return torch.stack([part.view(by_rows.shape[:4]) for part in parts], 4).transpose(2, 3)
    return parts[0].view(by_rows.shape).transpose(2, 3)


# --- products, of one lane after the other: the rows of columns overlap


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor, high: Axis, wide: Axis
) -> None:
    """Write the outputs of laid x, (L or 1, …), into `out` (L, H', O, W', B)."""
    lanes, rows = out.shape[:2]
    operands = (
        (columns.expand(lanes, -1, -1, -1).unbind(), matrix[:, None].expand(-1, rows, -1, -1))
        for columns, matrix in zip(
            _columns(x, high, wide), _matrices(weight, high, wide), strict=True
        )
    )
    into = out.flatten(3).unbind()
    if bias is not None:
        out.copy_(bias[:, None, :, None, None])
    for number, (columns, matrix) in enumerate(operands):
        for a, b, c in zip(matrix.unbind(), columns, into, strict=True):
            if number or bias is not None:
                c.baddbmm_(a, b)
            else:
                torch.bmm(a, b, out=c)


def _by_weights(d: Tensor, x: Tensor, weight: Tensor, high: Axis, wide: Axis) -> Tensor:
    """Return the gradient by weights, of laid x."""
    products = []
    for columns in _columns(x, high, wide):
        each = zip(d.flatten(3).unbind(), columns.mT.unbind(), strict=True)
        products.append(torch.stack([torch.bmm(*of_lane).sum(0) for of_lane in each]))
    return _as_weights(products, weight)


def _by_images(d: Tensor, weight: Tensor, dx: Tensor, high: Axis, wide: Axis) -> None:
    """Write the gradient by laid x into dx (L, H, C, W, B)."""
    if high.stride == wide.stride == 1:
        turned = weight.flip(3, 4).transpose(1, 2)
        return _convolve(d, turned, None, dx, high.back, wide.back)
    lanes, height, channels, width, batch = dx.shape
    taps = weight.permute(0, 3, 4, 2, 1)  # (L, h, w, C, O)
    whole = dx.new_zeros(lanes, high.padded(height), channels, wide.padded(width), batch)
    by_taps = d.new_empty(lanes, d.shape[1], *taps.shape[1:4], d.shape[3], batch)
    flat = by_taps.flatten(2, 4).flatten(3)
    for a, b, c in zip(taps.flatten(1, 3), d.flatten(3), flat, strict=True):
        torch.bmm(a.expand(len(b), -1, -1), b, out=c)
    for i in range(high.size):
        for j in range(wide.size):
            whole[:, high.met(height, i), :, wide.met(width, j)] += by_taps[:, :, i, j]
    rows, across = (
        slice(axis.before, axis.before + n) for axis, n in ((high, height), (wide, width))
    )
    dx.copy_(whole[:, rows, :, across])
    return None


class Convolution(Function):
    """Convolve images (L, B, C, H, W) by weights (L, O, C, h, w) and biases (L, O)."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, high: Axis, wide: Axis) -> Tensor:
        """Return images (L, B, O, H', W')."""
        (lanes, n_out), height, width = weight.shape[:2], x.shape[3], x.shape[4]
        out = x.new_empty(lanes, high.outputs(height), n_out, wide.outputs(width), x.shape[1])
        if x.stride(0) == 0:
            _convolve(_laid(x[:1]), weight, bias, out, high, wide)
            return _seen(out)
        for part in parts(x):
            of_bias = None if bias is None else bias[part]
            _convolve(_laid(x[part]), weight[part], of_bias, out[part], high, wide)
        return _seen(out)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep images and weights."""
        x, weight, bias, ctx.high, ctx.wide = inputs
        ctx.has_bias = bias is not None
        ctx.save_for_backward(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d: Tensor) -> Any:
        """Return the gradients."""
        (x, weight), axes = ctx.saved_tensors, (ctx.high, ctx.wide)
        by_x = by_weight = by_bias = None
        if ctx.needs_input_grad[0]:
            by_x = x.new_empty(*(x.shape[axis] for axis in (0, 3, 2, 4, 1)))
        if ctx.needs_input_grad[1]:
            by_weight = torch.empty_like(weight)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            by_bias = d.new_empty(weight.shape[:2])
        for part in parts(x):
            laid = _laid(d[part])
            if by_weight is not None:
                by_weight[part] = _by_weights(laid, _laid(x[part]), weight[part], *axes)
            if by_bias is not None:
                by_bias[part] = laid.flatten(3).sum(3).sum(1)
            if by_x is not None:
                _by_images(laid, weight[part], by_x[part], *axes)
        return None if by_x is None else _seen(by_x), by_weight, by_bias, None, None


# --- what torch calls convolutions


def _convolution(
    own: Callable[..., Tensor], x: Tensor, weight: Tensor, bias: Tensor | None = None,
    stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Do what torch's `own` does, for lines (B, C, W) or images (B, C, H, W)."""
    axes = _axes(weight.shape[2:], stride, padding, dilation)
    if groups > 1 or x.ndim != len(axes) + 2 or not _by_products(x, weight, axes):
        return own(x, weight, bias, stride, padding, dilation, groups)
    if len(axes) == 2:
        return over_lanes(partial(_applied, axes), x, weight, bias)[0]
    (axis,) = axes
    at, axes = (-2, [Axis(), axis]) if axis.gap > 1 else (-1, [axis, Axis()])
    (out,) = over_lanes(partial(_applied, axes), x.unsqueeze(at), weight.unsqueeze(at), bias)
    return out.squeeze(at)


def _by_products(x: Tensor, weight: Tensor, axes: list[Axis]) -> bool:
    """Whether products take less time, or can be made at all."""
    spread = len(axes) == 2 and axes[0].gap > 1 and axes[0].size > 1
    return not spread and x.dtype == weight.dtype and by_all_lanes(x)


def _applied(axes: list[Axis], *tensors: Tensor | None) -> tuple[Tensor, ...]:
    return applied(Convolution, *tensors, *axes)


def _axes(sizes: Any, stride: Any, padding: Any, dilation: Any) -> list[Axis]:
    n = len(sizes)
    strides, gaps = each_axis(stride, n), each_axis(dilation, n)
    if padding == "same":
        around = [gap * (size - 1) for size, gap in zip(sizes, gaps, strict=True)]
        ends = [(total // 2, total - total // 2) for total in around]
    else:
        ends = [(zeros, zeros) for zeros in each_axis(0 if padding == "valid" else padding, n)]
    of_axes = zip(sizes, strides, ends, gaps, strict=True)
    return [Axis(size, step, *end, gap) for size, step, end, gap in of_axes]


CONVOLUTIONS: Mapping[Any, Callable[..., Any]] = {
    own: partial(_convolution, own) for own in (torch.conv1d, torch.conv2d)
}
