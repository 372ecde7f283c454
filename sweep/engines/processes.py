"""The engine of forked worker processes, one a CPU core, which are reached through pipes.

The owner of the run does not import torch: the first worker makes the plan and forks the others
while the owner imports what else it needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import Any

from sweep.engines.fork import Leader
from sweep.engines.messages import Answer, Message
from sweep.engines.team import Team
from sweep.errors import SweepError
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec


class Worker:
    """A worker at the other end of a pipe; keeps the protocol of a team's `Member`."""

    def __init__(self, pipe: Connection):
        self._pipe = pipe

    def send(self, message: Message) -> None:
        """Say something."""
        with _alive():
            self._pipe.send(message)

    def receive(self) -> Answer:
        """Wait for the next answer."""
        with _alive():
            answer: Answer = self._pipe.recv()
        return answer


class Processes:
    """Workers that plan and train a study; keeps the protocol of an `Engine`.

    Args:
        spec: the study.
        leader: the first worker, which waits for it; ended by `end`.
    """

    def __init__(self, spec: StudySpec, leader: Leader):
        self._spec, self._leader = spec, leader
        self._pipes = [leader.pipe]
        self._outline: Outline | None = None

    def begin(self) -> None:
        """Tell the first worker to plan the study, while this process goes on.

        Raises:
            SweepError: the first worker has ended.
        """
        with _alive():
            self._leader.pipe.send(self._spec)

    def resolve(self) -> Outline:
        """Wait for the plan and for the other workers."""
        if self._outline is None:
            outline = self._hear_outline()
            for _ in range(outline.workers - 1):
                self._pipes.append(self._meet())
            self._outline = outline
        return self._outline

    def cohort(self, width: int, partition: int = 0) -> Team:
        """Make a team of all workers."""
        workers = [Worker(pipe) for pipe in self._pipes]
        return Team(workers, self._spec.n_replicates, width, partition)

    def facts(self) -> dict[str, Any]:
        """Say nothing: only this machine trains."""
        return {}

    def dismiss(self) -> None:
        """Close the pipes, upon which the workers end; do not wait for them."""
        for pipe in self._pipes:
            pipe.close()

    def end(self) -> None:
        """Close the pipes, and wait until the workers have ended."""
        self.dismiss()
        # Planning may take long at what the user has it read.
        self._leader.end(at_once=self._outline is None)

    def _hear_outline(self) -> Outline:
        with _alive():
            answer: Outline | Exception = self._leader.pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _meet(self) -> Connection:
        """Receive the pipe of another worker through that of the leader."""
        with _alive():
            pipe = Connection(recv_handle(self._leader.pipe))
            # Which a default timeout of the user's for sockets changes, here and in `worker`.
            os.set_blocking(self._leader.pipe.fileno(), True)
        return pipe


@contextmanager
def _alive() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        raise SweepError(
            "training.workers: must live as long as the run, got one that is gone, perhaps"
            " killed for its memory. Run again to resume, or --set training.workers=1"
        ) from error
