"""The books of a team, whatever its members are: which trials they have, and what they told.

A trial without a member is homeless: it has been lost with one, and waits for another.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterable

from sweep.engines.messages import Epochs
from sweep.training.messages import Report


class Roster:
    """Trials in the order in which they started, and the epochs that members told of them.

    Members are numbers. Nothing is said to them here.
    """

    def __init__(self) -> None:
        self._where: dict[Hashable, int | None] = {}
        self._told: defaultdict[int, deque[list[Report]]] = defaultdict(deque)  # yet to be taken

    @property
    def n_trials(self) -> int:
        """Trials that have a place here, with a member or without."""
        return len(self._where)

    @property
    def busy(self) -> list[int]:
        """Members that have a trial, in their order."""
        return sorted({place for place in self._where.values() if place is not None})

    @property
    def homeless(self) -> list[Hashable]:
        """Trials without a member."""
        return [trial for trial, place in self._where.items() if place is None]

    def held(self, member: int) -> list[Hashable]:
        """Return the trials of a member."""
        return [trial for trial, place in self._where.items() if place == member]

    def fewest(self, members: Iterable[int]) -> int:
        """Return the member that has the fewest trials, of several alike the first."""
        return min(members, key=Counter(self._where.values()).__getitem__)

    def place(self, trial: Hashable, member: int | None) -> None:
        """Give a trial to a member, or to none; it keeps its place in the order."""
        self._where[trial] = member

    def remove(self, trial: Hashable) -> int | None:
        """Take a trial out, and return whose it was."""
        return self._where.pop(trial)

    def tell(self, member: int, epochs: Epochs) -> None:
        """Keep what a member told, until it is taken."""
        self._told[member].extend(epochs)

    def has_told(self, member: int) -> bool:
        """Tell whether a member has told something that is yet to be taken."""
        return bool(self._told[member])

    def take(self, member: int) -> list[Report] | None:
        """Take a member's next epoch; None where it has told no more."""
        told = self._told[member]
        return told.popleft() if told else None

    def forget(self, member: int) -> list[Hashable]:
        """Drop a member and what it told; its trials, which are returned, become homeless."""
        self._told.pop(member, None)
        trials = self.held(member)
        self._where |= dict.fromkeys(trials)
        return trials

    def settle(self, reports: Iterable[Report]) -> list[Report]:
        """Return the reports of trials that are still here, by their start; ended ones leave.

        A member may have trained on after its trial was taken out.
        """
        order = {trial: i for i, trial in enumerate(self._where)}
        kept = [report for report in reports if report.trial in order]
        for report in kept:
            if report.ended:
                del self._where[report.trial]
        return sorted(kept, key=lambda report: order[report.trial])
