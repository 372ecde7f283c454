"""The states of the queue under any order of what users, supervisors and failures do."""

import tempfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sweep.service.claims import Claims, Ending, How, Limits, Run
from sweep.service.database import JOBS, Database
from sweep.service.events import Events, Kind
from sweep.service.job import (
    ENDED,
    LIVES,
    STATES,
    WAITS,
    FencedError,
    NameTakenError,
    QueueFullError,
    State,
    UnknownJobError,
    WrongStateError,
)
from sweep.service.jobs import Queue
from tests.support.queued import submission

NAMES = st.sampled_from(["a", "b", "c"])
HOWS: tuple[How, ...] = (
    "done", "timeout", "interrupted", "elsewhere", "unstarted", "lost", "refused", "crashed",
)  # fmt: skip
LIMITS = Limits(running=2, per_project=2)
NEXT = {  # what a study may become, at one step
    "queued": {"starting", "cancelled"},
    "starting": {"running", "waiting", "done", "failed", "cancelled"},
    "running": {"waiting", "done", "failed", "cancelled"},
    "waiting": {"queued", "cancelled"},
    "done": {"queued"},
    "failed": {"queued"},
    "cancelled": {"queued"},
}


class States(RuleBasedStateMachine):
    """Does anything to three studies, and looks after every step at what holds always."""

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database.open(f"sqlite:///{Path(self.folder.name)}/service.db")
        self.queue = Queue(self.database, most_queued=2)
        self.claims, self.events = Claims(self.database), Events(self.database)
        self.held: list[Run] = []  # all claims ever, those among them that are no longer good

    @rule(name=NAMES, n_trials=st.sampled_from([6, 7]), key=st.sampled_from([None, "k"]))
    def submit(self, name: str, n_trials: int, key: str | None) -> None:
        new = submission(name, n_trials, key=key and f"{name}-{n_trials}")
        there = [job for job in self.queue.list().items if job.study_name == name]
        try:
            job, created = self.queue.submit(new)
        except NameTakenError:
            assert there and there[0].n_trials != n_trials
        except QueueFullError:
            assert not there
        else:
            assert created == (not there)
            assert job.state == "queued" or not created

    @rule(name=NAMES)
    def cancel(self, name: str) -> None:
        self._try(lambda: self.queue.cancel("vision", name))

    @rule(name=NAMES)
    def resume(self, name: str) -> None:
        self._try(lambda: self.queue.resume("vision", name))

    @rule(name=NAMES, more=st.integers(-1, 2))
    def change(self, name: str, more: int) -> None:
        def change() -> None:
            n_trials = self.queue.find("vision", name).n_trials + more
            self.queue.change("vision", name, {"n_trials": n_trials})

        self._try(change)

    def _try(self, action: Any) -> None:
        with suppress(UnknownJobError, WrongStateError, QueueFullError):
            action()

    @rule()
    def claim(self) -> None:
        before = self.queue.counts()
        run = self.claims.claim(LIMITS)
        if run is None:
            alive = sum(one.alive for one in self.claims.runs())
            assert not before.get("queued") or alive >= LIMITS.running
        else:
            assert run.job.state == "starting"
            self.held.append(run)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(self.held))
        self._fenced(run, lambda: self.claims.begin(run.job.id, run.token), ("starting",))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(self.held))
        line: list[tuple[Kind, dict[str, str]]] = [("log", {"line": "x"})]
        self._fenced(run, lambda: self.claims.renew(run.job.id, run.token, line))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(HOWS))
    def settle(self, data: st.DataObject, how: How) -> None:
        run = data.draw(st.sampled_from(self.held))
        ending = Ending(how, n_trials=6)
        self._fenced(run, lambda: self.claims.settle(run.job.id, run.token, ending))

    def _fenced(self, run: Run, write: Any, states: tuple[State, ...] = LIVES) -> None:
        """Write about a run: it is refused where the claim is no longer the study's."""
        runs = self.claims.runs()
        good = any(one.token == run.token and one.job.state in states for one in runs)
        before = self.queue.list().items, self.events.since(run.job.id)
        try:
            write()
        except FencedError:
            assert not good
            assert before == (self.queue.list().items, self.events.since(run.job.id))
        else:
            assert good

    @rule()
    def lose_machines(self) -> None:
        """Let all claims expire, as those of another machine, and settle them."""
        with self.database.writing() as connection:
            gone = {"expires": 0.0, "host": "elsewhere"}
            connection.execute(JOBS.update().where(JOBS.c.token.is_not(None)).values(gone))
        for run in self.claims.runs():
            self.claims.settle(run.job.id, run.token, Ending("lost"))

    @rule()
    def wait(self) -> None:
        """Let the time come at which waiting studies are tried again."""
        with self.database.writing() as connection:
            connection.execute(JOBS.update().where(JOBS.c.due.is_not(None)).values(due=0.0))

    @invariant()
    def every_study_is_in_order(self) -> None:
        jobs = self.queue.list().items
        for job in jobs:
            assert job.state in STATES
            assert (job.ended is not None) == (job.state in ENDED)
            assert (job.due is not None) == (job.state == "waiting")
            assert not job.want or job.state in LIVES
            assert 0 <= job.attempts <= 4
            assert (self.queue.position(job) is not None) == (job.state == "queued")
        places = [self.queue.position(job) for job in jobs if job.state == "queued"]
        assert sorted(filter(None, places)) == [*range(1, len(places) + 1)]
        runs = self.claims.runs()
        assert {run.job.id for run in runs} == {job.id for job in jobs if job.state in LIVES}
        assert len({run.token for run in runs}) == len(runs) <= LIMITS.running

    @invariant()
    def every_step_was_allowed_and_told(self) -> None:
        for job in self.queue.list().items:
            told = [e.data["state"] for e in self.events.since(job.id) if e.kind == "state"]
            assert (told[0], told[-1]) == ("queued", job.state)
            assert all(after in NEXT[before] for before, after in pairwise(told))
            n_ends = sum(event.kind == "end" for event in self.events.since(job.id))
            assert n_ends == sum(state in ENDED for state in told)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self.folder.cleanup()


States.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    suppress_health_check=[*HealthCheck],
    phases=[Phase.generate],
)


class TestStates(States.TestCase):  # type: ignore[misc, valid-type]
    pass


def test_every_state_is_in_the_table() -> None:
    assert set(NEXT) == set(STATES) == {*WAITS, *LIVES, *ENDED}
