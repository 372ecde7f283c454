"""A team of cohorts in processes of their own trains as one cohort does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sweep
from sweep.cohort import Cohort
from sweep.errors import SweepError
from sweep.lanes import Setting
from sweep.plan import make_plan
from sweep.result import StudyResult
from sweep.workers import Team, hired
from tests.studies import tiny

EXACT = ["number", "state", "value", "alpha", "train_loss", "norm", "outcome"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked")


def run(folder: Path, n_workers: int, **overrides: Any) -> StudyResult:
    url = f"sqlite:///{folder}/{n_workers}.db"
    return sweep.run(tiny(folder, storage=url, training__workers=n_workers, **overrides))


@pytest.mark.parametrize(
    ("n_workers", "width"), [(2, "auto"), (3, "auto"), (2, 16), (2, 4), (2, 3)]
)
def test_a_study_is_the_same_with_any_number_of_workers(
    tmp_path: Path, n_workers: int, width: int | str
) -> None:
    alone = run(tmp_path, 1, training__width=width).trials[EXACT]
    shared = run(tmp_path, n_workers, training__width=width).trials[EXACT]
    pd.testing.assert_frame_equal(alone, shared, rtol=2e-4)


def test_a_trial_comes_to_the_same_bits_in_any_worker(tmp_path: Path) -> None:
    plan = make_plan(tiny(tmp_path, training__width=16))
    with hired(plan, 2) as pipes:
        team = Team(pipes, plan, 16)
        assert (team.width, team.free) == (16, 4)
        for trial in range(4):
            team.start(trial, Setting(1e-3, 2e-2))
        assert team.free == 0
        reports = [report for _ in range(4) for report in team.advance()]
        assert team.free == 4
    ends = [report for report in reports if report.ended]
    assert [report.trial for report in ends] == [0, 1, 2, 3]
    first, *others = [report.result for report in ends]
    assert first is not None
    for other in others:
        assert other is not None and (other.val_loss == first.val_loss).all()


def test_a_trial_that_is_stopped_leaves_its_slot_to_the_next(tmp_path: Path) -> None:
    plan = make_plan(tiny(tmp_path))
    with hired(plan, 2) as pipes:
        team = Team(pipes, plan, 8)
        team.start("a", Setting(1e-3, 2e-2))
        team.start("b", Setting(1e-3, 2e-2))
        team.advance()
        team.stop("a")
        team.start("c", Setting(1e-3, 2e-2))
        told = [report for _ in range(5) for report in team.advance()]  # its worker was ahead
        assert [report.epoch for report in told if report.trial == "b"] == [2, 3, 4]
        assert [report.epoch for report in told if report.trial == "c"][:2] == [1, 2]
        assert len(told) == len([report for report in told if report.trial in ("b", "c")])


def test_what_a_worker_raises_is_raised_here_and_no_answer_is_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Cohort) -> None:
        raise MemoryError("no room")

    plan = make_plan(tiny(tmp_path))
    monkeypatch.setattr(Cohort, "advance", full)  # before the fork
    with hired(plan, 2) as pipes:
        team = Team(pipes, plan, 8)
        team.start("a", Setting(1e-3, 2e-2))
        team.start("b", Setting(1e-3, 2e-2))
        for _ in range(2):
            with pytest.raises(MemoryError, match="no room"):
                team.advance()
        assert Team(pipes, plan, 8).free == 2  # and can be made anew


def test_a_worker_that_is_killed_is_one_line_and_the_study_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance, calls = Cohort.advance, iter(range(100))

    def killed(self: Cohort) -> Any:
        if next(calls) == 6:  # in each worker, which counts for itself
            os.kill(os.getpid(), signal.SIGKILL)
        return advance(self)

    with monkeypatch.context() as patch:
        patch.setattr(Cohort, "advance", killed)
        with pytest.raises(SweepError, match=r"^training\.workers: must live as long as the run"):
            run(tmp_path, 2)
    resumed = run(tmp_path, 2).trials[EXACT]
    pd.testing.assert_frame_equal(resumed, run(tmp_path, 1).trials[EXACT], rtol=2e-4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_owner(tmp_path: Path, number: signal.Signals) -> None:
    spec = tiny(tmp_path)
    command = [
        sys.executable, "-m", "sweep", "run", str(tmp_path / "tiny.yaml"),
        "--storage", spec.storage, "--set", "training.epochs=4000", "--set", "training.workers=2",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    children = wait_for(lambda: of(process.pid), 2)
    if number == signal.SIGKILL:
        process.kill()  # the owner alone: the others find their pipe closed
    else:
        os.killpg(process.pid, number)  # as a terminal does: to all of them
    _, said = process.communicate(timeout=60)
    expected = -signal.SIGKILL if number == signal.SIGKILL else 130
    assert process.returncode == expected, said
    wait_for(lambda: [pid for pid in children if Path(f"/proc/{pid}").exists()], 0)


def of(pid: int) -> list[int]:
    """Return the processes that a process has forked."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def wait_for(look: Any, count: int) -> list[int]:
    for _ in range(600):
        found: list[int] = look()
        if len(found) == count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{found} instead of {count}")


def test_one_worker_is_this_process(tmp_path: Path) -> None:
    with hired(make_plan(tiny(tmp_path)), 1) as pipes:
        assert pipes == []
