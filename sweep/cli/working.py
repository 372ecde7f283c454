"""What `sweep jobs work` prints while the studies of a queue run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from sweep.cli.lines import one_line
from sweep.errors import SweepError
from sweep.service.job import ENDED, Job
from sweep.service.jobs import Queue
from sweep.service.supervisor import Supervisor


class Watcher:
    """Runs a supervisor, and prints a line for whatever becomes of a study meanwhile."""

    def __init__(self, queue: Queue, supervisor: Supervisor):
        self._queue, self._supervisor = queue, supervisor
        self._seen: dict[str, str] = {}
        self._trouble = ""

    def run(self, should_stop: Callable[[], bool], until_done: bool) -> int:
        """Mind the queue until told to stop; return how many studies have failed meanwhile.

        Args:
            should_stop: asked several times a second.
            until_done: end when no study waits or runs, too.
        """
        self._look(say=False)
        failed: set[str] = set()

        def is_over(pause_s: float) -> bool:
            changed = self._look()
            failed.update(job.id for job in changed if job.state == "failed")
            failed.difference_update(job.id for job in changed if job.state == "done")
            if until_done and not self._supervisor.trouble and not self._left():
                return True
            time.sleep(pause_s)
            return should_stop()

        self._supervisor.run(is_over)
        return len(failed)

    def _left(self) -> int:
        return sum(count for state, count in self._queue.counts().items() if state not in ENDED)

    def _look(self, say: bool = True) -> list[Job]:
        """Print what is new; return the studies that have another state."""
        if self._supervisor.trouble != self._trouble:
            self._trouble = self._supervisor.trouble
            print(one_line(self._trouble or "the queue answers again"), file=sys.stderr)
        try:
            found = self._queue.list(limit=1000).items
        except SweepError:  # which the supervisor has met too
            return []
        changed = [job for job in reversed(found) if self._seen.get(job.id) != job.state]
        self._seen = {job.id: job.state for job in found}
        for job in changed if say else []:
            print(one_line(f"{job.study_name}: {_state(job)}"), flush=True)
        return changed


def _state(job: Job) -> str:
    if job.state == "running" and job.attempts > 1:
        return f"running, attempt {job.attempts}"
    told = job.message and job.state in ("waiting", "failed")
    return f"{job.state}: {job.message}" if told else job.state
