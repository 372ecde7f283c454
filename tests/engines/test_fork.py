"""The first worker is there early, and is gone where nobody has use for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sweep.__main__
from sweep.cli import app
from sweep.engines import fork
from sweep.engines.fork import Leader, leading
from sweep.engines.hire import hired
from sweep.errors import INTERRUPTED
from tests.support.children import of
from tests.support.studies import tiny

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked")


def mine() -> list[int]:
    return of(os.getpid())


def test_one_is_there_if_it_is_wanted_and_gone_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    before = mine()
    with leading(wanted=False) as leader:
        assert leader is None and mine() == before
    with pytest.raises(KeyboardInterrupt), leading(wanted=True) as leader:
        assert leader and len(mine()) == len(before) + 1
        raise KeyboardInterrupt
    assert mine() == before


@pytest.mark.parametrize("why", ["one core", "a GPU"])
def test_there_is_none_where_it_would_be_of_no_use(
    monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    n_cores = 1 if why == "one core" else 2
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(n_cores)))
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: why == "a GPU"))
    monkeypatch.setitem(sys.modules, "torch", torch)
    with leading(wanted=True) as leader:
        assert leader is None


@pytest.mark.parametrize("n_workers", [1, 2])
@pytest.mark.parametrize("is_early", [True, False])
def test_a_study_has_as_many_workers_as_it_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_workers: int, is_early: bool
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # an early one was forked before
    before, leader = mine(), Leader() if is_early else None
    with hired(tiny(tmp_path, training__workers=n_workers), leader) as engine:
        assert len(mine()) == len(before) + (n_workers > 1)
        assert engine.resolve().workers == n_workers
        engine.cohort(engine.resolve().width)  # by then the others are there
        assert len(mine()) == len(before) + (n_workers if n_workers > 1 else 0)
    assert mine() == before


@pytest.mark.parametrize(
    ("arguments", "text", "is_wanted"),
    [
        (["run", "s.yaml", "--set", "training.workers=2"], "study_name: s", True),
        (["run", "s.yaml", "--set", "training.workers=auto"], "study_name: s", True),
        (["run", "s.yaml"], "training: {epochs: 2, workers: 12}", True),
        (["run", "--json", "s.yaml"], 'training:\n  "workers": auto', True),
        (["run", "s.yaml", "--set", "training.workers=1"], "study_name: s", False),
        (["run", "s.yaml"], "training: {workers: 1}", False),
        (["run", "s.yaml"], "study_name: s", False),
        (["run", "s.yaml"], "# no workers here\ntraining: {epochs: 2}", False),
        (["run", "s.yaml"], "# for the workers\ntraining: {epochs: 2}", False),
        (["run", "s.yaml"], "# workers: 2\ntraining: {epochs: 2}", False),
        (["run", "s.yaml"], "study_name: 'workers: 2'\ntraining: {epochs: 2}", False),
        (["run", "s.yaml"], "training:\n  # workers: 1\n  workers: &n 2", True),
        (["run", "s.yaml"], "training: {workers: [", False),
        (["run", "s.yaml"], "training: # workers", False),
        (["run", "s.yaml", "--set=training.workers=3"], "study_name: s", True),
        (["run", "s.yaml", "--set", "training.workers='auto'"], "study_name: s", True),
        (["run", "s.yaml", "--set", "training={workers: 2}"], "study_name: s", True),
        (["run", "s.yaml", "--set", "training.workers=1"], "training: {workers: 2}", False),
        (
            ["run", "s.yaml", "--set", "training.workers=2", "--set=training.workers=1"],
            "study_name: s",
            False,
        ),
        (["run", "s.yaml", "--storage", "sqlite:///workers=2.db"], "study_name: s", False),
        (["run", "nowhere.yaml"], "", False),
        (["run", "\0.yaml"], "", False),
        (["validate", "s.yaml"], "training: {workers: 2}", False),
        ([], "", False),
    ],
)
def test_one_is_wanted_where_the_study_asks_for_more_than_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], text: str, is_wanted: bool,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(text)
    told: list[bool] = []

    class Early:
        def end(self, at_once: bool) -> None: ...

    def leading(wanted: bool) -> nullcontext[Early | None]:
        return nullcontext(Early() if wanted else None)

    monkeypatch.setattr(fork, "leading", leading)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(app, "main", lambda leader: told.append(leader is not None))
    monkeypatch.setattr(sys, "argv", ["sweep", *arguments])
    sweep.__main__.main()
    assert told == [is_wanted]


def test_one_that_only_a_comment_speaks_of_is_gone_before_the_command_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork, "cores", lambda: 2)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    (tmp_path / "s.yaml").write_text("# workers: 2\ntraining: {epochs: 2}")
    before, there, ended = mine(), [], []
    end = Leader.end

    def ending(leader: Leader, *, at_once: bool) -> None:
        ended.append(len(mine()))
        end(leader, at_once=at_once)

    monkeypatch.setattr(Leader, "end", ending)
    monkeypatch.setattr(app, "main", lambda leader: there.append((leader, mine())))
    monkeypatch.setattr(sys, "argv", ["sweep", "run", str(tmp_path / "s.yaml")])
    sweep.__main__.main()
    assert there == [(None, before)] and ended[0] == len(before) + 1


def test_an_interrupt_before_the_command_line_is_there_ends_as_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(wanted: bool) -> nullcontext[None]:
        raise KeyboardInterrupt

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(fork, "leading", interrupted)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(SystemExit) as ended:
        sweep.__main__.main()
    assert ended.value.code == INTERRUPTED


def test_an_interrupt_that_the_fork_held_back_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, mask = mine(), signal.pthread_sigmask

    def unmask(how: int, signals: Any) -> Any:
        if how == signal.SIG_SETMASK:
            monkeypatch.undo()
            mask(how, signals)
            raise KeyboardInterrupt
        return mask(how, signals)

    monkeypatch.setattr(signal, "pthread_sigmask", unmask)
    with pytest.raises(KeyboardInterrupt):
        Leader()
    assert mine() == before


@pytest.mark.parametrize("arguments", [["--help"], ["nowhere.yaml"], []])
def test_a_command_that_comes_to_no_run_leaves_no_process(
    tmp_path: Path, arguments: list[str]
) -> None:
    command = [sys.executable, "-m", "sweep", "run", *arguments, "--set", "training.workers=2"]
    # Whoever is left would hold the pipe open that is read here to its end.
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == (0 if "--help" in arguments else 2)
