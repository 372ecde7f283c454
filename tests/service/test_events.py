"""What has happened to a study is read in order, from any event on, until it is deleted."""

import pytest

from sweep.service import events
from sweep.service.database import Database
from sweep.service.events import Events, EventsGoneError
from sweep.service.jobs import Queue
from tests.support.queued import submission


def _say(database: Database, job_id: str, *lines: str) -> None:
    with database.writing() as connection:
        events.append(connection, job_id, [("log", {"line": line}) for line in lines])


def test_events_follow_one_another_without_gap_or_repeat(database: Database) -> None:
    queue, log = Queue(database), Events(database)
    one, two = (queue.submit(submission(name))[0] for name in ("one", "two"))
    for number in range(5):
        _say(database, one.id, f"{number}a", f"{number}b")
        _say(database, two.id, "another's")
    seen, after = [], 0
    while found := log.since(one.id, after, limit=3):
        seen += found
        after = found[-1].id
    assert [event.kind for event in seen] == ["state", *["log"] * 10]
    lines = [event.data["line"] for event in seen[1:]]
    assert lines == [f"{number}{letter}" for number in range(5) for letter in "ab"]
    assert all(event.job_id == one.id and event.created > 1e9 for event in seen)


def test_who_missed_deleted_events_is_told(database: Database) -> None:
    queue, log = Queue(database), Events(database)
    job, other = (queue.submit(submission(name))[0] for name in ("one", "two"))
    _say(database, job.id, *"abcde")
    before = log.since(job.id)
    assert log.prune(keep=2) == 4
    kept = log.since(job.id)
    assert [event.data["line"] for event in kept] == ["d", "e"]
    assert log.since(job.id, before[-3].id) == kept  # had seen all that is gone
    with pytest.raises(EventsGoneError, match="were deleted"):
        log.since(job.id, before[-4].id)
    assert len(log.since(other.id)) == 1
    assert log.prune(keep=2) == 0


def test_the_id_of_a_deleted_event_never_comes_again(database: Database) -> None:
    job, _ = Queue(database).submit(submission())
    log = Events(database)
    _say(database, job.id, "a", "b")
    last = log.since(job.id)[-1].id
    log.prune(keep=0)
    _say(database, job.id, "c")
    assert [event.id > last for event in log.since(job.id)] == [True]
