"""What a worker does: plan a study, fork the others, train what the owner starts."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import Any

import torch

from sweep.plan.plan import Plan, make_plan
from sweep.runtime import die_with_parent, keep_freed_memory, use_full_precision, use_one_thread
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec
from sweep.training.cohort import Cohort
from sweep.training.messages import Report

REPORT_S = 0.05  # how long a report may wait for others, where no pruner waits for it


def planned(spec: StudySpec) -> Plan:
    """Make the plan, in a process that is going to train.

    Raises:
        UsageError: see `make_plan`.
    """
    use_one_thread()
    use_full_precision()
    keep_freed_memory()
    return make_plan(spec)


def make_cohort(plan: Plan, width: int) -> Cohort:
    """Make a cohort of so many lanes, with what is left of a former one's memory."""
    if torch.cuda.is_available():
        gc.collect()  # compiled steps are held in cycles
        torch.cuda.empty_cache()
    return Cohort(plan.problem, plan.factory, plan.recipe, width)


def lead(pipe: Connection, signals: Sequence[signal.Signals]) -> None:
    """Be the first worker: plan the study that comes, tell its outline, fork the others."""
    for number in signals:  # they are for the owner, who hangs up
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    torch.set_num_threads(1)
    inherited = _open_files()
    try:
        spec: StudySpec = pipe.recv()
    except EOFError:  # there is none
        return
    answer: Outline | Exception
    try:
        plan = planned(spec)
        answer = plan.outline
    except Exception as error:
        answer = sendable(error)
    sys.stdout.flush()  # what the user's own code has said
    # The owner's sockets and pipes would outlive it here: not closed before, since the user's code
    # may read them, nor with what planning has opened, such as a GPU.
    for descriptor, file in _open_files().items():
        if inherited.get(descriptor) == file and descriptor != pipe.fileno():
            os.close(descriptor)
    pipe.send(answer)
    if isinstance(answer, Exception):
        return
    others = [_fork(plan, pipe) for _ in range(1, plan.workers)]
    try:
        _serve(plan, pipe)
    finally:
        for pid in others:
            os.waitpid(pid, 0)


def _fork(plan: Plan, leader: Connection) -> int:
    """Fork another worker, whose pipe the owner gets through the leader's."""
    theirs, ours = Pipe()
    leading, pid = os.getpid(), os.fork()
    if not pid:
        try:
            die_with_parent(leading)
            leader.close()
            theirs.close()
            _serve(plan, ours)
        finally:
            os._exit(0)
    ours.close()
    with theirs:
        send_handle(leader, theirs.fileno(), os.getppid())
    os.set_blocking(leader.fileno(), True)  # as in `Crew`
    return pid


def sendable(error: Exception) -> Exception:
    """Return the exception as another process can read it, with a note of where it was raised."""
    try:
        read: Exception = pickle.loads(pickle.dumps(error))
    except Exception:
        read = RuntimeError(f"{type(error).__name__}: {error}")
    read.add_note("".join(traceback.format_exception(error)).rstrip())
    return read


def _open_files() -> dict[int, tuple[int, int]]:
    """Return what every descriptor but the standard ones stands for: device and inode (Linux)."""
    found = {}
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):  # the one that was read by is closed again
            status = os.fstat(descriptor)
            found[descriptor] = status.st_dev, status.st_ino
    return {descriptor: file for descriptor, file in found.items() if descriptor > 2}


def _serve(plan: Plan, pipe: Connection) -> None:
    """Do what the owner asks until it hangs up."""
    with suppress(EOFError, OSError):
        _answer(plan, pipe)


def _answer(plan: Plan, pipe: Connection) -> None:
    """Answer with the number of the team that asked: it may have made way for another."""
    cohort: Any = None
    number, training = 0, False
    told: list[list[Report]] = []  # of epochs that the owner has yet to hear of
    patience = 0.0 if plan.spec.search.pruner.type != "none" else REPORT_S
    sent = time.monotonic()
    while True:
        try:
            while not training or pipe.poll():
                name, *args = pipe.recv()
                if name == "make":
                    cohort, training, told = None, False, []  # there may be no memory for both
                    number, width = args
                    cohort = make_cohort(plan, width)
                    pipe.send((number, (cohort.width, cohort.free)))
                elif name == "start":
                    cohort.start(*args)
                elif name == "stop" and args[0] in cohort.trials:  # else it has ended meanwhile
                    cohort.stop(*args)
                training = bool(cohort.trials) and (training or name == "train")
            told.append(cohort.advance())
            training = not any(report.ended for report in told[-1])
            if not training or time.monotonic() - sent > patience:
                pipe.send((number, told))
                told, sent = [], time.monotonic()
        except (EOFError, OSError):
            raise
        except Exception as error:
            if told:
                pipe.send((number, told))
            training, told = False, []
            pipe.send((number, sendable(error)))
