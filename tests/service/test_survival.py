"""What is promised when a study's process, its supervisor, the database or the disk fails.

All with real processes, which are killed, stopped and started again.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sweep
from sweep.storage.process import Process
from tests.support import postgres
from tests.support.queued import BODY
from tests.support.work import OVERRIDES, Stage, table

pytestmark = pytest.mark.slow

# Ten seconds of training, of which the trials of a killed run are a part.
LONG = """\
study_name: long
data: {source: "sklearn:digits", scale: none, train_rows: 300, label_noise: 0.2}
model: {hidden: [32]}
training: {lr: 2e-2, batch_size: 10, epochs: 100}
search: {n_trials: 12, in_flight: 3, sampler: {type: tpe}}
replicates: {n_folds: 3}
"""
OWN = """\
study_name: {name}
data: {{source: "sklearn:iris", train_rows: 60}}
model: {{source: "python:own:{function}"}}
training: {{epochs: 2, batch_size: 20}}
search: {{n_trials: 3, {search}space: {{alpha: {{low: 1e-4, high: 1e-1}}}}}}
replicates: {{n_folds: 3}}
"""
MODELS = """\
import os, signal, time

def killed(n_features, n_outputs):
    print("about to be killed", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def deaf(n_features, n_outputs):
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(1000)

def large(n_features, n_outputs):
    bytearray(2**34)  # never touched: there is room for it where nothing limits the process
"""


def own(function: str, search: str = "") -> str:
    return OWN.format(name=function, function=function, search=search)


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    """A stage on SQLite and on PostgreSQL."""
    yield from _stage(database_url, tmp_path)


@pytest.fixture
def sqlite_stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage for what no database does in its own way."""
    yield from _stage(f"sqlite:///{tmp_path}/service.db", tmp_path)


def _stage(url: str, folder: Path) -> Iterator[Stage]:
    (folder / "own.py").write_text(MODELS)
    stage = Stage(url, folder)
    yield stage
    stage.close()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """The trials of LONG, run at once."""
    url = f"sqlite:///{tmp_path_factory.mktemp('undisturbed')}/studies.db"
    tree = {"storage": url, **OVERRIDES}
    (path := tmp_path_factory.mktemp("study") / "long.yaml").write_text(LONG)
    sweep.run(sweep.load_spec(path, tree))
    return table(url, "long")


def test_a_killed_process_is_begun_again_and_the_trials_are_the_same(
    stage: Stage, undisturbed: list[tuple[Any, ...]]
) -> None:
    stage.supervise()
    stage.submit(LONG)
    job = stage.wait_for_results("long")
    seen = Path(f"/proc/{job.pid}/cmdline").read_bytes()
    assert b"sweep.service.child" in seen and stage.url.encode() not in seen
    os.kill(job.pid, signal.SIGKILL)
    done = stage.wait("long", "done")
    assert (done.attempts, done.pid != job.pid) == (2, True)
    assert table(stage.storage, "long") == undisturbed
    states = stage.states(job)
    assert states == [
        "queued", "starting", "running", "waiting", "queued", "starting", "running", "done",
    ]  # fmt: skip
    trials = [event.data for event in stage.events(job) if event.kind == "trial"]
    assert len(trials) == len({trial["at"] for trial in trials}) == 12  # each told once


def test_a_study_that_always_crashes_fails_with_its_last_line(sqlite_stage: Stage) -> None:
    sqlite_stage.pace["retry_s"] = 0.05
    sqlite_stage.supervise()
    sqlite_stage.submit(own("killed"))
    job = sqlite_stage.wait("killed", "failed")
    assert (job.attempts, job.ending, job.error) == (4, "crashed", "Crashed")
    assert job.message == "its process ended by signal 9; last line: about to be killed"
    assert sqlite_stage.states(job).count("waiting") == 3
    last = sqlite_stage.events(job)[-1]
    assert (last.kind, last.data["message"]) == ("end", job.message)


def test_a_study_at_fault_fails_at_once(sqlite_stage: Stage) -> None:
    sqlite_stage.memory_bytes = 2**33
    sqlite_stage.supervise()
    sqlite_stage.submit(BODY.format(name="one", n_trials=3).replace("sklearn:iris", "none.csv"))
    sqlite_stage.submit(own("large"))
    job = sqlite_stage.wait("one", "failed")
    assert (job.attempts, job.ending) == (1, "refused")
    assert job.error.endswith("Error") and job.message.startswith("data.source: must")
    large = sqlite_stage.wait("large", "failed")  # more memory than its process may have
    assert (large.attempts, large.ending) == (1, "refused")
    assert "must not fail, got MemoryError" in large.message


def test_a_run_outlives_its_supervisor_and_the_next_one_minds_it(
    stage: Stage, undisturbed: list[tuple[Any, ...]]
) -> None:
    first = stage.supervise()
    stage.submit(LONG)
    job = stage.wait_for_results("long", 1)
    first.kill()
    first.wait()
    told = stage.job("long").progress
    stage.until(lambda: stage.job("long").progress != told or None, "it goes on by itself")
    os.kill(job.pid, signal.SIGSTOP)  # or a quick machine ends it before the next one looks
    stage.supervise()
    time.sleep(3.0)
    assert stage.states(job) == ["queued", "starting", "running"]
    assert stage.job("long").pid == job.pid
    os.kill(job.pid, signal.SIGKILL)  # no child of the second one: it still sees it
    done = stage.wait("long", "done")
    assert done.attempts == 2
    assert table(stage.storage, "long") == undisturbed


def test_a_run_that_ends_without_a_supervisor_is_done(sqlite_stage: Stage) -> None:
    first = sqlite_stage.supervise()
    sqlite_stage.submit(BODY.format(name="one", n_trials=3))
    sqlite_stage.wait("one", "running")
    first.kill()
    first.wait()
    assert sqlite_stage.wait("one", "done").attempts == 1


def test_two_supervisors_run_nothing_twice(stage: Stage) -> None:
    stage.supervise(), stage.supervise()
    names = [f"s{number}" for number in range(5)]
    for name in names:
        stage.submit(BODY.format(name=name, n_trials=3))
    most = 0
    while stage.queue.counts().get("done", 0) < len(names):
        runs = stage.claims.runs()
        stage.pids |= {(r.job.pid, r.job.started) for r in runs if r.job.state == "running"}
        most = max(most, len(runs))
        time.sleep(0.1)
    assert most == 2  # as many as there is room for on this machine
    for name in names:
        states = stage.states(stage.job(name))
        assert states == ["queued", "starting", "running", "done"]


def test_a_running_study_is_cancelled_and_resumed_with_more_trials(
    sqlite_stage: Stage, undisturbed: list[tuple[Any, ...]]
) -> None:
    sqlite_stage.supervise()
    sqlite_stage.submit(LONG.replace("n_trials: 12", "n_trials: 11"))
    sqlite_stage.wait_for_results("long", 1)
    sqlite_stage.queue.cancel("vision", "long")
    job = sqlite_stage.wait("long", "cancelled")
    assert job.ending == "interrupted"  # in good order, by SIGTERM or by the queue's word
    sqlite_stage.queue.resume("vision", "long")
    sqlite_stage.wait("long", "done")
    assert sqlite_stage.queue.change("vision", "long", {"n_trials": 12}).state == "queued"
    sqlite_stage.wait("long", "done")
    assert table(sqlite_stage.storage, "long") == undisturbed


@pytest.mark.alone
def test_a_model_that_ignores_signals_is_cancelled_by_force(sqlite_stage: Stage) -> None:
    sqlite_stage.limits = {"running": 1, "per_project": 1}
    sqlite_stage.supervise()
    sqlite_stage.submit(own("deaf"))
    sqlite_stage.submit(BODY.format(name="next", n_trials=3))
    sqlite_stage.wait("deaf", "running")
    time.sleep(4.0)  # until it no longer hears
    began = time.monotonic()
    sqlite_stage.queue.cancel("vision", "deaf")
    job = sqlite_stage.wait("deaf", "cancelled")
    assert 3.0 <= time.monotonic() - began < 10.0
    assert Process.of(job.pid).started != job.started
    sqlite_stage.wait("next", "done")  # the room is free


def test_a_run_that_overruns_its_timeout_fails(sqlite_stage: Stage) -> None:
    sqlite_stage.pace |= {"overtime_s": 5.0, "cancel_s": 1.0}
    sqlite_stage.supervise()
    sqlite_stage.submit(own("deaf", search="timeout_s: 1, "))
    job = sqlite_stage.wait("deaf", "failed")
    assert "longer than its timeout" in job.message


@pytest.mark.alone
def test_runs_go_on_while_the_database_is_away(tmp_path: Path) -> None:
    server = postgres.new_server()
    try:
        stage = Stage(server.url.render_as_string(hide_password=False), tmp_path)
        stage.pace["life_s"] = 3.0
        try:
            stage.supervise()
            stage.submit(LONG)
            job = stage.wait_for_results("long", 1)
            server.stop()
            before = len(_finished(stage))
            stage.until(lambda: len(_finished(stage)) > before or None, "it goes on")
            time.sleep(4.0)  # its claim has expired by now
            server.start()
            assert stage.wait("long", "done").attempts == 1
            assert stage.states(job) == ["queued", "starting", "running", "done"]
            trials = [event for event in stage.events(job) if event.kind == "trial"]
            assert len(trials) == 12
        finally:
            stage.close()
    finally:
        server.remove()


def _finished(stage: Stage) -> list[Any]:
    return [row for row in table(stage.storage, "long") if row[3] is not None]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A full disk of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a file system needs root")
    with (folder / "filling").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_study_waits_for_room_on_the_disk(sqlite_stage: Stage, small_disk: Path) -> None:
    sqlite_stage.supervise(folder=small_disk)
    sqlite_stage.submit(BODY.format(name="one", n_trials=3))
    job = sqlite_stage.wait("one", "waiting")
    assert job.ending == "unstarted" and "No space left" in job.message
    (small_disk / "filling").unlink()
    assert sqlite_stage.wait("one", "done").attempts == 1


@pytest.mark.alone
def test_a_lost_machine_is_given_up_and_its_study_run_elsewhere(
    tmp_path: Path, undisturbed: list[tuple[Any, ...]]
) -> None:
    elsewhere = ("unshare", "--uts", "sh", "-c", 'hostname lost && exec "$@"', "sh")
    if shutil.which("unshare") is None or subprocess.run([*elsewhere, "true"]).returncode:
        pytest.skip("another host name needs root")
    with postgres.shared_server().database() as url:
        stage = Stage(url, tmp_path)
        stage.pace |= {"life_s": 5.0, "retry_s": 5.0}
        try:
            lost = stage.supervise(*elsewhere)
            stage.submit(LONG)
            old = stage.wait_for_results("long", 1)
            assert old.host == "lost"
            lost.send_signal(signal.SIGSTOP)
            os.killpg(old.pid, signal.SIGSTOP)
            began = time.monotonic()
            stage.supervise()
            stage.until(lambda: "waiting" in stage.states(old) or None, "it waits", 15)
            known = (old.progress or {})["n_results"]
            stage.wait_for_results("long", known + 1)
            now = stage.job("long")
            assert (now.host != "lost", now.attempts) == (True, 1)
            assert time.monotonic() - began < 120  # the study's own lease lives for 60 s
            os.killpg(old.pid, signal.SIGCONT)
            lost.send_signal(signal.SIGCONT)
            done = stage.wait("long", "done")
            assert done.host != "lost"
            stage.until(
                lambda: True if Process.of(old.pid).started != old.started else None,
                "the process that was lost ends when it finds that out",
            )
            assert table(stage.storage, "long") == undisturbed
        finally:
            stage.close()
