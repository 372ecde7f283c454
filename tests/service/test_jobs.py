"""The queue as its users see it, on SQLite and on PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sweep.errors import UsageError
from sweep.service import rows
from sweep.service.database import JOBS, Database
from sweep.service.events import Events
from sweep.service.job import (
    Job,
    KeyReusedError,
    NameTakenError,
    QueueFullError,
    Submission,
    UnknownJobError,
    WrongStateError,
    uuid7,
)
from sweep.service.jobs import Queue
from tests.support.queued import submission

OPEN = 'study_name: open\ndata: {source: "sklearn:iris"}\n'  # a file that leaves its search open


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


def put(queue: Queue, name: str = "one", **options: Any) -> Job:
    return queue.submit(submission(name, **options))[0]


def test_a_study_is_queued_and_found(queue: Queue) -> None:
    job, created = queue.submit(submission())
    assert created
    assert queue.find("vision", "one") == job
    assert (job.state, job.attempts, job.n_trials, job.priority) == ("queued", 0, 6, 0)
    assert job.spec == submission().spec
    told = Events(queue.database).since(job.id)
    assert [(event.kind, event.data["state"]) for event in told] == [("state", "queued")]


def test_another_project_does_not_see_it(queue: Queue) -> None:
    put(queue)
    with pytest.raises(UnknownJobError, match="no such study"):
        queue.find("speech", "one")
    assert queue.list("speech").items == []
    assert put(queue, project="speech").project == "speech"  # the name is free there


def test_a_repeated_key_is_the_same_study(queue: Queue) -> None:
    job, _ = queue.submit(submission(key="k"))
    assert queue.submit(submission(key="k")) == (job, False)


def test_raced_submissions_of_one_key_are_one_study(queue: Queue) -> None:
    barrier = threading.Barrier(12)

    def submit(_: int) -> tuple[str, bool]:
        barrier.wait()
        job, created = queue.submit(submission(key="k"))
        return job.id, created

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(submit, range(12)))
    assert len({job_id for job_id, _ in found}) == 1
    assert sum(created for _, created in found) == 1
    assert len(queue.list("vision").items) == 1


def test_a_key_of_another_study_is_refused(queue: Queue) -> None:
    put(queue, key="k")
    with pytest.raises(KeyReusedError, match="came with the study one"):
        put(queue, "two", key="k")
    assert put(queue, "two", key="k", owner="bob").owner == "bob"


def test_the_same_study_without_a_key_is_not_queued_again(queue: Queue) -> None:
    job = put(queue)
    assert queue.submit(submission(owner="bob")) == (job, False)


def test_a_taken_name_says_what_differs(queue: Queue) -> None:
    put(queue)
    with pytest.raises(NameTakenError, match=r"search.n_trials was 6, is 9") as caught:
        put(queue, n_trials=9)
    assert caught.value.differences == [("search.n_trials", 6, 9)]


def of_an_earlier_version(queue: Queue, text: str, n_trials: int) -> Job:
    """Queue a study whose file leaves its trials open, as many as a version took for that."""
    job, _ = queue.submit(Submission.read("vision", "alice", text))
    with queue.database.writing() as connection:
        connection.execute(JOBS.update().where(JOBS.c.id == job.id).values(n_trials=n_trials))
    return queue.find("vision", job.study_name)


def test_a_study_has_the_trials_that_auto_was_when_it_was_submitted(queue: Queue) -> None:
    """Its run would otherwise end with fewer than are wanted, and begin again without end."""
    job = of_an_earlier_version(queue, OPEN, 48)
    assert job.spec.search.n_trials == job.changed({"device": "cpu"}).search.n_trials == 48
    assert not job.spec.search.is_given("sampler")  # so a stored study goes on with its own


def test_auto_is_as_many_trials_as_the_study_there_has(queue: Queue) -> None:
    job = of_an_earlier_version(queue, OPEN, 48)
    assert queue.submit(Submission.read("vision", "bob", OPEN)) == (job, False)
    with pytest.raises(NameTakenError, match=r"search.n_trials was 48, is 13"):
        queue.submit(Submission.read("vision", "bob", f"{OPEN}search: {{n_trials: 13}}"))


def test_a_change_leaves_open_what_a_file_leaves_open(queue: Queue) -> None:
    queue.submit(Submission.read("vision", "alice", OPEN))
    changed = queue.change("vision", "open", {"n_trials": 20}).spec.search
    assert (changed.n_trials, changed.sampler.type) == (20, "design")
    assert not changed.is_given("sampler")


def test_a_full_queue_takes_no_more_of_its_project(database: Database) -> None:
    queue = Queue(database, most_queued=2)
    put(queue), put(queue, "two")
    with pytest.raises(QueueFullError, match="at most 2"):
        put(queue, "three")
    assert put(queue)  # what is there already is no more
    put(queue, "three", project="speech")
    queue.cancel("vision", "two")
    put(queue, "three")


def test_a_list_comes_in_pages_the_newest_first(queue: Queue) -> None:
    for name in ("a1", "b1", "a2", "a3"):
        put(queue, name)
    queue.cancel("vision", "a2")
    first = queue.list("vision", prefix="a", limit=2)
    assert [job.study_name for job in first.items] == ["a3", "a2"]
    second = queue.list("vision", prefix="a", limit=2, cursor=first.next)
    assert [job.study_name for job in second.items] == ["a1"]
    assert second.next is None
    assert [job.study_name for job in queue.list(states=["cancelled"]).items] == ["a2"]
    assert queue.counts("vision") == {"queued": 3, "cancelled": 1}
    with pytest.raises(UsageError, match="cursor"):
        queue.list("vision", cursor="x")


def test_a_prefix_is_taken_literally(queue: Queue) -> None:
    put(queue, "a_b"), put(queue, "axb")
    assert [job.study_name for job in queue.list("vision", prefix="a_").items] == ["a_b"]


def test_a_position_counts_what_goes_first(queue: Queue) -> None:
    jobs = [put(queue, "a"), put(queue, "b"), put(queue, "c", priority=5)]
    assert [queue.position(job) for job in jobs] == [2, 3, 1]
    cancelled, _ = queue.cancel("vision", "a")
    assert queue.position(cancelled) is None
    assert queue.position(queue.find("vision", "b")) == 2


def test_a_queued_study_is_cancelled_at_once_and_resumed(queue: Queue) -> None:
    put(queue)
    job, new = queue.cancel("vision", "one")
    assert (job.state, new) == ("cancelled", True)
    assert queue.cancel("vision", "one") == (job, False)
    again, new = queue.resume("vision", "one")
    assert (again.state, again.ended, new) == ("queued", None, True)
    assert queue.resume("vision", "one") == (again, False)
    kinds = [(e.kind, e.data["state"]) for e in Events(queue.database).since(job.id)]
    assert kinds == [
        ("state", "queued"), ("state", "cancelled"), ("end", "cancelled"), ("state", "queued"),
    ]  # fmt: skip


def test_changes_hold_for_the_next_run(queue: Queue) -> None:
    put(queue)
    changes = {"n_trials": 9, "timeout_s": 60.0, "selection": "1se", "priority": 3}
    job = queue.change("vision", "one", changes)
    assert (job.n_trials, job.timeout_s, job.priority) == (9, 60.0, 3)
    assert (job.spec.search.n_trials, job.spec.selection) == (9, "1se")
    assert job.body == submission().body
    assert job.spec_hash == job.spec.spec_hash


def test_more_trials_queue_a_study_that_has_ended(queue: Queue) -> None:
    put(queue)
    queue.cancel("vision", "one")
    assert queue.change("vision", "one", {"n_trials": 4}).state == "cancelled"
    assert queue.change("vision", "one", {"n_trials": 5}).state == "queued"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"seed": 1}, "seed: may not change"),
        ({"n_trial": 1}, "Did you mean n_trials?"),
        ({"n_trials": 0}, "search.n_trials: must be"),
        ({"n_trials": "7"}, "search.n_trials: must be"),
        ({"timeout_s": -1}, "search.timeout_s: must be"),
        ({"selection": "worst"}, "selection: must be"),
        ({"priority": 101}, "priority: must be"),
        ({"priority": True}, "priority: must be"),
        ({"priority": "1"}, "priority: must be"),
    ],
)
def test_a_change_against_the_rules_changes_nothing(
    sqlite_database: Database, changes: dict[str, Any], line: str
) -> None:
    queue = Queue(sqlite_database)
    job = put(queue)
    with pytest.raises(UsageError) as caught:
        queue.change("vision", "one", changes)
    assert line in str(caught.value) and "\n" not in str(caught.value)
    assert queue.find("vision", "one") == job


@pytest.mark.parametrize("verb", ["cancel", "resume"])
def test_what_is_not_there_cannot_be_changed(sqlite_database: Database, verb: str) -> None:
    queue = Queue(sqlite_database)
    with pytest.raises(UnknownJobError, match="one"):
        getattr(queue, verb)("vision", "one")
    with pytest.raises(UnknownJobError, match="one"):
        queue.change("vision", "one", {"priority": 1})


def test_a_submission_that_is_no_study_is_refused() -> None:
    for body, line in (("a: [", "valid YAML"), ("- 1", "keys and values"), ("x: 1", "x: unknown")):
        with pytest.raises(UsageError, match=line):
            submission().read("vision", "alice", body)


def test_ids_sort_by_the_time_they_were_made_at() -> None:
    ids = [uuid7() for _ in range(3)]
    assert all(one[14] == "7" and one[19] in "89ab" for one in ids)
    assert ids[0][:13] <= ids[1][:13] <= ids[2][:13]


def test_a_state_in_which_it_makes_no_sense_is_named(queue: Queue) -> None:
    job = put(queue)
    with queue.database.writing() as connection:
        rows.end(connection, job, "done", ending="done")
    with pytest.raises(WrongStateError, match="which is done"):
        queue.cancel("vision", "one")
    with pytest.raises(WrongStateError, match="a larger n_trials"):
        queue.resume("vision", "one")
    assert queue.change("vision", "one", {"n_trials": 7}).state == "queued"
