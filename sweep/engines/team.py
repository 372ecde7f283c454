"""Several cohorts of equal width, one in each member, that look like one cohort.

Threads do not speed up a training step: it is many short operations, and they would wait for each
other after every one. Members wait for each other only where trials end. All cohorts have the same
number of lanes, so that a trial gives the same bits in any of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import Protocol

from sweep.engines.messages import Answer, Epochs, Made, Make, Message, Start, Stop, Train
from sweep.engines.roster import Roster
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
        self._roster, self._resting = Roster(), set(range(len(members)))
        made = self._make(_lanes_each(width, len(members), n_replicates), partition)
        self.width: int = sum(one.width for one in made)
        self.n_slots: int = sum(one.n_slots for one in made)

    @property
    def free(self) -> int:
        """Free slots, in all members together."""
        return self.n_slots - self._roster.n_trials

    def start(self, trial: Hashable, setting: Setting) -> None:
        """Put a trial into the member that has the fewest."""
        place = self._roster.fewest(range(len(self._members)))
        self._roster.place(trial, place)
        self._members[place].send(Start(trial, setting))

    def stop(self, trial: Hashable) -> None:
        """Take a trial out of its slot."""
        place = self._roster.remove(trial)
        assert place is not None, "a process that is gone ends the run"
        self._members[place].send(Stop(trial))
        if place not in self._roster.busy:
            self._resting.add(place)

    def launch(self) -> None:
        """Tell every member that has a trial to train."""
        for place in self._resting.intersection(self._roster.busy):
            self._members[place].send(Train())
            self._resting.remove(place)

    def advance(self) -> list[Report]:
        """Collect an epoch's reports from all members, in the order in which trials started."""
        self.launch()
        # Of all, before one is raised.
        answers = [(place, self._hear(place)) for place in self._roster.busy]
        reports: list[Report] = []
        for place, answer in answers:
            if isinstance(answer, Exception) or any(report.ended for report in answer):
                self._resting.add(place)
        for _, answer in answers:
            if isinstance(answer, Exception):
                raise answer
            reports += answer
        return self._roster.settle(reports)

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
        while (epoch := self._roster.take(place)) is None:
            answer = self._receive(place)
            if isinstance(answer, Exception):
                return answer
            assert not isinstance(answer, Made)
            self._roster.tell(place, answer)
        return epoch

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
