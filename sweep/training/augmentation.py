"""Change the rows of each lane's step, by bits that follow from (replicate, step) alone.

| symbol | meaning | shape |
|---|---|---|
| L, B | lanes, rows of a batch | |
| x, y | rows and targets of a step | (L, B, *features), (L, B) |
| key | of a lane's replicate and step: see `draw_key` | (L,), int64 |
| λ | the share of its own row that mixup leaves | (L, 1) |

So a lane's rows do not depend on its slot or its neighbours, and the same replicate sees the same
rows in every trial. What is not uniform is looked up in a table of quantiles: functions of the
processor round differently at the end of a vector, where the last lane lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sweep.spec.augment import AugmentSpec, Kind
from sweep.training.counters import draw_key
from sweep.training.loss import Loss

LEVELS = 1 << 16  # of a table of quantiles


class Mixed(NamedTuple):
    """Targets of rows that were mixed, and how much the loss by each of the two counts: (L, B)."""

    one: Tensor
    other: Tensor
    of_one: Tensor
    of_other: Tensor


class Augmenter:
    """Change rows as a study says.

    Args:
        changes: made in this order.
        shape: of a row as an image, (H, W) or (C, H, W), whatever shape it has in x.
        like: a tensor with the device and the type of the rows.
    """

    def __init__(self, changes: Sequence[AugmentSpec], shape: tuple[int, ...], like: Tensor):
        self._changes, self._shape = changes, shape
        self.mixes = any(change.type == "mixup" for change in changes)
        self._tables = {
            c.type: table.to(like) for c in changes if (table := _table(c)) is not None
        }

    def __call__(self, x: Tensor, y: Tensor, key: Tensor) -> tuple[Tensor, Tensor | Mixed]:
        """Change rows and targets; those of mixup become `Mixed`."""
        target: Tensor | Mixed = y
        for place, change in enumerate(self._changes):
            of_change = draw_key(key, torch.zeros_like(key), place)
            if change.type == "mixup":
                x, target = self._mix(x, y, of_change)
            elif change.type == "noise":
                x = self._add_noise(x, of_change)
            else:
                images = x.reshape(*x.shape[:2], -1, *self._shape[-2:])
                moved = _flip(images, of_change) if change.type == "flip" else _crop(
                    images, of_change, change.pad or 1
                )  # fmt: skip
                x = moved.reshape(x.shape)
        return x, target

    def _add_noise(self, x: Tensor, key: Tensor) -> Tensor:
        levels = random_bits(key, x[0].numel()) >> 16
        return x + self._tables["noise"][levels].view(x.shape)

    def _mix(self, x: Tensor, y: Tensor, key: Tensor) -> tuple[Tensor, Mixed]:
        """Mix each row with the one so many places further on; rows come in a drawn order."""
        lanes, rows = x.shape[:2]
        of_share, of_place = random_bits(key, 2).unbind(1)
        share = self._tables["mixup"][of_share >> 16][:, None]
        at = torch.arange(rows, device=x.device) + of_place[:, None] % rows
        lane = torch.arange(lanes, device=x.device)[:, None]
        other = (lane, at % rows)
        mine = share.view(-1, *[1] * (x.ndim - 1))
        shares = share.expand(lanes, rows)
        return mine * x + (1 - mine) * x[other], Mixed(y, y[other], shares, 1 - shares)


def random_bits(key: Tensor, n: int) -> Tensor:
    """Hash each lane's key to n numbers of 32 bits, (L, n) in int64."""
    return draw_key(key[:, None], torch.arange(n, device=key.device), 0)


def mixing(loss: Loss) -> Loss:
    """Return a loss that takes `Mixed` targets: λ of it by one, 1 − λ of it by the other."""

    def rows(out: Tensor, y: Mixed) -> Tensor:
        return y.of_one * loss.rows(out, y.one) + y.of_other * loss.rows(out, y.other)

    def slope(z: Tensor, y: Mixed) -> Tensor:
        one, other = loss.slope(z, y.one), loss.slope(z, y.other)
        return one.mul_(y.of_one[:, None]).add_(other.mul_(y.of_other[:, None]))

    return loss._replace(rows=rows, slope=slope)  # type: ignore[arg-type]


def _flip(images: Tensor, key: Tensor) -> Tensor:
    is_flipped = random_bits(key, images.shape[1])[..., None, None, None] % 2 == 1
    return torch.where(is_flipped, images.flip(-1), images)


def _crop(images: Tensor, key: Tensor, pad: int) -> Tensor:
    """Move each image (L, B, C, H, W) by −pad to pad pixels down and right, on zeros."""
    lanes, rows, _, height, width = images.shape
    by = random_bits(key, 2 * rows).view(lanes, rows, 2, 1, 1) % (2 * pad + 1) - pad
    down = torch.arange(height, device=images.device)[:, None] + by[:, :, 0]
    right = torch.arange(width, device=images.device) + by[:, :, 1]
    inside = (down >= 0) & (down < height) & (right >= 0) & (right < width)
    at = down.clamp(0, height - 1) * width + right.clamp(0, width - 1)  # (L, B, H, W)
    at = at.flatten(2)[:, :, None].expand(-1, -1, images.shape[2], -1)
    moved = images.flatten(3).gather(3, at).view(images.shape)
    return torch.where(inside[:, :, None], moved, 0)


def _table(change: AugmentSpec) -> Tensor | None:
    make = _TABLES.get(change.type)
    return None if make is None else make(change, (np.arange(LEVELS) + 0.5) / LEVELS)


def _normal(change: AugmentSpec, at: np.ndarray) -> Tensor:
    normal: Tensor = torch.special.ndtri(torch.from_numpy(at))
    return normal * (change.std or 0.1)


def _beta(change: AugmentSpec, at: np.ndarray) -> Tensor:
    from scipy.special import betaincinv  # which takes a tenth of a second

    alpha = change.alpha or 0.2
    return torch.from_numpy(betaincinv(alpha, alpha, at))


_TABLES: Mapping[Kind, Callable[[AugmentSpec, np.ndarray], Tensor]] = {
    "noise": _normal, "mixup": _beta,
}  # fmt: skip
