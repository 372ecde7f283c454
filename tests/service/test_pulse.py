"""What a running study tells the queue, also when the queue does not listen for a while."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from sweep.runner.progress import Progress
from sweep.service import pulse as beats
from sweep.service.claims import Claims, Ending, Limits, Pace, Run
from sweep.service.database import Database, DatabaseAwayError
from sweep.service.events import Event, Events
from sweep.service.jobs import Queue
from sweep.service.pulse import Pulse
from tests.support.queued import submission

SOME = Progress(1, 6, 0.2, None, "alpha", (1e-4, 1.0), [(0.1, 0.5)])
MORE = replace(SOME, n_results=3, curve=[(0.1, 0.5), (0.01, 0.25), (0.1, 0.5)])


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "BEAT_S", 0.01)


@pytest.fixture
def claims(sqlite_database: Database) -> Claims:
    return Claims(sqlite_database, Pace(life_s=0.3))


@pytest.fixture
def run(claims: Claims) -> Run:
    Queue(claims.database).submit(submission())
    run = claims.claim(Limits())
    assert run is not None
    claims.begin(run.job.id, run.token)
    return run


def until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def told(claims: Claims, run: Run, *kinds: str) -> list[Event]:
    return [e for e in Events(claims.database).since(run.job.id) if e.kind in kinds]


def test_progress_trials_and_lines_are_told_once(claims: Claims, run: Run) -> None:
    pulse = Pulse(claims, run.job, run.token)
    with pulse.beating():
        pulse.say("a note")
        pulse.hear(SOME)
        until(lambda: len(told(claims, run, "progress")) == 1)
        pulse.hear(MORE)
        until(lambda: len(told(claims, run, "progress")) == 2)
    assert pulse.untold() == []
    assert [event.data["line"] for event in told(claims, run, "log")] == ["a note"]
    points = [(event.data["at"], event.data["value"]) for event in told(claims, run, "trial")]
    assert points == MORE.curve
    job = Queue(claims.database).find("vision", "one")
    assert job.progress is not None and job.progress["n_results"] == 3


def test_a_later_run_tells_no_trial_again(claims: Claims, run: Run) -> None:
    first = Pulse(claims, run.job, run.token)
    first.hear(SOME)
    with first.beating():
        until(lambda: bool(told(claims, run, "progress")))
    second = Pulse(claims, run.job, run.token)
    second.hear(replace(MORE, curve=MORE.curve[::-1]))  # as the storage orders them
    trials = [data for kind, data in second.untold() if kind == "trial"]
    assert trials == [{"at": 0.01, "value": 0.25}, {"at": 0.1, "value": 0.5}]


def test_what_the_database_missed_is_told_later(
    claims: Claims, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = [True]
    renew = Claims.renew

    def renew_or_not(self: Claims, *args: object) -> str:
        if away[0]:
            raise DatabaseAwayError("away")
        return renew(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Claims, "renew", renew_or_not)
    pulse = Pulse(claims, run.job, run.token)
    with pulse.beating():
        pulse.hear(SOME)
        pulse.say("a note")
        time.sleep(0.1)
        pulse.hear(MORE)
        away[0] = False
        until(lambda: bool(told(claims, run, "progress")))
    assert len(told(claims, run, "trial")) == 3
    assert len(told(claims, run, "log")) == 1
    assert not pulse.should_stop


def test_a_claim_is_renewed_though_nothing_happens(claims: Claims, run: Run) -> None:
    pulse = Pulse(claims, run.job, run.token)
    with pulse.beating():
        time.sleep(0.6)  # twice as long as it holds
        assert claims.runs()[0].alive


def test_a_run_stops_when_that_is_asked_for(claims: Claims, run: Run) -> None:
    pulse = Pulse(claims, run.job, run.token)
    with pulse.beating():
        Queue(claims.database).cancel("vision", "one")
        until(lambda: pulse.should_stop)
    assert not pulse.fenced


def test_a_run_whose_claim_is_gone_stops_and_tells_nothing(claims: Claims, run: Run) -> None:
    pulse = Pulse(claims, run.job, run.token)
    with pulse.beating():
        claims.settle(run.job.id, run.token, Ending("lost"))
        pulse.hear(SOME)
        until(lambda: pulse.fenced)
    assert pulse.should_stop
    assert told(claims, run, "progress", "trial") == []
