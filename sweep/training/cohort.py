"""Train many trials as ONE fused model, and refill the lanes of those that end.

A cohort has S slots of G lanes; a slot holds one trial, one replicate a lane. Where a trial
has more replicates than a slot has lanes, they are trained in rounds, one after another.
A trial's result does not depend on its neighbours: they may be at any epoch, diverge or be
replaced. Empty slots are trained but never read; trailing ones are skipped where that is
bit-neutral. One thread owns a cohort.

A GPU is given the next epoch before the losses of the last one are read, so that it never waits
for the host. The exception is the last epoch of a trial: its lanes are measured first. The lanes
of a trial that diverges, or is stopped, train one epoch more, which nothing reads.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

import numpy as np

from sweep.data.problem import Problem
from sweep.spec.resolved import Setting
from sweep.training.fitted import FittedLanes
from sweep.training.lanes import Lanes
from sweep.training.messages import Array, Measures, Report
from sweep.training.modules import Factory
from sweep.training.recipe import Recipe
from sweep.training.transfer import Fetched


@dataclass
class _Slot:
    trial: Hashable
    setting: Setting
    losses: Array  # (E, R)
    limit: int  # the last epoch that all replicates so far ended with finite losses
    round: int = 0
    epoch: int = 0  # of this round, as far as is known
    measures: list[Measures] = field(default_factory=list)  # of finished rounds, (G,) each
    diverged: str | None = None


@dataclass(frozen=True)
class _Epoch:
    """An epoch that the lanes were set to train, and what comes of it."""

    rounds: dict[int, tuple[_Slot, int]]  # who trained in which slot, in which of its rounds
    losses: Fetched


class Cohort:
    """`start` puts a trial into a free slot, `advance` trains an epoch, `stop` frees a slot.

    `launch` sets a GPU to work, so that the host is free until it calls `advance`.

    Args:
        problem: the data, on the device to train on, in the precision to train in.
        factory: makes one trial's network.
        recipe: how every lane is trained.
        width: lanes wanted; the cohort has as many whole slots as fit, at least one.
    """

    def __init__(self, problem: Problem, factory: Factory, recipe: Recipe, width: int):
        self._replicates, self._epochs = problem.replicates, recipe.epochs
        width = width if recipe.fused else 1
        self.n_slots = max(1, width // len(problem.replicates))
        self.lanes_per_slot = min(width, len(problem.replicates))
        lanes = Lanes(problem, factory, recipe, self.n_slots, self.lanes_per_slot)
        self._lanes = FittedLanes(lanes)
        self._slots: dict[int, _Slot] = {}
        self._new: list[int] = []  # slots in which a round is yet to begin
        self._launched: _Epoch | None = None

    @property
    def width(self) -> int:
        """Lanes, at most."""
        return self.n_slots * self.lanes_per_slot

    @property
    def free(self) -> int:
        """Slots without a trial."""
        return self.n_slots - len(self._slots)

    @property
    def trials(self) -> list[Hashable]:
        """Trials that have a slot."""
        return [slot.trial for slot in self._slots.values()]

    def start(self, trial: Hashable, setting: Setting) -> None:
        """Put a trial into a free slot, where it trains from the next epoch on that begins."""
        index = min(set(range(self.n_slots)) - set(self._slots))
        losses = np.full((self._epochs, len(self._replicates)), np.nan)
        self._slots[index] = _Slot(trial, setting, losses, self._epochs)
        self._new.append(index)

    def stop(self, trial: Hashable) -> None:
        """Take a trial out of its slot."""
        index = next(index for index, slot in self._slots.items() if slot.trial == trial)
        del self._slots[index]
        if index in self._new:
            self._new.remove(index)

    def launch(self) -> None:
        """Set a GPU to train the next epoch, if it is not at one; a CPU trains in `advance`."""
        if self._lanes.is_asynchronous and not self._launched:
            self._launched = self._train()

    def advance(self) -> list[Report]:
        """Wait for an epoch of every lane, and report on the trials that trained in it."""
        epoch, self._launched = self._launched or self._train(), None
        # A slot may have been left, or be in its next round, since.
        held = [i for i, (slot, n) in epoch.rounds.items()
                if self._slots.get(i) is slot and slot.round == n]  # fmt: skip
        if not any(map(self._ends, held)):
            self.launch()
        losses = epoch.losses.values()
        for index in held:
            self._note(self._slots[index], losses[index * self.lanes_per_slot :])
        self._measure([index for index in held if self._is_over(index)])
        reports = [self._settle(index) for index in held]
        return [report for report in reports if report]

    def _train(self) -> _Epoch:
        self._lanes.fit(self._slots)
        self._begin()
        rounds = {index: (slot, slot.round) for index, slot in self._slots.items()}
        self._lanes.train_epoch()
        return _Epoch(rounds, Fetched(self._lanes.validate(self._places)))

    @property
    def _places(self) -> range:
        return self._round_of(next(iter(self._slots.values())))  # alike in all slots

    def _ends(self, index: int) -> bool:
        """Tell whether the epoch that is read next is the last one of a slot's round."""
        return self._slots[index].epoch + 1 >= self._slots[index].limit

    def _is_over(self, index: int) -> bool:
        return self._slots[index].epoch >= self._slots[index].limit

    def _measure(self, over: list[int]) -> None:
        """Keep what the lanes of slots whose round is over have come to."""
        over = [index for index in over if not self._slots[index].diverged]
        if over:
            places = self._places
            for index, measures in self._lanes.measure(places, over).items():
                self._slots[index].measures.append(measures.part(slice(len(places))))

    def _round_of(self, slot: _Slot) -> range:
        """Return the replicates that are in the slot's lanes now."""
        begin = slot.round * self.lanes_per_slot
        return range(begin, min(begin + self.lanes_per_slot, len(self._replicates)))

    def _begin(self) -> None:
        """Put what begins into its lanes, neighbouring slots at once."""
        for slots in _runs(self._new):
            settings = [self._slots[index].setting for index in slots]
            self._lanes.reset(slots, self._places, settings)
        self._new.clear()

    def _note(self, slot: _Slot, losses: Array) -> None:
        replicates = self._round_of(slot)
        losses = losses[: len(replicates)]
        slot.losses[slot.epoch, replicates] = losses
        slot.epoch += 1
        if not np.isfinite(losses).all():
            first = int(np.flatnonzero(~np.isfinite(losses))[0])
            fold, seed = self._replicates[replicates[first]]
            slot.diverged = (
                f"validation loss {losses[first]} at epoch {slot.epoch} (fold {fold}, seed {seed})"
            )
            # Further rounds train up to here only: what is told must not depend on the width.
            slot.limit = slot.epoch - 1

    def _settle(self, index: int) -> Report | None:
        """Report on a slot after an epoch; begin its next round or end its trial when due."""
        slot = self._slots[index]
        last_round = self._round_of(slot).stop == len(self._replicates)
        if slot.epoch < slot.limit:
            return self._report(slot) if last_round else None
        if slot.limit and not last_round:
            slot.round, slot.epoch = slot.round + 1, 0
            self._new.append(index)
            return None
        self.stop(slot.trial)
        if slot.diverged:
            return self._report(slot, diverged=slot.diverged)
        result = Measures.joined(slot.measures)
        if (unmeasured := ~np.isfinite(result.metric)).any():
            first = int(np.flatnonzero(unmeasured)[0])
            fold, seed = self._replicates[first]
            where = f"at the end of training (fold {fold}, seed {seed})"
            return self._report(slot, diverged=f"metric {result.metric[first]} {where}")
        return self._report(slot, result=result)

    def _report(
        self, slot: _Slot, diverged: str | None = None, result: Measures | None = None
    ) -> Report:
        losses = slot.losses[slot.epoch - 1]
        loss = float(losses.mean()) if np.isfinite(losses).all() else None
        whole = None if result is None else slot.losses
        return Report(slot.trial, slot.epoch, loss, diverged, result, losses=whole)


def _runs(indexes: Iterable[int]) -> list[range]:
    """Join neighbours: 4, 1, 0, 5 and 7 to 0–1, 4–5 and 7."""
    runs: list[range] = []
    for index in sorted(indexes):
        if runs and runs[-1].stop == index:
            runs[-1] = range(runs[-1].start, index + 1)
        else:
            runs.append(range(index, index + 1))
    return runs
