"""Lanes of as many slots as hold trials: slots that wait for one cost as much as those that train.

An MLP's lane has the same bits in any number of lanes. Another network's may depend on it: torch
chooses how it sums by the shapes. So it is tried: a copy of fewer slots trains beside all of them,
and goes on in their stead once every number that it has come to is the same. What decides is
shapes, which stay, so that one trial of each number of slots is enough.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields

import torch
from torch import Tensor

from sweep.spec.resolved import Setting
from sweep.training.lanes import Lanes
from sweep.training.messages import Measures

STEPS = 3  # that both train, or an epoch: layers may begin at 0, and pass no gradient on at first
MOST_BYTES = 1 << 28  # that are held twice while both train


class FittedLanes:
    """`Lanes` that are told which slots are held, and train no more than they have to.

    Args:
        lanes: of all slots there will ever be.

    Attributes:
        lanes: those that train.
    """

    def __init__(self, lanes: Lanes):
        self.lanes = lanes
        self._alike = {lanes.shape[0]: True}  # numbers of slots: whether they change no bits
        self._fewer: _Trial | None = None

    @property
    def is_asynchronous(self) -> bool:
        """See `Lanes`."""
        return self.lanes.is_asynchronous

    def fit(self, held: Collection[int]) -> None:
        """Train no slots behind the last one that is held, where that changes no bits."""
        needed = 1 + max(held)
        if self.lanes.same_in_any_number:
            self._resize(needed)
            return
        self._resize(min(n for n, alike in self._alike.items() if alike and n >= needed))
        number = 1 << (needed - 1).bit_length()
        if self._fewer and self._fewer.number == number:
            self._fewer.held = held
        else:
            wanted = number not in self._alike and self._is_worth_it(number)
            self._fewer = _Trial(self.lanes, number, held) if wanted else None

    def _is_worth_it(self, number: int) -> bool:
        """Tell whether a trial of a number of slots may be made, and saves more than it takes."""
        lanes, recipe = self.lanes, self.lanes.recipe
        if lanes.is_asynchronous or recipe.compile or _size_bytes(lanes) > MOST_BYTES:
            return False
        return (lanes.shape[0] - number) * recipe.epochs > 2 * number * _epochs_to_try(lanes)

    def _resize(self, slots: int) -> None:
        if slots != self.lanes.shape[0]:
            self.lanes.resize(slots)

    def reset(self, slots: range, replicates: range, settings: Sequence[Setting]) -> None:
        """See `Lanes`."""
        for lanes in self._each():
            lanes.reset(slots, replicates, settings)

    def train_epoch(self) -> None:
        """See `Lanes`."""
        for lanes in self._each():
            lanes.train_epoch()

    def validate(self, replicates: range) -> Tensor:
        """See `Lanes`; of what is trained now."""
        losses = self.lanes.validate(replicates)
        if trial := self._fewer:
            alike = trial.goes_on_alike(self.lanes, losses, replicates)
            if not alike or trial.is_over:
                self._alike[trial.number], self._fewer = alike, None
                self.lanes = trial.lanes if alike else self.lanes
        return losses

    def measure(self, replicates: range, slots: Collection[int]) -> dict[int, Measures]:
        """See `Lanes`."""
        return self.lanes.measure(replicates, slots)

    def _each(self) -> list[Lanes]:
        return [self.lanes] if self._fewer is None else [self.lanes, self._fewer.lanes]


class _Trial:
    """Fewer lanes that train beside all of them.

    Args:
        lanes: all.
        number: of slots, which go on as the first ones of all do.
        held: slots whose measures are compared.
    """

    def __init__(self, lanes: Lanes, number: int, held: Collection[int]):
        self.number, self.held, self.lanes = number, held, lanes.copied(number)
        self._epochs_left = _epochs_to_try(lanes)

    @property
    def is_over(self) -> bool:
        """Whether it has shown what it can."""
        return self._epochs_left == 0

    def goes_on_alike(self, lanes: Lanes, losses: Tensor, replicates: range) -> bool:
        """Compare with all lanes after an epoch: what they hold, and their losses (L,)."""
        self._epochs_left -= 1
        pairs = [*zip(lanes.held(), self.lanes.held(), strict=True)]
        pairs.append((losses, self.lanes.validate(replicates)))
        if not all(_same(whole[: len(fewer)], fewer) for whole, fewer in pairs):
            return False
        return not self.is_over or self._measures_are_alike(lanes, replicates)

    def _measures_are_alike(self, lanes: Lanes, replicates: range) -> bool:
        """Compare outputs and measures, but not the metric, which is made of the outputs.

        It may be the user's own, and is asked for at the end of training alone.
        """
        fewer = self.lanes.predict(replicates)
        if not _same(lanes.predict(replicates)[: len(fewer)], fewer):
            return False
        of_both = [
            each.measure(replicates, self.held, scored=False) for each in (lanes, self.lanes)
        ]
        return all(
            _same(*(torch.from_numpy(getattr(found[slot], field.name)) for found in of_both))
            for slot in self.held for field in fields(Measures)
        )  # fmt: skip


def _epochs_to_try(lanes: Lanes) -> int:
    return -(-STEPS // lanes.n_steps)


def _size_bytes(lanes: Lanes) -> int:
    return sum(tensor.nbytes for tensor in lanes.held())


def _same(a: Tensor, b: Tensor) -> bool:
    return bool(((a == b) | ((a != a) & (b != b))).all())
