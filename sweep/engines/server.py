"""What a worker does for its owner: it trains the trials that are started, and answers."""

from __future__ import annotations

import pickle
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

from sweep.engines.cohorts import make_cohort
from sweep.engines.messages import Answer, Epochs, Made, Make, Message, Start, Stop, Train
from sweep.plan.plan import Plan
from sweep.training.cohort import Cohort

REPORT_S = 0.05  # how long a report may wait for others, where no pruner waits for it


class Server:
    """Trains one cohort at a time for the owner at the other end of a pipe.

    It reads the pipe before every epoch, and waits for it while there is nothing to train.

    Args:
        plan: of the study.
        pipe: messages come out of it, answers go in.
    """

    def __init__(self, plan: Plan, pipe: Connection):
        self._plan, self._pipe = plan, pipe
        self._patience = 0.0 if plan.spec.search.pruner.type != "none" else REPORT_S
        self._cohort: Cohort | None = None
        self._team = 0
        self._training = False
        self._told: Epochs = []  # that the owner has yet to hear of
        self._sent = time.monotonic()

    def serve(self) -> None:
        """Do what the owner asks until it hangs up."""
        with suppress(_HungUp):
            while True:
                self._take_turn()

    def _take_turn(self) -> None:
        """Obey all messages that have come, and train an epoch. An error is sent as an answer."""
        try:
            while not self._training or self._is_asked():
                self._obey(self._hear())
            self._train()
        except _HungUp:
            raise
        except Exception as error:
            self._training = False
            self._tell()
            self._answer(sendable(error))

    def _obey(self, message: Message) -> None:
        if isinstance(message, Make):
            self._make(message)
            return
        assert self._cohort, "a cohort is made first"
        match message:
            case Start(trial, setting):
                self._cohort.start(trial, setting)
            case Stop(trial) if trial in self._cohort.trials:
                self._cohort.stop(trial)
            case Train():
                self._training = True
        self._training = self._training and bool(self._cohort.trials)

    def _make(self, message: Make) -> None:
        self._cohort = None  # there may be no memory for both
        self._team, self._training, self._told = message.team, False, []
        self._cohort = make_cohort(self._plan, message.width, message.partition)
        self._answer(Made(self._cohort.width, self._cohort.n_slots))

    def _train(self) -> None:
        """Train an epoch, and send its reports if it is time."""
        assert self._cohort
        reports = self._cohort.advance()
        self._told.append(reports)
        self._training = not any(report.ended for report in reports)
        if not self._training or time.monotonic() - self._sent > self._patience:
            self._tell()

    def _tell(self) -> None:
        if self._told:
            self._answer(self._told)
            self._told, self._sent = [], time.monotonic()

    def _is_asked(self) -> bool:
        with _ours():
            return self._pipe.poll()

    def _hear(self) -> Message:
        with _ours():
            message: Message = self._pipe.recv()
        return message

    def _answer(self, content: Made | Epochs | Exception) -> None:
        with _ours():
            self._pipe.send(Answer(self._team, content))


def sendable(error: Exception) -> Exception:
    """Return an exception that another process can read; a note says where it was raised."""
    try:
        read: Exception = pickle.loads(pickle.dumps(error))
    except Exception:
        read = RuntimeError(f"{type(error).__name__}: {error}")
    read.add_note("".join(traceback.format_exception(error)).rstrip())
    return read


class _HungUp(Exception):
    """The owner has closed its end of the pipe, or is gone."""


@contextmanager
def _ours() -> Iterator[None]:
    """Tell the pipe's errors from those of the user's own code."""
    try:
        yield
    except (EOFError, OSError) as error:
        raise _HungUp from error
