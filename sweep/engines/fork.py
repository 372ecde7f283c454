"""The first worker of a run, forked early: it imports torch while this process does other work.

Fork it before anything else: a fork copies no threads and keeps all open files open.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NoReturn

from sweep.runtime import INTERRUPTS, die_with_parent, importing


class Leader:
    """A forked process that waits for a study at the other end of `pipe`."""

    def __init__(self) -> None:
        self.pipe, theirs = Pipe()
        self._pid, owner = 0, os.getpid()
        sys.stdout.flush()  # or the other would print it once more
        # Until the child has handlers of its own.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        try:
            try:
                self._pid = os.fork()
                if not self._pid:
                    self.pipe.close()
                    _be_a_worker(theirs, owner)
            finally:
                theirs.close()
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        except BaseException:  # such as the interrupt that was held back
            self.end(at_once=True)
            raise

    def end(self, *, at_once: bool) -> None:
        """Wait until it ends, which it does when its pipe is closed; or kill it."""
        self.pipe.close()
        if self._pid:
            if at_once:
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


@contextmanager
def leading(wanted: bool) -> Iterator[Leader | None]:
    """Fork a leader for the time of the block, if one is wanted and there are cores for it."""
    leader = Leader() if wanted and cores() > 1 else None
    try:
        yield leader
    finally:
        if leader:
            leader.end(at_once=True)


def cores() -> int:
    """Return for how many cores workers may be forked, as far as can be told without torch."""
    torch = sys.modules.get("torch")
    if sys.platform != "linux" or (torch and torch.cuda.is_available()):
        return 0  # CUDA does not survive a fork
    return len(os.sched_getaffinity(0))


def _be_a_worker(pipe: Connection, owner: int) -> NoReturn:
    try:
        die_with_parent(owner)
        with importing():
            from sweep.engines.worker import lead

        lead(pipe, INTERRUPTS)
    except (EOFError, ConnectionError):  # the owner is gone, which is nothing to tell of
        pass
    except Exception:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)  # what was inherited is not tidied up here
