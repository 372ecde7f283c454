"""The protocol of who trains a study: an engine, and the cohorts that it makes.

A run knows these two alone, so that it is the same whether this process trains, or others do.
To add an engine: a module here that keeps the protocol, a case in `hire`, and what a study file
says of it in `spec/sections`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from sweep.spec.resolved import Outline, Setting
from sweep.training.messages import Report


class Engine(Protocol):
    """Who trains one study: reads its data, makes its model, and has the lanes.

    The engine owns what the study is trained on: tensors, processes, connections. Its user owns
    trials, results and the storage, none of which an engine ever sees. One thread calls it. An
    engine may work between two calls (read data, train), never on what its user owns.
    """

    def resolve(self) -> Outline:
        """Wait until the study is planned, and return what it comes to; the same every time.

        Raises:
            UsageError: the data, the model, the range or the device is not usable.
            SweepError: who trains is gone.
        """

    def cohort(self, width: int, partition: int = 0) -> Cohort:
        """Make a cohort of so many lanes, after `resolve`; the one before, if any, is over.

        The user drops the one before first: there may be no memory for both. After an error
        another may be made.

        Args:
            width: lanes wanted.
            partition: which division of the rows into folds its replicates are of; 0 is the
                search's own.

        Raises:
            MemoryError, RuntimeError: of which `is_out_of_memory` tells whether fewer lanes help.
            SweepError: who trains is gone.
        """

    def dismiss(self) -> None:
        """Say that nothing is trained any more, without waiting for anybody; `hired` does that."""


class Cohort(Protocol):
    """Lanes in which trials are trained beside each other: `training.cohort`, or a team of such.

    A trial goes by a key of its user's, which no other trial of the cohort ever had. What it comes
    to depends on its setting alone: not on the lanes, on who is beside it, or on the width.
    One thread calls it. Between two calls the lanes may train ahead of what was reported.
    """

    @property
    def width(self) -> int:
        """Lanes, at most."""

    @property
    def n_slots(self) -> int:
        """Trials that may be trained at once."""

    @property
    def free(self) -> int:
        """Slots without a trial."""

    def start(self, trial: Hashable, setting: Setting) -> None:
        """Put a trial into a free slot, where it trains from the next epoch on that begins."""

    def stop(self, trial: Hashable) -> None:
        """Take a trial out of its slot: it is never reported again."""

    def launch(self) -> None:
        """Have the lanes train, if they can while their user does something else.

        Raises:
            MemoryError, RuntimeError, SweepError: as `advance`.
        """

    def advance(self) -> list[Report]:
        """Wait for the next epochs, and report on them: in the order in which trials started.

        A trial is in at most one report of a call, and its epochs come one after another. One
        that has ended has left its slot. Some trial must have a slot.

        Raises:
            MemoryError, RuntimeError: of which `is_out_of_memory` tells whether fewer lanes help.
                The cohort is of no use then.
            SweepError: who trains is gone.
        """
