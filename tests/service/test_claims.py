"""Claims on studies: who may run them, how many at a time, and what comes of a run."""

from typing import Any

import pytest
from sqlalchemy import text

from sweep.service.claims import Claims, Ending, How, Limits, Pace, Run, after
from sweep.service.database import JOBS, Database
from sweep.service.events import Events
from sweep.service.job import FencedError, Job, State
from sweep.service.jobs import Queue
from tests.support.queued import submission

MANY = Limits(running=10, per_project=10)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


@pytest.fixture
def claims(database: Database) -> Claims:
    return Claims(database)


def put(queue: Queue, *names: str, **options: Any) -> None:
    for name in names:
        queue.submit(submission(name, **options))


def taken(claims: Claims, limits: Limits = MANY) -> Run:
    run = claims.claim(limits)
    assert run is not None
    return run


def expire(database: Database, **columns: Any) -> None:
    """Let all claims expire, of processes on another machine."""
    with database.writing() as connection:
        gone = {"expires": 0.0, "host": "elsewhere", **columns}
        connection.execute(JOBS.update().values(gone))


def test_studies_are_claimed_by_priority_then_in_their_order(queue: Queue, claims: Claims) -> None:
    put(queue, "a", "b")
    put(queue, "c", priority=1)
    assert [taken(claims).job.study_name for _ in range(3)] == ["c", "a", "b"]
    assert claims.claim(MANY) is None


def test_a_claimed_study_begins_and_ends(queue: Queue, claims: Claims) -> None:
    put(queue, "a")
    run = taken(claims)
    assert (run.job.state, run.job.attempts, run.alive) == ("starting", 1, True)
    job = claims.begin(run.job.id, run.token)
    assert job.state == "running" and job.begun is not None
    happened = [("trial", {"at": 0.1, "value": 1.5}), ("progress", {"n_results": 1})]
    assert claims.renew(job.id, run.token, happened) == ""  # type: ignore[arg-type]
    assert queue.find("vision", "a").progress == {"n_results": 1}
    done = claims.settle(job.id, run.token, Ending("done", n_trials=6))
    assert (done.state, done.ending, done.ended is None) == ("done", "done", False)
    kinds = [event.kind for event in Events(queue.database).since(job.id)]
    assert kinds == ["state", "state", "state", "trial", "progress", "state", "end"]
    assert claims.runs() == []


def test_no_more_run_than_there_is_room_for(queue: Queue, claims: Claims) -> None:
    put(queue, "a", "b", "c")
    put(queue, "d", project="speech")
    limits = Limits(running=2, per_project=1)
    assert taken(claims, limits).job.study_name == "a"
    assert taken(claims, limits).job.study_name == "d"  # overtakes those of a full project
    assert claims.claim(limits) is None
    assert claims.claim(Limits(running=2, per_project=2)) is None
    assert taken(claims, Limits(running=3, per_project=2)).job.study_name == "b"


def test_a_claim_that_has_expired_takes_no_room(queue: Queue, claims: Claims) -> None:
    put(queue, "a", "b")
    taken(claims, Limits(1, 1))
    assert claims.claim(Limits(1, 1)) is None
    expire(queue.database, pid=1)
    assert taken(claims, Limits(1, 1)).job.study_name == "b"


def test_who_lost_the_claim_writes_nothing(queue: Queue, claims: Claims) -> None:
    put(queue, "a")
    old = taken(claims)
    claims.settle(old.job.id, old.token, Ending("lost"))
    new = taken(claims)
    before, seen = queue.find("vision", "a"), Events(queue.database).since(old.job.id)
    for write in (
        lambda: claims.begin(old.job.id, old.token),
        lambda: claims.renew(old.job.id, old.token, [("log", {"line": "x"})]),
        lambda: claims.settle(old.job.id, old.token, Ending("done")),
        lambda: claims.stop(old, "too long"),
    ):
        with pytest.raises(FencedError):
            write()
    assert queue.find("vision", "a") == before
    assert Events(queue.database).since(old.job.id) == seen
    assert claims.begin(new.job.id, new.token).attempts == 1


def test_a_running_study_is_asked_to_stop_and_then_cancelled(queue: Queue, claims: Claims) -> None:
    put(queue, "a")
    run = taken(claims)
    claims.begin(run.job.id, run.token)
    job, new = queue.cancel("vision", "a")
    assert (job.state, job.stopping, new) == ("running", True, True)
    assert queue.cancel("vision", "a") == (job, False)
    assert claims.renew(run.job.id, run.token) == "cancel"
    assert claims.runs()[0].asked_s is not None
    job = claims.settle(run.job.id, run.token, Ending("interrupted"))
    assert (job.state, job.stopping) == ("cancelled", False)
    assert queue.resume("vision", "a")[0].attempts == 0


def test_an_abandoned_study_is_cancelled_at_once(queue: Queue, claims: Claims) -> None:
    put(queue, "a")
    run = taken(claims)
    expire(queue.database)
    assert queue.cancel("vision", "a")[0].state == "cancelled"
    with pytest.raises(FencedError):
        claims.begin(run.job.id, run.token)


def test_a_waiting_study_is_queued_when_it_is_due(queue: Queue, claims: Claims) -> None:
    put(queue, "a")
    run = taken(claims)
    assert claims.settle(run.job.id, run.token, Ending("crashed")).state == "waiting"
    assert claims.claim(MANY) is None
    with queue.database.writing() as connection:
        connection.execute(text("UPDATE sweep_jobs SET due = due - 10"))
    again = taken(claims)
    assert again.job.attempts == 2
    states = [event.data["state"] for event in Events(queue.database).since(run.job.id)]
    assert states == ["queued", "starting", "waiting", "queued", "starting"]


def test_trials_asked_for_during_the_run_are_run_next(queue: Queue, claims: Claims) -> None:
    put(queue, "a")
    run = taken(claims)
    claims.begin(run.job.id, run.token)
    queue.change("vision", "a", {"n_trials": 9})
    assert claims.settle(run.job.id, run.token, Ending("done", n_trials=6)).state == "waiting"
    run = taken(claims)
    assert claims.settle(run.job.id, run.token, Ending("done", n_trials=9)).state == "done"


PACE = Pace(retry_s=10.0, retries=3)


@pytest.mark.parametrize(
    ("how", "attempts", "want", "state", "due_s"),
    [
        ("done", 1, "", "done", 0),
        ("done", 1, "cancel", "done", 0),
        ("timeout", 1, "", "done", 0),
        ("interrupted", 1, "", "waiting", 10),
        ("interrupted", 1, "cancel", "cancelled", 0),
        ("interrupted", 1, "fail", "failed", 0),
        ("elsewhere", 9, "", "waiting", 10),
        ("unstarted", 9, "", "waiting", 10),
        ("lost", 9, "", "waiting", 0),
        ("refused", 1, "", "failed", 0),
        ("refused", 1, "cancel", "cancelled", 0),
        ("crashed", 1, "", "waiting", 10),
        ("crashed", 2, "", "waiting", 40),
        ("crashed", 3, "", "waiting", 160),
        ("crashed", 4, "", "failed", 0),
        ("crashed", 1, "cancel", "cancelled", 0),
    ],
)
def test_what_comes_of_a_run(
    sqlite_database: Database, how: How, attempts: int, want: str, state: State, due_s: float
) -> None:
    queue = Queue(sqlite_database)
    put(queue, "a")
    job = Job(**{**vars(queue.find("vision", "a")), "attempts": attempts, "want": want})
    assert after(job, Ending(how, n_trials=6), PACE) == (state, due_s)
