"""What the first worker does: plan a study, fork the others, then train as they do."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle

import torch

from sweep.engines.cohorts import planned
from sweep.engines.server import Server, sendable
from sweep.plan.plan import Plan
from sweep.runtime import die_with_parent
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec


def lead(pipe: Connection, signals: Sequence[signal.Signals]) -> None:
    """Be the first worker: plan the study, send its outline, fork the other workers."""
    for number in signals:  # they are for the owner, who hangs up
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    torch.set_num_threads(1)
    with suppress(OSError):
        os.dup2(2, 1)  # what the user's own code prints: stdout is the owner's
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
        Server(plan, pipe).serve()
    finally:
        for pid in others:
            os.waitpid(pid, 0)


def _fork(plan: Plan, leader: Connection) -> int:
    """Fork another worker; the owner receives its pipe through that of the leader."""
    theirs, ours = Pipe()
    leading, pid = os.getpid(), os.fork()
    if not pid:
        try:
            die_with_parent(leading)
            leader.close()
            theirs.close()
            Server(plan, ours).serve()
        finally:
            os._exit(0)
    ours.close()
    with theirs:
        send_handle(leader, theirs.fileno(), os.getppid())
    os.set_blocking(leader.fileno(), True)  # as in `Processes`
    return pid


def _open_files() -> dict[int, tuple[int, int]]:
    """Return device and inode of every open descriptor but the standard three (Linux)."""
    found = {}
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):  # the one that was read by is closed again
            status = os.fstat(descriptor)
            found[descriptor] = status.st_dev, status.st_ino
    return {descriptor: file for descriptor, file in found.items() if descriptor > 2}
