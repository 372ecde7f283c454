"""Max pooling of all lanes at once: whole rows of images are compared, with the same bits.

torch takes one window after another, and notes which entry was the largest. Here the entries that
windows have at one place are compared with those at the next: along the width first, then along
the height. The first of equal entries has the gradient, as in torch.

| symbol | meaning | shape |
|---|---|---|
| x | images, or lines | (B, C, H, W), (B, C, W) |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from types import EllipsisType
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sweep.training.over_lanes import applied, by_all_lanes, over_lanes

LARGEST = 4  # entries of a window along an axis, up to which this takes less time


@dataclass(frozen=True)  # no tuple: vmap would take it apart at each call
class Window:
    """Where entries lie along an axis, counted from the last one, that are compared."""

    axis: int
    size: int
    stride: int
    gap: int

    def places(self, length: int) -> list[tuple[EllipsisType | slice, ...]]:
        """Index all first entries of windows, all second ones, and so on."""
        end = length - self.gap * (self.size - 1)
        others = [slice(None)] * (-self.axis - 1)
        firsts = range(0, self.gap * self.size, self.gap)
        return [(..., slice(first, first + end, self.stride), *others) for first in firsts]


class MaxPool(Function):
    """The largest entries of windows, along one axis after the other."""

    @staticmethod
    def forward(x: Tensor, windows: Sequence[Window]) -> tuple[Tensor, ...]:
        """Return what there is after each axis, the last one first."""
        found: list[Tensor] = []
        for window in windows:
            places = window.places(x.shape[window.axis])
            x = reduce(torch.maximum, (x[place] for place in places))
            found.append(x)
        return tuple(found[::-1])

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep what tells which were the largest."""
        x, ctx.windows = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*output, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d: Tensor, *_: Any) -> Any:
        """Give each gradient to the first of the largest."""
        saved = ctx.saved_tensors
        for window, out, x in zip(reversed(ctx.windows), saved, saved[1:], strict=False):
            d = _back(torch.empty_like(out).copy_(d) if d.stride() != out.stride() else d,
                      out, x, window)  # fmt: skip
        return d, None


def _back(d: Tensor, out: Tensor, x: Tensor, window: Window) -> Tensor:
    places = window.places(x.shape[window.axis])
    if len(places) == window.stride == 2 and x.shape[window.axis] % 2 == 0:
        dx = torch.empty_like(x)
        first, second = (dx[place] for place in places)
        torch.mul(d, x[places[0]] >= x[places[1]], out=first)
        torch.sub(d, first, out=second)
        return dx
    dx = torch.zeros_like(x)
    for place in places:
        given = d * (x[place] == out)
        d = d - given
        dx[place] += given
    return dx


def _max_pool(
    own: Callable[..., Any], n_axes: int, x: Tensor, kernel_size: Any, stride: Any = None,
    padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """Do what torch's `own` does along the last axes."""
    sizes, steps = each_axis(kernel_size, n_axes), each_axis(stride or kernel_size, n_axes)
    windows = [*map(Window, range(-n_axes, 0), sizes, steps, each_axis(dilation, n_axes))]
    plain = not (ceil_mode or return_indices or any(each_axis(padding, n_axes)))
    fit = all(w.gap * (w.size - 1) < x.shape[w.axis] for w in windows)
    if not (plain and fit and by_all_lanes(x)) or max(sizes) > LARGEST:
        return own(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    return over_lanes(lambda lanes: applied(MaxPool, lanes, windows[::-1])[:1], x)[0]


def each_axis(value: Any, n: int) -> list[int]:
    """Return a setting of a layer for each of n axes, where torch takes one for all too."""
    many = [*value] if isinstance(value, tuple | list) else [value]
    return many * (n // len(many))


POOLING: Mapping[Any, Callable[..., Any]] = {
    pool: partial(_max_pool, own, n_axes)
    for n_axes, own, pools in (
        (1, F.max_pool1d, (F.max_pool1d, torch.max_pool1d)),
        (2, F.max_pool2d, (F.max_pool2d, torch.max_pool2d)),
    )
    for pool in pools
}
