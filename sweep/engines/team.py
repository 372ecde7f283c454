"""Several cohorts of equal width, one in each member, that look like one cohort.

Threads do not speed up a training step: it is many short operations, and they would wait for each
other after every one. Members wait for each other only where trials end. All cohorts have the same
number of lanes, so that a trial gives the same bits in any of them.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Hashable, Sequence
from typing import Protocol

from sweep.engines.messages import Answer, Epochs, Made, Make, Message, Start, Stop, Train
from sweep.spec.resolved import Setting
from sweep.training.messages import Report

NUMBERS = itertools.count()  # of teams: members tell one from the next


class Member(Protocol):
    """A process that trains, as its team sees it: it takes messages and gives answers.

    Both arrive whole and in order. Only the team's thread uses it. How to reach the process, and
    what to do where it is lost, is up to the class that implements this.
    """

    def send(self, message: Message) -> None:
        """Send a message, without waiting for the answer.

        Raises:
            SweepError: the process has ended for good.
        """

    def receive(self) -> Answer:
        """Wait for the next answer.

        Raises:
            SweepError: the process has ended for good.
        """


class Team:
    """Cohorts of equal width, one a member; keeps the protocol of a `Cohort`.

    A member that is told to train sends the reports of epoch after epoch without waiting, until
    one of its trials ends. Then it rests, so that free slots are filled before it goes on.

    Args:
        members: the processes that train; an earlier team of them must not be used any more.
        n_replicates: lanes that one trial takes.
        width: lanes wanted, in all members together.
        partition: of the rows into folds; see `Engine.cohort`.

    Raises:
        Exception: the reason why a member could not make its cohort.
    """

    def __init__(
        self, members: Sequence[Member], n_replicates: int, width: int, partition: int = 0
    ):
        self._members, self._number = members, next(NUMBERS)
        self._where: dict[Hashable, int] = {}  # trials in the order of their start: whose they are
        self._resting = set(range(len(members)))
        self._told: list[deque[list[Report]]] = [deque() for _ in members]  # yet to be taken
        made = self._make(_lanes_each(width, len(members), n_replicates), partition)
        self.width: int = sum(one.width for one in made)
        self.n_slots: int = sum(one.n_slots for one in made)

    @property
    def free(self) -> int:
        """Free slots, in all members together."""
        return self.n_slots - len(self._where)

    def start(self, trial: Hashable, setting: Setting) -> None:
        """Put a trial into the member that has the fewest."""
        held = list(self._where.values())
        place = min(range(len(self._members)), key=held.count)
        self._where[trial] = place
        self._members[place].send(Start(trial, setting))

    def stop(self, trial: Hashable) -> None:
        """Take a trial out of its slot."""
        place = self._where.pop(trial)
        self._members[place].send(Stop(trial))
        if place not in self._where.values():
            self._resting.add(place)

    def launch(self) -> None:
        """Tell every member that has a trial to train."""
        for place in self._resting.intersection(self._where.values()):
            self._members[place].send(Train())
            self._resting.remove(place)

    def advance(self) -> list[Report]:
        """Collect an epoch's reports from all members, in the order in which trials started."""
        self.launch()
        busy = sorted(set(self._where.values()))
        answers = [(place, self._hear(place)) for place in busy]  # of all, before one is raised
        reports: list[Report] = []
        for place, answer in answers:
            if isinstance(answer, Exception) or any(report.ended for report in answer):
                self._resting.add(place)
        for _, answer in answers:
            if isinstance(answer, Exception):
                raise answer
            # A member may have been ahead of the end that a trial was put to.
            reports += [report for report in answer if report.trial in self._where]
        order = {trial: i for i, trial in enumerate(self._where)}
        for report in reports:
            if report.ended:
                del self._where[report.trial]
        return sorted(reports, key=lambda report: order[report.trial])

    def _make(self, width: int, partition: int) -> list[Made]:
        """Let each member make a cohort."""
        for member in self._members:
            member.send(Make(self._number, width, partition))
        answers = [self._receive(place) for place in range(len(self._members))]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [answer for answer in answers if isinstance(answer, Made)]

    def _hear(self, place: int) -> list[Report] | Exception:
        """Receive a member's next epoch; several may arrive at once."""
        told = self._told[place]
        if not told:
            answer = self._receive(place)
            if isinstance(answer, Exception):
                return answer
            assert not isinstance(answer, Made)
            told.extend(answer)
        return told.popleft()

    def _receive(self, place: int) -> Made | Epochs | Exception:
        while True:
            answer = self._members[place].receive()
            if answer.team == self._number:  # else of the team before
                return answer.content


def _lanes_each(width: int, n_members: int, n_replicates: int) -> int:
    """Return how many lanes each member has: those of whole trials, if each can have one.

    With fewer, trials are trained in rounds.
    """
    trials_each = -(-(width // n_replicates) // n_members)
    return trials_each * n_replicates or -(-width // n_members)
