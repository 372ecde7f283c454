"""A team of cohorts in processes of their own trains as one cohort does."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sweep
from sweep.engines import server
from sweep.engines.hire import hired, who_trains
from sweep.engines.local import ThisProcess
from sweep.engines.processes import Processes
from sweep.engines.team import Team
from sweep.errors import SweepError, UsageError
from sweep.plan.plan import make_plan
from sweep.result import StudyResult
from sweep.training.cohort import Cohort
from tests.support.children import of
from tests.support.settings import setting_of
from tests.support.studies import tiny

EXACT = ["number", "state", "value", "alpha", "train_loss", "norm", "outcome"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked")
SLOW = pytest.mark.slow  # of many alike; some stay among the fast ones


def run(folder: Path, n_workers: int, **overrides: Any) -> StudyResult:
    url = f"sqlite:///{folder}/{n_workers}.db"
    return sweep.run(tiny(folder, storage=url, training__workers=n_workers, **overrides))


@pytest.mark.parametrize(
    ("n_workers", "width"),
    [(3, "auto"), *(pytest.param(2, width, marks=SLOW) for width in ("auto", 3, 4, 16))],
)
def test_a_study_is_the_same_with_any_number_of_workers(
    tmp_path: Path, n_workers: int, width: int | str
) -> None:
    alone = run(tmp_path, 1, training__width=width).trials[EXACT]
    shared = run(tmp_path, n_workers, training__width=width).trials[EXACT]
    pd.testing.assert_frame_equal(alone, shared, rtol=2e-4)


@pytest.mark.parametrize("optimizer", ["rmsprop", pytest.param("nadam", marks=SLOW)])
def test_workers_clip_change_rows_and_move_the_rate_as_one_process_does(
    tmp_path: Path, optimizer: str
) -> None:
    training = {
        "optimizer": optimizer, "lr": 5e-3, "batch_size": 25, "epochs": 4, "clip_norm": 0.5,
        "schedule": {"type": "cosine", "warmup": 0.2}, "augment": ["noise", "mixup"],
    }  # fmt: skip
    tables = []
    for n_workers in (1, 2):
        url = f"sqlite:///{tmp_path}/{n_workers}.db"
        given = {"training": {**training, "workers": n_workers}, "search__n_trials": 6}
        tables.append(sweep.run(tiny(tmp_path, storage=url, **given)).trials[EXACT])
    pd.testing.assert_frame_equal(tables[0], tables[1], rtol=2e-4)


def test_trials_are_pruned_alike_though_their_workers_are_ahead(tmp_path: Path) -> None:
    pruner = {"type": "median", "n_warmup_steps": 1, "n_startup_trials": 2}
    changes: dict[str, Any] = {"search__pruner": pruner, "search__n_trials": 16}
    changes |= {"training__epochs": 12, "training__width": 16}
    alone, shared = (run(tmp_path, n, **changes).trials[EXACT] for n in (1, 2))
    assert {"PRUNED", "COMPLETE"} <= set(alone["state"])
    pd.testing.assert_frame_equal(alone, shared, rtol=2e-4)


def test_a_trial_comes_to_the_same_bits_in_any_worker(tmp_path: Path) -> None:
    with hired(tiny(tmp_path, training__width=16, training__workers=2)) as engine:
        assert engine.resolve().workers == 2
        team = engine.cohort(16)
        assert (team.width, team.free) == (16, 4)
        for trial in range(4):
            team.start(trial, setting_of(1e-3, 2e-2))
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
    with hired(tiny(tmp_path, training__workers=2)) as engine:
        assert engine.resolve().workers == 2
        team = engine.cohort(8)
        team.start("a", setting_of(1e-3, 2e-2))
        team.start("b", setting_of(1e-3, 2e-2))
        team.advance()
        team.stop("a")
        team.start("c", setting_of(1e-3, 2e-2))
        told = [report for _ in range(5) for report in team.advance()]  # its worker was ahead
        assert [report.epoch for report in told if report.trial == "b"] == [2, 3, 4]
        assert [report.epoch for report in told if report.trial == "c"][:2] == [1, 2]
        assert len(told) == len([report for report in told if report.trial in ("b", "c")])


def test_what_a_worker_raises_is_raised_here_and_no_answer_is_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Cohort) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(Cohort, "advance", full)  # before the fork
    with hired(tiny(tmp_path, training__workers=2)) as engine:
        assert engine.resolve().workers == 2
        team = engine.cohort(8)
        team.start("a", setting_of(1e-3, 2e-2))
        team.start("b", setting_of(1e-3, 2e-2))
        for _ in range(2):
            with pytest.raises(MemoryError, match="no room"):
                team.advance()
        assert engine.cohort(8).free == 2  # and can be made anew


def test_what_the_workers_of_a_team_before_say_is_not_taken_for_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = Cohort.advance

    def full_later(self: Cohort) -> Any:
        if "b" in self.trials and self._slots[0].epoch == 1:  # when the owner is busy elsewhere
            raise MemoryError("no room")
        return advance(self)

    monkeypatch.setattr(Cohort, "advance", full_later)
    with hired(tiny(tmp_path, training__workers=2)) as engine:
        assert engine.resolve().workers == 2
        team = engine.cohort(8)
        team.start("a", setting_of(1e-3, 2e-2))
        team.start("b", setting_of(1e-3, 2e-2))
        assert [report.trial for report in team.advance()] == ["a", "b"]
        for _ in range(3):
            team = engine.cohort(8)
            assert (team.width, team.free) == (8, 2)
        team.start("c", setting_of(1e-3, 2e-2))
        assert [(report.trial, report.epoch) for report in team.advance()] == [("c", 1)]


@pytest.mark.parametrize("patience", [float("inf"), -1.0])
def test_epochs_come_one_by_one_however_many_are_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    advance = Cohort.advance

    def full_later(self: Cohort) -> Any:
        if "b" in self.trials and self._slots[0].epoch == 3:
            raise MemoryError("no room")
        return advance(self)

    monkeypatch.setattr(Cohort, "advance", full_later)
    monkeypatch.setattr(server, "REPORT_S", patience)
    with hired(tiny(tmp_path, training__workers=2)) as engine:
        assert engine.resolve().workers == 2
        team = engine.cohort(8)
        team.start("a", setting_of(1e-3, 2e-2))
        told = [team.advance() for _ in range(4)]
        assert [(one.trial, one.epoch, one.ended) for (one,) in told] == [
            ("a", 1, False), ("a", 2, False), ("a", 3, False), ("a", 4, True),
        ]  # fmt: skip
        team.start("b", setting_of(1e-3, 2e-2))
        assert [report.epoch for _ in range(3) for report in team.advance()] == [1, 2, 3]
        with pytest.raises(MemoryError, match="no room"):
            team.advance()
        assert (
            engine.cohort(8).free == 2
        )  # of what was told before, nothing is taken for an answer


def test_where_a_pruner_waits_each_epoch_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REPORT_S", float("inf"))
    spec = tiny(
        tmp_path, training__workers=2, training__epochs=400, search__pruner={"type": "median"}
    )
    with hired(spec) as engine:
        team = engine.cohort(engine.resolve().width)
        assert isinstance(team, Team)
        team.start("a", setting_of(1e-3, 2e-2))
        (first,) = team.advance()
        assert (first.epoch, first.ended) == (1, False)  # not after all 400
        assert not any(team._roster._told.values())


def test_a_default_timeout_for_sockets_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "own_sockets.py").write_text(
        "import socket\nfrom torch import nn\n\nsocket.setdefaulttimeout(30)\n\n"
        "def net(n, c):\n    return nn.Linear(n, c)\n"
    )
    spec = tiny(tmp_path, training__workers=2, model={"source": "python:own_sockets:net"})
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)
    try:
        assert sweep.run(spec).study.best_trials
    finally:
        socket.setdefaulttimeout(before)


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


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        signal.SIGTERM,
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_workers_end_with_their_owner(tmp_path: Path, number: signal.Signals) -> None:
    spec = tiny(tmp_path)
    command = [
        sys.executable, "-m", "sweep", "run", str(tmp_path / "tiny.yaml"),
        "--storage", spec.storage, "--set", "training.epochs=4000", "--set", "training.workers=2",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    children = wait_for(lambda: of(process.pid), 2)  # one has forked the other
    if number == signal.SIGKILL:
        process.kill()  # the owner alone: the others find their pipe closed
    else:
        os.killpg(process.pid, number)  # as a terminal does: to all of them
    _, said = process.communicate(timeout=300)
    expected = -signal.SIGKILL if number == signal.SIGKILL else 130
    assert process.returncode == expected, said
    wait_for(lambda: [pid for pid in children if Path(f"/proc/{pid}").exists()], 0)


def wait_for(look: Any, count: int) -> list[int]:
    for _ in range(600):
        found: list[int] = look()
        if len(found) == count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{found} instead of {count}")


def test_one_worker_is_this_process(tmp_path: Path) -> None:
    with hired(tiny(tmp_path, training__workers=1)) as engine:
        assert isinstance(engine.cohort(engine.resolve().width), Cohort)


@pytest.mark.parametrize(
    ("asked", "width", "said"),
    [
        (1, "auto", "this process"),
        (2, 16, "2 forked workers, 8 lanes each"),
        (2, 4, "1 forked worker, 4 lanes each"),
    ],
)
def test_who_trains_is_said_as_it_comes_to_be(
    tmp_path: Path, asked: int, width: int | str, said: str
) -> None:
    spec = tiny(tmp_path, training__workers=asked, training__width=width)
    assert who_trains(make_plan(spec)) == said
    with hired(spec) as engine:
        kinds = {ThisProcess: "this process", Processes: said}
        assert kinds[type(engine)] == said
        if isinstance(engine, Processes):
            assert engine.resolve().workers == int(said[0])


@pytest.mark.slow
def test_the_owner_of_workers_imports_no_torch_and_plans_nothing(tmp_path: Path) -> None:
    tiny(tmp_path)
    code = (
        "import sys; from sweep.__main__ import main; sys.argv = ['sweep', *sys.argv[1:]]\n"
        "try: main()\n"
        "finally: assert not {'torch', 'sweep.plan.plan', 'sweep.data.dataset'} & set(sys.modules)"
    )
    for command in ("run", str(tmp_path / "tiny.yaml")), ("run", "studies/digits-l2.yaml"):
        sets = ("--set", "training.workers=2", "--n-trials", "2", "--set", "training.epochs=2")
        url = ("--storage", f"sqlite:///{tmp_path}/no-torch.db")
        done = subprocess.run(
            [sys.executable, "-c", code, *command, *sets, *url], text=True, capture_output=True
        )
        assert done.returncode == 0, done.stderr


def test_what_is_wrong_with_a_plan_is_raised_in_its_owner(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"^search\.space\.alpha\.low: must be < high"),
        hired(tiny(tmp_path, training__workers=2, search__space__alpha={"low": 10.0})) as engine,
    ):
        engine.resolve()


def test_what_a_user_s_own_code_says_and_raises_reaches_the_owner(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own_rows.py").write_text(
        "class Odd(Exception):\n    def __init__(self, a, b): super().__init__('odd')\n\n"
        "def load():\n    print('reading')\n    raise Odd(1, 2)\n"
    )
    data = {"source": "python:own_rows:load"}
    with (
        pytest.raises(UsageError, match=r"^data\.source: the function must not fail, got Odd"),
        hired(tiny(tmp_path, training__workers=2, data=data)) as engine,
    ):
        engine.resolve()
    assert capfd.readouterr().err.count("reading") == 1


def test_workers_hold_open_what_planning_opened_and_nothing_of_their_owner_s(
    tmp_path: Path,
) -> None:
    (tmp_path / "own_net.py").write_text(
        "import os\nfrom torch import nn\n\nHELD = os.open(os.devnull, os.O_RDONLY)\n\n"
        "def net(n, c):\n    os.fstat(HELD)  # raises where it was closed\n"
        "    return nn.Linear(n, c)\n"
    )
    end, other_end = os.pipe()
    spec = tiny(tmp_path, training__workers=2, model={"source": "python:own_net:net"})
    with hired(spec) as engine:
        assert engine.resolve().workers == 2
        assert engine.cohort(spec.n_replicates * 2).n_slots == 2  # which calls the function again
        os.close(other_end)
        assert os.read(end, 1) == b""  # the end of the file: nobody else could write
    os.close(end)


def test_an_owner_that_gives_up_does_not_wait_for_the_plan(tmp_path: Path) -> None:
    (tmp_path / "slow_rows.py").write_text("import time\n\ndef load(): time.sleep(600)\n")
    data = {"source": "python:slow_rows:load"}
    began = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        hired(tiny(tmp_path, training__workers=2, data=data)),
    ):
        raise KeyboardInterrupt
    assert time.monotonic() - began < 60
