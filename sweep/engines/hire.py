"""Who trains a study: this process, or workers, one a CPU core, behind the face of one cohort.

A step is many short operations, which threads share badly: they meet at every one of them.
Processes meet where trials end. All cohorts of a team have the same number of lanes, so that a
trial comes to the same bits in any of them.

The owner of a run imports no torch here unless it trains itself.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import TYPE_CHECKING, Any

from sweep.engines.fork import Leader, cores
from sweep.errors import SweepError
from sweep.runtime import importing
from sweep.spec.resolved import Outline, Setting
from sweep.spec.study import StudySpec
from sweep.training.messages import Report

if TYPE_CHECKING:
    from sweep.plan.plan import Plan
    from sweep.training.cohort import Cohort

TEAMS = itertools.count()


class Crew:
    """Those who train a study: this process, or workers.

    Args:
        spec: the study.
        leader: to the worker that plans it; None: this process trains.
    """

    def __init__(self, spec: StudySpec, leader: Connection | None = None):
        self._spec = spec
        self._pipes = [leader] if leader else []

    @cached_property
    def outline(self) -> Outline:
        """What the study comes to, once it is known.

        Raises:
            UsageError: the data, the model, the range or the device is not usable.
            SweepError: a worker is gone.
        """
        if not self._pipes:
            return self._plan.outline
        (leader,) = self._pipes
        with _alive():
            answer = leader.recv()
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Outline)
        with _alive():
            for _ in range(answer.workers - 1):
                self._pipes.append(Connection(recv_handle(leader)))
                # Which a default timeout of the user's for sockets changes, here and in `workers`.
                os.set_blocking(leader.fileno(), True)
        return answer

    @property
    def is_planned(self) -> bool:
        """Whether `outline` is known."""
        return "outline" in vars(self)

    def cohort(self, width: int) -> Cohort | Team:
        """Make a cohort of so many lanes, after `outline`."""
        if self._pipes:
            return Team(self._pipes, self._spec.n_replicates, width)
        from sweep.engines.worker import make_cohort

        return make_cohort(self._plan, width)

    def dismiss(self) -> None:
        """Have the workers end, if there are any: nothing is trained any more."""
        for pipe in self._pipes:
            pipe.close()

    @cached_property
    def _plan(self) -> Plan:
        with importing():
            from sweep.engines.worker import planned

        return planned(self._spec)


@contextmanager
def hired(spec: StudySpec, leader: Leader | None = None) -> Iterator[Crew]:
    """Have the study planned, and trained later, on every core that it may use.

    With more than one it is done by workers, the first of which makes the plan and forks the
    others: so that it imports torch while this process, which does without, imports the rest.

    Args:
        spec: the study.
        leader: the first worker, if it is there already.

    Raises:
        SweepError: a worker is gone.
    """
    n_cores, asked = cores(), spec.training.workers
    if not n_cores or (n_cores if asked == "auto" else asked) == 1:
        if leader:
            leader.end(at_once=True)
        yield Crew(spec)
        return
    leader = leader or Leader()
    crew = Crew(spec, leader.pipe)
    try:
        with _alive():
            leader.pipe.send(spec)
        yield crew
    finally:
        crew.dismiss()
        leader.end(at_once=not crew.is_planned)  # it may be long at what the user has it read


class Team:
    """Cohorts of equal width, one a worker; a `Cohort` to its user.

    A worker that is told to train sends the reports of epoch after epoch and waits for nobody,
    until a trial of its ends: then it rests, so that the free slots are filled before it goes on.
    """

    def __init__(self, pipes: Sequence[Connection], n_replicates: int, width: int):
        self._pipes, self._number = pipes, next(TEAMS)
        self._where: dict[Hashable, int] = {}
        self._resting = set(range(len(pipes)))
        self._told: list[deque[list[Report]]] = [deque() for _ in pipes]  # epochs, yet to be taken
        each = -(-(width // n_replicates) // len(pipes)) * n_replicates
        # Fewer lanes than all need for one trial each: trials are trained in rounds.
        shapes = self._make(each or -(-width // len(pipes)))
        self.width: int = sum(lanes for lanes, _ in shapes)
        self.n_slots: int = sum(slots for _, slots in shapes)

    @property
    def free(self) -> int:
        """Slots without a trial, of all."""
        return self.n_slots - len(self._where)

    def start(self, trial: Hashable, setting: Setting) -> None:
        """Put a trial where the fewest are."""
        held = list(self._where.values())
        place = min(range(len(self._pipes)), key=held.count)
        self._where[trial] = place
        self._send(place, "start", trial, setting)

    def stop(self, trial: Hashable) -> None:
        """Take a trial out of its slot."""
        place = self._where.pop(trial)
        self._send(place, "stop", trial)
        if place not in self._where.values():
            self._resting.add(place)

    def launch(self) -> None:
        """Have all train that have a trial."""
        for place in self._resting.intersection(self._where.values()):
            self._send(place, "train")
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
            # A worker may have been ahead of the end that a trial was put to.
            reports += [report for report in answer if report.trial in self._where]
        order = list(self._where)
        for report in reports:
            if report.ended:
                del self._where[report.trial]
        return sorted(reports, key=lambda report: order.index(report.trial))

    def _make(self, width: int) -> list[tuple[int, int]]:
        """Have cohorts made everywhere: lanes and slots of each."""
        places = range(len(self._pipes))
        for place in places:
            self._send(place, "make", self._number, width)
        answers = [self._receive(place) for place in places]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _hear(self, place: int) -> list[Report] | Exception:
        """Take a worker's next epoch, of which several may come at once."""
        told = self._told[place]
        if not told:
            answer: list[list[Report]] | Exception = self._receive(place)
            if isinstance(answer, Exception):
                return answer
            told.extend(answer)
        return told.popleft()

    def _send(self, place: int, *call: Any) -> None:
        with _alive():
            self._pipes[place].send(call)

    def _receive(self, place: int) -> Any:
        with _alive():
            while True:
                number, answer = self._pipes[place].recv()
                if number == self._number:  # else of the cohort before
                    return answer


@contextmanager
def _alive() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        raise SweepError(
            "training.workers: must live as long as the run, got one that is gone, perhaps"
            " killed for its memory. Run again to resume, or --set training.workers=1"
        ) from error
