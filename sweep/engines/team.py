"""Cohorts of equal width, one a member, behind the face of a single one.

A step is many short operations, which threads share badly: they meet at every one of them.
Members meet where trials end. All their cohorts have the same number of lanes, so that a trial
comes to the same bits in any of them.
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
    """One that trains, as its team sees it: messages go there, answers come back.

    Both arrive whole and in order. It belongs to the team's thread. How it is reached, and what
    is to be done where it is lost, is the member's own matter.
    """

    def send(self, message: Message) -> None:
        """Say something, and do not wait for what comes of it.

        Raises:
            SweepError: it is gone for good.
        """

    def receive(self) -> Answer:
        """Wait for the next answer.

        Raises:
            SweepError: it is gone for good.
        """


class Team:
    """Cohorts of equal width, one a member; keeps the protocol of a `Cohort`.

    A member that is told to train sends the reports of epoch after epoch and waits for nobody,
    until a trial of its ends: then it rests, so that the free slots are filled before it goes on.

    Args:
        members: who trains; the team before of the same members is over.
        n_replicates: lanes that a whole trial takes.
        width: lanes wanted, of all together.
        partition: of the rows into folds; see `Engine.cohort`.

    Raises:
        Exception: what a member's cohort could not be made for.
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
        """Slots without a trial, of all."""
        return self.n_slots - len(self._where)

    def start(self, trial: Hashable, setting: Setting) -> None:
        """Put a trial where the fewest are."""
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
        """Have all train that have a trial."""
        for place in self._resting.intersection(self._where.values()):
            self._members[place].send(Train())
            self._resting.remove(place)

    def advance(self) -> list[Report]:
        """Take an epoch's reports from all, in the order in which their trials started."""
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
        """Have a cohort made by each."""
        for member in self._members:
            member.send(Make(self._number, width, partition))
        answers = [self._receive(place) for place in range(len(self._members))]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [answer for answer in answers if isinstance(answer, Made)]

    def _hear(self, place: int) -> list[Report] | Exception:
        """Take a member's next epoch, of which several may come at once."""
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
    """Return a member's share of the lanes: whole trials, if there are enough for one each.

    With fewer, trials are trained in rounds.
    """
    trials_each = -(-(width // n_replicates) // n_members)
    return trials_each * n_replicates or -(-width // n_members)
