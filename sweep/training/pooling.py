"""Max pooling without a gradient, as networks are evaluated, with the same bits in less time.

torch takes one window after another, and notes which entry was the largest; without a gradient
nobody asks. Here whole rows of images are compared at once.

| symbol | meaning | shape |
|---|---|---|
| x | images, or lines | (B, C, H, W), (B, C, W) |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, reduce
from types import EllipsisType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

LARGEST = 4  # entries of a window along an axis, up to which this takes less time


def _max_pool(
    own: Callable[..., Any], n_axes: int, x: Tensor, kernel_size: Any, stride: Any = None,
    padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """Do what torch's `own` does along the last axes."""
    sizes, steps = _each(kernel_size, n_axes), _each(stride or kernel_size, n_axes)
    windows = [*zip(range(-n_axes, 0), sizes, steps, _each(dilation, n_axes), strict=True)]
    plain = not (ceil_mode or return_indices or any(_each(padding, n_axes)))
    fit = all(gap * (size - 1) < x.shape[axis] for axis, size, _, gap in windows)
    if torch.is_grad_enabled() or not (plain and fit) or max(sizes) > LARGEST:
        return own(x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    for window in windows:
        x = _largest(x, *window)
    return x


def _largest(x: Tensor, axis: int, size: int, step: int, gap: int) -> Tensor:
    """Take the largest entries of windows along one axis."""
    length = x.shape[axis] - gap * (size - 1)
    others = [slice(None)] * (-axis - 1)
    parts = []
    for first in range(0, gap * size, gap):
        index: tuple[EllipsisType | slice, ...] = (
            ...,
            slice(first, first + length, step),
            *others,
        )
        parts.append(x[index])
    return reduce(torch.maximum, parts)


def _each(value: Any, n: int) -> list[int]:
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
