"""`sweep jobs`: the queue of this machine, without a server."""

import json
import os
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.support.queued import BODY


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        Path(f"{name}.yaml").write_text(BODY.format(name=name, n_trials=6))


def test_studies_are_queued_and_listed(command: Command) -> None:
    assert "next: sweep jobs add" in command("jobs").out
    assert command("jobs", "add", "a.yaml").out == "a is number 1 in the queue\n"
    assert (
        command("jobs", "add", "b.yaml", "--priority", "1").out == "b is number 1 in the queue\n"
    )
    assert command("jobs", "add", "a.yaml").out == "a is there already: queued\n"
    found = json.loads(command("jobs", "--json").out)["jobs"]
    assert [(job["study_name"], job["state"], job["position"]) for job in found] == [
        ("b", "queued", 1),
        ("a", "queued", 2),
    ]
    table = command("jobs").out
    assert "queued" in table and "0/6" in table


def test_options_win_over_the_file_and_paths_start_in_its_folder(command: Command) -> None:
    from sweep.service.database import Database
    from sweep.service.jobs import Queue

    command("jobs", "add", "a.yaml", "--set", "seed=3", "--storage", "sqlite:///mine.db")
    database = Database.open("sqlite:///studies/out/service.db")
    job = Queue(database).find("default", "a")
    database.close()
    assert (job.spec.seed, job.folder) == (3, os.getcwd())
    assert job.storage == f"sqlite:///{os.getcwd()}/mine.db"


def test_a_study_is_cancelled_and_resumed(command: Command) -> None:
    command("jobs", "add", "a.yaml")
    assert command("jobs", "cancel", "a").out == "a: cancelled\n"
    assert json.loads(command("jobs", "resume", "a", "--json").out)["state"] == "queued"
    command("jobs", "cancel", "a")
    assert command("jobs", "resume", "a", "--n-trials", "9").out == "a: queued\n"
    assert json.loads(command("jobs", "--json").out)["jobs"][0]["n_trials"] == 9


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["cancel", "a"], "no such study"),
        (["add", "none.yaml"], "must exist"),
        (["add", "a.yaml", "--priority", "101"], "priority: must be"),
        (["--database", "mysql://x/y"], "must be sqlite or postgresql"),
        (["cancel", ""], "must name something"),
    ],
)
def test_a_mistake_is_one_line(command: Command, arguments: list[str], line: str) -> None:
    done = command("jobs", *arguments)
    assert done.code == 2 and line in done.err
    assert done.err.count("\n") == 1 and done.out == ""


@pytest.mark.slow
def test_the_studies_are_run_one_after_another(command: Command) -> None:
    command("jobs", "add", "a.yaml")
    command("jobs", "add", "b.yaml", "--set", "data.source=missing.csv")
    done = command("jobs", "work", "--until-done")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[:4] == ["a: starting", "a: running", "a: done", "b: starting"]
    assert lines[-1].startswith("b: failed: data.source") and "missing.csv" in lines[-1]
    assert "6/6" in command("jobs").out
    assert "6 COMPLETE" in command("status").out  # in the storage that `sweep run` would take
