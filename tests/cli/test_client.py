"""`sweep submit`, `watch`, `cancel`, `resume` and `jobs` on a service elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.support.served import STUDY, Served, served


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A service that is the user's by environment; its studies wait."""
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text(STUDY.format(name="one"))
    with served(tmp_path / "service") as running:
        monkeypatch.setenv("SWEEP_URL", running.origin)
        monkeypatch.setenv("SWEEP_TOKEN", running.token())
        yield running


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The same, where studies run."""
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text(STUDY.format(name="one"))
    limits = {"requests_per_minute": 100_000}
    with served(tmp_path / "service", supervised=True, limits=limits) as running:
        monkeypatch.setenv("SWEEP_URL", running.origin)
        monkeypatch.setenv("SWEEP_TOKEN", running.token())
        yield running


def test_a_study_is_submitted_listed_cancelled_and_resumed(
    server: Served, command: Command
) -> None:
    assert "no studies on http" in command("jobs").out
    for _ in range(2):  # the second is the same submission
        out = command("submit", "one.yaml").out
        assert out == (
            f"one: queued, number 1 in line ({server.origin}/studies/one)\nnext: sweep watch one\n"
        )
    told = json.loads(command("jobs", "--json").out)
    assert told["url"] == server.origin and [one["name"] for one in told["jobs"]] == ["one"]
    assert "queued" in command("jobs").out
    assert command("cancel", "one").out == "one: cancelled\n"
    assert "next: sweep resume one" in command("submit", "one.yaml").out
    told = json.loads(command("resume", "one", "--n-trials", "9", "--json").out)
    assert (told["state"], told["spec"]["search"]["n_trials"]) == ("queued", 9)


def test_a_verdict_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    from sweep.cli.client import _print_end

    verdict = " ".join(f"{number}." for number in range(200))
    _print_end({"name": "one", "state": "done", "verdict": verdict})
    assert verdict in capsys.readouterr().out


def test_what_is_watched_to_its_end_tells_by_its_exit_code(
    server: Served, command: Command
) -> None:
    command("submit", "one.yaml")
    command("cancel", "one")
    done = command("watch", "one")
    assert (done.code, done.out) == (130, "one: cancelled\nnext: sweep resume one\n")
    assert json.loads(command("watch", "one", "--json").out)["state"] == "cancelled"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["watch", "none"], "none"),
        (["cancel", "none"], "none"),
        (["submit", "one.yaml", "--set", "device=cuda"], "device: is set by the service"),
        (["submit", "gone.yaml"], "study file: must exist"),
        (["jobs", "--url", "ftp://x"], "url: must be http:// or https://"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    server: Served, command: Command, arguments: list[str], line: str
) -> None:
    done = command(*arguments)
    assert done.code == 2 and line in done.err
    assert done.err.count("\n") == 1 and "swp_" not in done.err


def test_ctrl_c_leaves_the_study_and_says_how_to_come_back(
    server: Served, command: Command
) -> None:
    command("submit", "one.yaml")
    child = subprocess.Popen(
        [sys.executable, "-m", "sweep", "watch", "one"], stderr=subprocess.PIPE, text=True,
        stdout=subprocess.PIPE, env={**os.environ},
    )  # fmt: skip
    assert child.stderr is not None
    assert child.stderr.readline() == "queued\n"
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=300)
    assert (child.returncode, out) == (130, "")
    assert err.strip() == "sweep: one goes on; see sweep watch one"
    assert server.service.queue.find("vision", "one").state == "queued"


@pytest.mark.slow
def test_a_study_is_watched_until_it_is_done(busy: Served, command: Command) -> None:
    done = command("submit", "one.yaml", "--watch")
    assert done.code == 0 and "one: done" in done.out and "6/6 trials" in done.err
    assert "alpha" in done.out  # the verdict
    assert "running" in done.err


@pytest.mark.slow
def test_a_study_that_fails_is_one_line_and_exit_code_1(busy: Served, command: Command) -> None:
    text = STUDY.format(name="wrong").replace("train_rows: 60", "train_rows: 100000")
    Path("wrong.yaml").write_text(text)
    done = command("submit", "wrong.yaml", "--watch")
    assert done.code == 1 and "sweep: wrong failed: data.train_rows" in done.err
