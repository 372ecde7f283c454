"""The protocol of an engine, which trains a study, and of the cohorts that it makes.

The loop of a run uses these two classes only, so it is the same for every engine.
To add an engine: a module here that keeps the protocol, a case in `hire`, and what a study file
says of it in `spec/engine`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

from sweep.spec.resolved import Outline, Setting
from sweep.training.messages import Report


class Engine(Protocol):
    """Trains one study: reads its data, makes its model, and holds the lanes.

    The engine owns what training needs: tensors, processes, connections. Its caller owns the
    trials, their results and the storage; an engine never sees them. One thread calls it. An
    engine may work between two calls (read data, train), but never on what its caller owns.
    """

    def resolve(self) -> Outline:
        """Wait until the study is planned, and return the outline; the same one every time.

        Raises:
            UsageError: the data, the model, the range or the device is not usable.
            SweepError: a process that trains has ended.
        """

    def cohort(self, width: int, partition: int = 0) -> Cohort:
        """Make a cohort, after `resolve`. An earlier one must not be used any more.

        The caller drops the earlier cohort first: memory may not hold both. After an error
        another cohort may be made.

        Args:
            width: lanes wanted.
            partition: which division of the rows into folds to train on; 0 is that of the search.

        Raises:
            MemoryError, RuntimeError: of which `is_out_of_memory` tells whether fewer lanes help.
            SweepError: a process that trains has ended.
        """

    def facts(self) -> dict[str, Any]:
        """Say who trains at present, as plain data: what a study's attribute `engine` holds.

        It is looked at after every epoch, so it must cost little. Empty where only this machine's
        processes train.
        """

    def dismiss(self) -> None:
        """Tell all processes that training is over, without waiting for them; `hired` waits."""


class Cohort(Protocol):
    """Lanes that train several trials side by side: `training.cohort`, or a team of cohorts.

    Its caller names each trial by a key that it uses once. A trial's result depends on its setting
    alone: not on its lanes, on the other trials, or on the width.
    One thread calls it. Between two calls the lanes may train further than was reported.
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
        """Put a trial into a free slot; it trains from the next epoch that begins."""

    def stop(self, trial: Hashable) -> None:
        """Take a trial out of its slot: it is never reported again."""

    def launch(self) -> None:
        """Start the next epoch, if the lanes can train while the caller does something else.

        Raises:
            MemoryError, RuntimeError, SweepError: see `advance`.
        """

    def advance(self) -> list[Report]:
        """Wait for the next epochs and return their reports, in the order in which trials started.

        A call returns at most one report of a trial; its epochs come in order. A trial that has
        ended has left its slot. At least one trial must have a slot.

        Raises:
            MemoryError, RuntimeError: of which `is_out_of_memory` tells whether fewer lanes help.
                The cohort cannot be used after it.
            SweepError: a process that trains has ended.
        """
