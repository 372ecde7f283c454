"""Cohorts in processes of their own, one a CPU core, behind the face of one cohort.

A step is many short operations, which threads share badly: they meet at every one of them.
Processes meet where trials end. All cohorts of a team have the same number of lanes, so that a
trial comes to the same bits in any of them.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import torch

from sweep.cohort import Cohort, Report
from sweep.errors import SweepError
from sweep.lanes import Setting
from sweep.plan import Plan

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def hired(plan: Plan, count: int) -> Iterator[list[Connection]]:
    """Fork `count` processes that hold the plan, each at the end of a pipe; none for one."""
    pipes, pids = [], []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # the child's handlers come first
    try:
        for _ in range(count if count > 1 else 0):
            ours, theirs = Pipe()
            pid = os.fork()
            if not pid:
                _serve(plan, theirs)
            theirs.close()
            pipes.append(ours)
            pids.append(pid)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield pipes
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for pipe in pipes:
            pipe.close()  # which ends the process
        for pid in pids:
            os.waitpid(pid, 0)


class Team:
    """Cohorts of equal width, one a worker; a `Cohort` to its user.

    A worker that is told to train sends the reports of epoch after epoch and waits for nobody,
    until a trial of its ends: then it rests, so that the free slots are filled before it goes on.
    """

    def __init__(self, pipes: Sequence[Connection], plan: Plan, width: int):
        self._pipes = pipes
        self._where: dict[Hashable, int] = {}
        self._resting = set(range(len(pipes)))
        slots = width // plan.spec.n_replicates
        each = -(-slots // len(pipes)) * plan.spec.n_replicates
        # Fewer lanes than all need for one trial each: trials are trained in rounds.
        shapes = self._make(each or -(-width // len(pipes)))
        self.width: int = sum(lanes for lanes, _ in shapes)
        self._n_slots: int = sum(slots for _, slots in shapes)

    @property
    def free(self) -> int:
        """Slots without a trial, of all."""
        return self._n_slots - len(self._where)

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

    def advance(self) -> list[Report]:
        """Take an epoch's reports from all, in the order in which their trials started."""
        busy = sorted(set(self._where.values()))
        for place in self._resting.intersection(busy):
            self._send(place, "train")
        self._resting.difference_update(busy)
        answers = [(place, self._receive(place)) for place in busy]  # of all, before one is raised
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
            self._send(place, "make", width)
        made = []
        for place in places:
            while isinstance(answer := self._receive(place), list):
                pass  # reports of the cohort before
            made.append(answer)
        for answer in made:
            if isinstance(answer, Exception):
                raise answer
        return made

    def _send(self, place: int, *call: Any) -> None:
        with _alive():
            self._pipes[place].send(call)

    def _receive(self, place: int) -> Any:
        with _alive():
            return self._pipes[place].recv()


@contextmanager
def _alive() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        raise SweepError(
            "training.workers: must live as long as the run, got one that is gone, perhaps"
            " killed for its memory. Run again to resume, or --set training.workers=1"
        ) from error


def _serve(plan: Plan, pipe: Connection) -> None:
    """Be a worker, and never return: do what the owner asks until it hangs up."""
    try:
        for number in SIGNALS:  # they are for the owner, who hangs up
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        # What the owner has open would stay open here after its death: sockets, other pipes.
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        os.closerange(3, pipe.fileno())
        os.closerange(pipe.fileno() + 1, min(limit, 2**16))
        torch.set_num_threads(1)
        with suppress(EOFError, OSError):
            _answer(plan, pipe)
    finally:
        os._exit(0)  # what was inherited is not tidied up here


def _answer(plan: Plan, pipe: Connection) -> None:
    cohort: Any = None
    training = False
    while True:
        try:
            while not training or pipe.poll():
                name, *args = pipe.recv()
                if name == "make":
                    cohort, training = None, False  # first: there may be no memory for both
                    cohort = Cohort(plan.problem, plan.factory, plan.recipe, *args)
                    pipe.send((cohort.width, cohort.free))
                elif name == "start":
                    cohort.start(*args)
                elif name == "stop" and args[0] in cohort.trials:  # else it has ended meanwhile
                    cohort.stop(*args)
                training = bool(cohort.trials) and (training or name == "train")
            reports = cohort.advance()
            training = not any(report.ended for report in reports)
            pipe.send(reports)
        except (EOFError, OSError):
            raise
        except Exception as error:
            training = False
            pipe.send(error)
