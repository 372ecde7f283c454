"""Cohorts in processes of their own, one a CPU core, behind the face of one cohort.

A step is many short operations, which threads share badly: they meet at every one of them.
Processes meet once an epoch. All cohorts of a team have the same number of lanes, so that a
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
    """Cohorts of equal width, one a worker, that advance together; a `Cohort` to its user."""

    def __init__(self, pipes: Sequence[Connection], plan: Plan, width: int):
        self._pipes = pipes
        self._where: dict[Hashable, int] = {}
        slots = width // plan.spec.n_replicates
        each = -(-slots // len(pipes)) * plan.spec.n_replicates
        # Fewer lanes than all need for one trial each: trials are trained in rounds.
        shapes = self._all("make", each or -(-width // len(pipes)))
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
        self._ask([place], "start", trial, setting)

    def stop(self, trial: Hashable) -> None:
        """Take a trial out of its slot."""
        self._ask([self._where.pop(trial)], "stop", trial)

    def advance(self) -> list[Report]:
        """Train one epoch everywhere; reports come in the order in which trials started."""
        busy = sorted(set(self._where.values()))
        reports = [report for part in self._ask(busy, "advance") for report in part]
        order = list(self._where)
        for report in reports:
            if report.ended:
                del self._where[report.trial]
        return sorted(reports, key=lambda report: order.index(report.trial))

    def _all(self, *call: Any) -> list[Any]:
        return self._ask(range(len(self._pipes)), *call)

    def _ask(self, places: Sequence[int], *call: Any) -> list[Any]:
        """Call a method of the cohorts at some places, at once; raise what one of them raised."""
        pipes = [self._pipes[place] for place in places]
        try:
            for pipe in pipes:
                pipe.send(call)
            answers = [pipe.recv() for pipe in pipes]  # of all, or the next call would read them
        except (EOFError, OSError) as error:
            raise SweepError(
                "training.workers: must live as long as the run, got one that is gone, perhaps"
                " killed for its memory. Run again to resume, or --set training.workers=1"
            ) from error
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


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
    while True:
        name, *args = pipe.recv()
        answer: Any = None
        try:
            if name == "make":
                cohort = None  # first: there may be no memory for both
                cohort = Cohort(plan.problem, plan.factory, plan.recipe, *args)
                answer = cohort.width, cohort.free
            else:
                answer = getattr(cohort, name)(*args)
        except Exception as error:
            answer = error
        pipe.send(answer)
