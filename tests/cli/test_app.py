"""The command line: what it prints and leaves behind, and that every mistake is one line."""

import json
import os
import re
import runpy
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch

import sweep
from sweep.analysis.status import load_study
from sweep.cli import app, studies
from sweep.config.export import read_config
from sweep.data import dataset
from sweep.storage.engine import open_storage
from sweep.storage.mirror import MirroredStorage
from sweep.training.cohort import Cohort
from tests.conftest import Command, made_study

URL = "sqlite:///tiny.db"

BASE = """\
study_name: bad
storage: sqlite:///bad.db
device: cpu
data: {source: table.csv, target: y, test_fraction: 0}
model: {hidden: [4]}
training: {epochs: 1, batch_size: full}
search: {n_trials: 2, space: {alpha: {low: 1e-4, high: 1e-1}}}
replicates: {n_folds: 3}
"""
TABLE = "a,b,y\n" + "".join(f"{i},{i % 5},{'uvw'[i % 3]}\n" for i in range(30))
MODELS = """\
import torch
from torch import nn

def wide(n_features, n_outputs):
    return nn.Linear(n_features, n_outputs + 1)

class Branching(nn.Module):
    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.layer = nn.Linear(n_features, n_outputs)

    def forward(self, x):
        return self.layer(x) if self.layer.weight.sum() > 0 else -self.layer(x)
"""


def snapshot(folder: Path) -> dict[str, bytes]:
    """Read every file but Python's own cache; of a database its rows, wherever they lie."""
    return {
        str(path.relative_to(folder)): _content(path)
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts and not path.name.endswith(("-wal", "-shm"))
    }


def _content(path: Path) -> bytes:
    if path.suffix == ".db":
        with closing(sqlite3.connect(path)) as connection:
            return "\n".join(connection.iterdump()).encode()
    return path.read_bytes() if path.is_file() else b""


def assert_one_line(folder: Path, command: Command, args: tuple[str, ...], *words: str) -> None:
    """Call with bad input: code 2, one line that holds `words`, and nothing written."""
    before = snapshot(folder)
    ended = command(*args)
    assert ended.code == 2, ended
    assert ended.out == ""
    assert ended.err.count("\n") == 1 and ended.err.startswith("sweep: "), ended.err
    for word in words:
        assert word in ended.err
    assert snapshot(folder) == before


# --- bad study files and data


@dataclass(frozen=True)
class Bad:
    """A `sweep run` that must be refused: what differs from BASE, and what the line must name."""

    name: str
    words: tuple[str, ...]
    sets: tuple[str, ...] = ()
    swap: tuple[str, str] | None = None  # in the study file
    files: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()


def _table(change: Callable[[list[str]], object]) -> dict[str, str]:
    lines = TABLE.splitlines()
    change(lines)
    return {"table.csv": "\n".join(lines) + "\n"}


def _arrays(**changes: Any) -> dict[str, Any]:
    rows = np.arange(60.0).reshape(30, 2)
    return {"rows.npz": {"X": rows, "y": np.arange(30) % 3, **changes}}


def _with(value: object) -> Any:
    X = np.arange(60.0).reshape(30, 2).astype(type(value) if isinstance(value, str) else float)
    X = X.astype("U9") if isinstance(value, str) else X
    X[3, 1] = value
    return X


NPZ = ("data={source: rows.npz, test_fraction: 0}",)
REGRESSION = ("data.task=regression", "data.target=a")
BAD = [
    Bad("typo in a key", ("training.epoch", "study.yaml", "epochs"), swap=("epochs", "epoch")),
    Bad("typo in --set", ("training.epoch", "study.yaml", "epochs"), ("training.epoch=3",)),
    Bad("duplicate key", ("duplicate key", "device", "study.yaml"),
        swap=("device: cpu", "device: cpu\ndevice: cpu")),
    Bad("alpha.low of 0", ("search.space.alpha.low", "study.yaml", "got 0.0"),
        swap=("1e-4", "0.0")),
    Bad("alpha.low below 0", ("search.space.alpha.low", "got -0.1"),
        ("search.space.alpha.low=-0.1",)),
    Bad("low above high", ("search.space.alpha.low", "must be < high", "study.yaml"),
        ("search.space.alpha.low=1",)),
    Bad("infinity in a table", ("data.source", "'a'", "inf", "row 4", "table.csv"),
        files=_table(lambda t: t.__setitem__(5, "inf,1,u"))),
    Bad("text in a column of numbers", ("data.source", "X must be numbers", "rows.npz"), NPZ,
        files=_arrays(X=_with("text"))),
    Bad("NaN in an array", ("data.source", "nan", "row 3, feature 1", "rows.npz"), NPZ,
        files=_arrays(X=_with(np.nan))),
    Bad("infinity in an array", ("data.source", "-inf", "row 3, feature 1", "rows.npz"), NPZ,
        files=_arrays(X=_with(-np.inf))),
    Bad("missing target column", ("data.target", "'z'", "table.csv"), ("data.target=z",)),
    Bad("no target at all", ("data.target", "null", "table.csv"), ("data.target=null",)),
    Bad("numbers in doubt", ("data.source", "'a'", "'1,234'", "data.columns: {a: {decimal:"),
        files={"table.csv": "a,b,y\n" + "".join(f'"{i},234",1,{i % 3}\n' for i in range(1, 31))}),
    Bad("names of rows as a feature", ("data.source", "'a'", "data.columns: {a: drop}"),
        files={"table.csv": "a,b,y\n" + "".join(f"n{i},1,{i % 3}\n" for i in range(30))}),
    Bad("an unknown column", ("data.columns", "'aa'", "table.csv"), ("data.columns.aa=drop",)),
    Bad("an unknown kind of column", ("data.columns.a.kind", "'drp'", "Did you mean drop?"),
        ("data.columns.a=drp",)),
    Bad("empty target cell", ("data.source", "'y'", "row 4", "table.csv"),
        files=_table(lambda t: t.__setitem__(5, "1,1,"))),
    Bad("a class with one row", ("data.source", "'x'", "table.csv"),
        files=_table(lambda t: t.append("1,1,x"))),
    Bad("more folds than rows of a class", ("replicates.n_folds", "table.csv", "10"),
        ("replicates.n_folds=11",)),
    Bad("more train_rows than there are", ("data.train_rows", "got 25", "table.csv"),
        ("data.train_rows=25",)),
    Bad("a missing file", ("data.source", "tabel.csv", "table.csv"), ("data.source=tabel.csv",)),
    Bad("an unknown data set", ("data.source", "sklearn:iris"), ("data.source=sklearn:irish",
        "data.target=null")),
    Bad("zero epochs", ("training.epochs", "got 0", "study.yaml"), ("training.epochs=0",)),
    Bad("no trials", ("search.n_trials", "got 0"), options=("--n-trials", "0")),
    Bad("unknown sampler", ("search.sampler.type", "'bayes'", "study.yaml"),
        ("search.sampler.type=bayes",)),
    Bad("unknown option of a sampler", ("search.sampler.n_startup", "n_startup_trials"),
        ("search.sampler.n_startup=3",)),
    Bad("option of a sampler without any", ("search.sampler.scramble", "no options"),
        ("search.sampler={type: random, scramble: true}",)),
    Bad("bad value of a sampler's option", ("search.sampler", "QMCSampler"),
        ("search.sampler={type: qmc, qmc_type: fibonacci}",)),
    Bad("unknown option of a pruner", ("search.pruner.n_warmup", "n_warmup_steps"),
        ("search.pruner={type: median, n_warmup: 3}",)),
    Bad("option without a pruner", ("search.pruner.n_warmup_steps",),
        ("search.pruner.n_warmup_steps=3",)),
    Bad("l1 with adamw", ("penalty.norm", "adamw", "got l1", "study.yaml"),
        ("training.optimizer=adamw", "search.space={}", "penalty.norm=l1")),
    Bad("elastic with adamw", ("penalty.norm", "adamw", "got elastic", "study.yaml"),
        ("training.optimizer=adamw", "search.space={}", "penalty.norm=elastic")),
    Bad("alpha with adamw", ("search.space.alpha", "weight_decay", "study.yaml"),
        ("training.optimizer=adamw",)),
    Bad("weight_decay without adamw", ("search.space.weight_decay", "alpha", "study.yaml"),
        ("search.space.weight_decay={}",)),
    Bad("label noise on regression", ("data.label_noise", "regression", "study.yaml"),
        (*REGRESSION, "data.label_noise=0.1")),
    Bad("val_error on regression", ("objective.metric", "val_loss", "study.yaml"),
        (*REGRESSION, "objective.metric=val_error")),
    Bad("texts as a regression target", ("data.source", "'y'", "regression", "table.csv"),
        ("data.task=regression",)),
    Bad("a module that is not there",
        ("python:no_such:make", "no_such.py", "beside the study file"),
        ("model={source: 'python:no_such:make'}",)),
    Bad("a module that fails", ("python:broken:make", "ZeroDivisionError", "broken.py"),
        ("model={source: 'python:broken:make'}",), files={"broken.py": "\n1 / 0\n"}),
    Bad("a function that is not there", ("own", "'wider'", "wide"),
        ("model={source: 'python:own:wider'}",), files={"own.py": MODELS}),
    Bad("data from a module that is not there", ("no_such", "beside the study file"),
        ("data={source: 'python:no_such:rows'}",)),
    Bad("a model with the wrong width", ("model", "(rows, 3)", "4"),
        ("model={source: 'python:own:wide'}",), files={"own.py": MODELS}),
    Bad("a model that vmap cannot batch", ("model", "vmap", "training.fused=false"),
        ("model={source: 'python:own:Branching'}",), files={"own.py": MODELS}),
    Bad("all tensors exempt", ("penalty.exempt", "layers.0.weight"), ("penalty.exempt=['*']",)),
    Bad("an unstable step", ("search.space.alpha.high", "stable"),
        ("training={optimizer: sgd, lr: 0.9, epochs: 1}", "search.space.alpha.high=9")),
    Bad("a storage of another kind", ("storage", "mysql"), ("storage=mysql://host/db",)),
    Bad("a storage that is no URL", ("storage", "studies.db"),
        options=("--storage", "studies.db")),
    Bad("a storage below a file", ("storage", "table.csv"),
        options=("--storage", "sqlite:///table.csv/x.db")),
    Bad("a storage that is no database", ("storage", "table.csv", "not a database"),
        options=("--storage", "sqlite:///table.csv")),
    Bad("an unknown device", ("device", "gpu", "study.yaml"), options=("--device", "gpu")),
    Bad("no key in --set", ("--set", "'epochs'"), ("epochs",)),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a study of a table that could be run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(BASE)
    (tmp_path / "table.csv").write_text(TABLE)
    return tmp_path


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_bad_input_is_one_line_and_leaves_nothing(
    bad: Bad, folder: Path, command: Command
) -> None:
    if bad.swap:
        (folder / "study.yaml").write_text(BASE.replace(*bad.swap))
    for name, content in bad.files.items():
        if isinstance(content, str):
            (folder / name).write_text(content)
        else:
            np.savez(folder / name, **content)
    sets = [word for text in bad.sets for word in ("--set", text)]
    assert_one_line(folder, command, ("run", "study.yaml", *sets, *bad.options), *bad.words)


def test_the_study_of_these_cases_can_be_run(folder: Path, command: Command) -> None:
    ended = command("run", "study.yaml")
    assert ended.code == 0, ended.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
@pytest.mark.parametrize("verb", ["run", "validate"])
def test_a_gpu_that_is_not_there(folder: Path, command: Command, verb: str) -> None:
    assert_one_line(
        folder, command, (verb, "study.yaml", "--device", "cuda"), "device", "--device"
    )


@pytest.mark.parametrize("verb", ["run", "validate"])
@pytest.mark.parametrize("make", [np.empty, torch.empty])
def test_too_little_memory_to_plan_in_is_one_line(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch,
    make: Callable[[int], Any], verb: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(dataset, "remarks", lambda *_: make(1 << 50))
    assert_one_line(folder, command, (verb, "study.yaml"), "memory: must", "fewer rows")


@pytest.mark.parametrize("verb", ["run", "validate", "export", "status"])
def test_a_missing_study_file(folder: Path, command: Command, verb: str) -> None:
    assert_one_line(folder, command, (verb, "none.yaml"), "study file", "none.yaml", "sweep init")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("run",), ("STUDY.yaml", "sweep run --help")),
        (("run", "study.yaml", "--nope"), ("--nope", "sweep run --help")),
        (("run", "study.yaml", "--n-trials", "many"), ("--n-trials", "integer")),
        (("runn", "study.yaml"), ("runn", "sweep --help")),
        (("dashboard", "--port", "99999"), ("--port", "65535")),
        (("export",), ("STUDY", "sweep export --help")),
        (("export", "x", "--select", "least"), ("--select", "best or 1se", "least")),
    ],
)
def test_bad_arguments_are_one_line(
    folder: Path, command: Command, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert_one_line(folder, command, args, *words)


# --- studies that exist


def _stored(folder: Path) -> Any:
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{folder}/tiny.db")
    return study.user_attrs, [(t.number, t.state, t.values) for t in study.trials]


def test_another_spec_under_a_name_is_refused(tiny: Path, command: Command) -> None:
    before = _stored(tiny)
    sets = ("--set", "training.lr=0.5", "--set", "model.hidden=[5]")
    ended = command("run", "tiny.yaml", *sets)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    for words in ("study_name", "tiny", "training.lr was 0.02, is 0.5",
                  "model.hidden was [4], is [5]", URL, "--fresh"):  # fmt: skip
        assert words in ended.err
    assert _stored(tiny) == before


def test_other_data_under_a_name_are_refused(folder: Path, command: Command) -> None:
    assert command("run", "study.yaml").code == 0
    (folder / "table.csv").write_text(TABLE + "3,3,u\n")
    ended = command("run", "study.yaml")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "the study bad exists with another spec: the data are other rows" in ended.err
    assert "--fresh" in ended.err


def test_a_study_that_penalised_other_tensors_is_refused(tiny: Path, command: Command) -> None:
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{tiny}/tiny.db")
    about = study.user_attrs["problem"]
    study.set_user_attr("problem", about | {"penalised": about["penalised"][:1]})
    ended = command("run", "tiny.yaml")
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
    line = "penalised were layers.0.weight, are layers.0.weight, layers.1.weight"
    assert line in ended.err


def test_a_study_of_another_program_is_not_touched(folder: Path, command: Command) -> None:
    optuna.create_study(study_name="bad", storage="sqlite:///bad.db").enqueue_trial({"x": 1})
    ended = command("run", "study.yaml")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "another program made" in ended.err
    left = optuna.load_study(study_name="bad", storage="sqlite:///bad.db")
    assert left.user_attrs == {} and len(left.trials) == 1


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("export", "tinny", "--storage", URL), ("study", "tinny", "Did you mean tiny?")),
        (("status", "tinny", "--storage", URL), ("study", "tinny", "Did you mean tiny?")),
        (("export", "tiny.yaml", "--select", "2se"), ("--select", "2se")),
        (("export", "tiny.yaml", "-o", "out.txt"), ("--output", "out.txt", ".toml")),
        (("export", "tiny.yaml", "-o", "tiny.yaml/out.yaml"), ("--output", "tiny.yaml/out.yaml")),
        (("init", "tiny.yaml"), ("init", "tiny.yaml", "Name another")),
        (("init", "none/new.yaml"), ("init", "none/new.yaml", "Name another")),
    ],
)
def test_bad_input_beside_a_finished_study(
    tiny: Path, command: Command, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert_one_line(tiny, command, args, *words)


@pytest.mark.parametrize("verb", ["export", "status"])
def test_reading_makes_no_database(folder: Path, command: Command, verb: str) -> None:
    assert_one_line(folder, command, (verb, "study.yaml"), "study", "bad", "sqlite:///bad.db")
    assert command("status").out == "no studies in sqlite:///studies/out/studies.db\n"
    assert set(snapshot(folder)) == {"study.yaml", "table.csv"}


def test_1se_with_two_folds_is_refused(folder: Path, command: Command) -> None:
    spec = {"replicates": {"n_folds": 2}}
    made_study({1e-3: [1.0, 2.0]}, spec=spec, storage="sqlite:///made.db")
    open_storage("sqlite:///made.db").engine.dispose()  # has a table of leases now
    args = ("export", "made", "--storage", "sqlite:///made.db", "--select", "1se")
    assert_one_line(folder, command, args, "selection", "1se", "3 folds", "replicates.n_folds")


def test_a_taken_port_is_one_line(tiny: Path, command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        args = ("dashboard", "--storage", URL, "--port", port)
        assert_one_line(tiny, command, args, "--port", port)


# --- good ways


def test_run_prints_a_table_and_the_verdict(tiny: Path, command: Command) -> None:
    ended = command("run", "tiny.yaml")
    assert ended.code == 0
    result = sweep.run(sweep.load_spec("tiny.yaml"))
    lines = [line.strip() for line in ended.out.splitlines()]
    for row in ("no penalty", "best", "1se"):
        assert any(line.startswith(row) for line in lines)
    assert re.search(rf"best +{result.best.params['alpha']:.3g} ", ended.out)
    assert result.verdict in ended.out
    assert lines[-1].startswith("next: sweep export tiny.yaml")
    assert "selection is" not in ended.out
    simple = f"selection is 1se: sweep export takes alpha = {result.choice('1se').at:.3g}"
    assert simple in command("run", "tiny.yaml", "--set", "selection=1se").out


def test_running_again_trains_nothing(
    tiny: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = command("run", "tiny.yaml")  # of a copied folder, which it notes
    before = _stored(tiny)

    def never(_: object) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr(Cohort, "advance", never)
    assert command("run", "tiny.yaml") == first
    assert first.code == 0 and _stored(tiny) == before


def test_json_is_one_object_and_nothing_else(tiny: Path, command: Command) -> None:
    ended = command("run", "tiny.yaml", "--json")
    assert ended.code == 0 and ended.err == ""
    assert ended.out.count("\n") == 1
    summary = json.loads(ended.out)
    best = sweep.run(sweep.load_spec("tiny.yaml")).best
    assert summary["best_params"] == best.params
    assert (summary["n_trials"], summary["ending"], summary["study_name"]) == (6, "done", "tiny")
    assert summary["verdict"].startswith("alpha = ")


def test_progress_is_shown_beside_what_a_script_reads(tiny: Path, command: Command) -> None:
    ended = command("run", "tiny.yaml", "--n-trials", "7")
    assert ended.code == 0
    assert re.search(r"7/7 trials.*100%.*lowest 0\.\d{4} ± 0\.\d{4} at alpha", ended.err)
    assert "7/7" not in ended.out
    assert command("run", "tiny.yaml", "--n-trials", "8", "--json").err == ""


def test_n_trials_is_the_total(tiny: Path, command: Command) -> None:
    assert (
        json.loads(command("run", "tiny.yaml", "--n-trials", "8", "--json").out)["n_trials"] == 8
    )
    assert len(_stored(tiny)[1]) == 8
    assert (
        json.loads(command("run", "tiny.yaml", "--n-trials", "7", "--json").out)["n_trials"] == 8
    )


def test_fresh_keeps_the_old_study_by_its_date(tiny: Path, command: Command) -> None:
    before = _stored(tiny)[1]
    assert command("run", "tiny.yaml", "--fresh", "--n-trials", "2").code == 0
    names = optuna.study.get_all_study_names(storage=URL)
    (kept,) = set(names) - {"tiny"}
    assert re.fullmatch(r"tiny-\d{8}-\d{6}", kept)
    old = optuna.load_study(study_name=kept, storage=URL)
    assert [(t.number, t.state, t.values) for t in old.trials] == before
    assert len(_stored(tiny)[1]) == 2


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_study_that_another_process_runs_has_a_word_of_its_own(
    tiny: Path, command: Command, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """So that a supervisor can tell it from a failure."""
    advance = Cohort.advance

    def lose(self: Cohort) -> Any:
        with closing(sqlite3.connect("tiny.db")) as connection:
            connection.execute("update sweep_leases set token = 'another', host = 'elsewhere'")
            connection.commit()
        return advance(self)

    monkeypatch.setattr(Cohort, "advance", lose)
    other = MirroredStorage.open(URL, "tiny") if when == "before" else nullcontext()
    ended = command("run", "tiny.yaml", "--n-trials", "8", "--json")
    assert ended.code == 1
    told = json.loads(ended.out)
    assert (told["study_name"], told["ending"]) == ("tiny", "owned_elsewhere")
    assert ended.err == f"sweep: {told['reason']}\n"
    assert ("taken it over" in told["reason"]) == (when == "meanwhile")
    if isinstance(other, MirroredStorage):
        other.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_and_the_next_run_goes_on(
    tiny: Path, command: Command, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    whole = _stored(tiny)[1]
    advance = Cohort.advance

    def interrupted(cohort: Cohort) -> Any:
        signal.raise_signal(number)
        return advance(cohort)

    with monkeypatch.context() as patch:
        patch.setattr(Cohort, "advance", interrupted)
        ended = command("run", "tiny.yaml", "--fresh")
    assert ended.code == 130
    assert ended.out == "stopped, everything is saved; go on with: sweep run tiny.yaml\n"
    assert command("run", "tiny.yaml").code == 0
    assert _stored(tiny)[1] == whole


def test_a_second_interrupt_stops_at_once(
    tiny: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(_: Cohort) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Cohort, "advance", twice)
    assert command("run", "tiny.yaml", "--fresh").code == 130
    assert "Traceback" not in command("status", "tiny.yaml").err


def test_a_time_that_is_over_says_how_to_go_on(tiny: Path, command: Command) -> None:
    ended = command("run", "tiny.yaml", "--n-trials", "9", "--set", "search.timeout_s=1e-9")
    assert ended.code == 0
    assert "search.timeout_s is over; go on with: sweep run tiny.yaml" in ended.out
    assert len(_stored(tiny)[1]) == 6


def test_status_lists_the_studies(tiny: Path, command: Command) -> None:
    optuna.create_study(study_name="other", storage=URL)
    ended = command("status", "--storage", URL)
    assert ended.code == 0
    assert re.search(r"tiny +6/6 +6 COMPLETE +0\.\d{4}", ended.out)
    assert re.search(r"other +0 +none", ended.out)
    assert "other" not in command("status", "tiny.yaml").out


def test_status_as_json(tiny: Path, command: Command) -> None:
    ended = command("status", "tiny.yaml", "--json")
    assert ended.out.count("\n") == 1 and ended.err == ""
    told = json.loads(ended.out)
    assert told["storage"] == URL
    (row,) = told["studies"]
    assert (row["study"], row["trials"], row["owner"]) == ("tiny", {"COMPLETE": 6}, None)


def test_the_storage_of_the_environment_is_used(
    tiny: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTUNA_STORAGE", URL)
    assert "tiny" in command("status").out
    assert command("export", "tiny", "-o", "x.json").code == 0


@pytest.mark.parametrize("suffix", ["yaml", "toml", "json"])
def test_export_writes_what_was_chosen(tiny: Path, command: Command, suffix: str) -> None:
    path = Path(f"out.{suffix}")
    ended = command("export", "tiny.yaml", "-o", str(path))
    config, best = read_config(path), sweep.run(sweep.load_spec("tiny.yaml")).best
    assert ended.code == 0
    assert (
        ended.out == f"alpha = {best.params['alpha']:.4g} (best, trial {best.number}) -> {path}\n"
    )
    assert config["best_params"] == best.params
    assert config["best_value"] == best.value
    assert config["value_se"] == best.value_se
    assert config["n_rows"] == 60


def test_export_of_a_name_by_1se_into_the_usual_place(tiny: Path, command: Command) -> None:
    ended = command("export", "tiny", "--storage", URL, "--select", "1se")
    assert ended.code == 0 and ended.out.endswith("-> studies/out/tiny.yaml\n")
    config = read_config(Path("studies/out/tiny.yaml"))
    choice = sweep.run(sweep.load_spec("tiny.yaml")).choice("1se")
    assert (config["selection"], config["best_params"]) == ("1se", choice.params)


def test_validate_shows_the_plan_and_writes_nothing(folder: Path, command: Command) -> None:
    before = snapshot(folder)
    ended = command("validate", "study.yaml", "--set", "penalty.exempt=[layers.1.*]")
    assert ended.code == 0
    for line in (
        r"penalised +layers\.0\.weight$",
        r"exempt +layers\.0\.bias, layers\.1\.weight, layers\.1\.bias$",
        r"range of alpha +0\.0001 \.\. 0\.1$",
        r"rows +20 to train on, 10\.\.10 to validate on, 0 test$",
        r"replicates +3 \(3 folds x 1 seeds\)$",
        r"trained by +this process$",
        r"steps +1 a training, 9 trainings$",
        r"study_name: bad$",
        r"  optimizer: adam$|optimizer: adam",
    ):
        assert re.search(line, ended.out, re.MULTILINE), line
    assert snapshot(folder) == before


def test_what_is_odd_about_the_rows_is_noted(folder: Path, command: Command) -> None:
    """Before anything is trained, and beside what a script reads."""
    cells = "".join(f'"$1,{i * i % 1000:03}.5",{i % 7},{"uv"[i % 2]}\n' for i in range(30))
    (folder / "table.csv").write_text("price,b,y\n" + cells)
    note = "column 'price': '$1,000.5' is read as 1000.5"
    assert command("validate", "study.yaml").out.endswith(f"\nnote: {note}\n")
    assert json.loads(command("validate", "study.yaml", "--json").out)["notes"] == [note]
    ran = command("run", "study.yaml")
    assert ran.code == 0 and ran.err.startswith(f"note: {note}\n") and note not in ran.out
    again = command("run", "study.yaml", "--json")
    assert again.err == "" and json.loads(again.out)["notes"] == [note]


def test_validate_as_json(folder: Path, command: Command) -> None:
    ended = command("validate", "study.yaml", "--json")
    told = json.loads(ended.out)
    assert ended.out.count("\n") == 1
    assert told["plan"]["penalised"] == "layers.0.weight, layers.1.weight"
    assert told["spec"]["training"]["epochs"] == 1


def test_init_writes_a_study_that_validates(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("init").out == (
        "wrote study.yaml; next: sweep validate study.yaml, sweep run study.yaml\n"
    )
    assert command("validate", "study.yaml").code == 0
    assert command("init", "second.yaml").code == 0
    assert (tmp_path / "second.yaml").read_text() == (tmp_path / "study.yaml").read_text()


# --- help


VERBS = sorted(str(getattr(c.callback, "__name__", "")) for c in app.app.registered_commands)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(command: Command, verb: str) -> None:
    ended = command(verb, "--help")
    assert ended.code == 0
    assert f"Usage: sweep {verb}" in ended.out
    assert verb in command("--help").out


def test_the_verbs() -> None:
    assert {"run", "validate", "status", "export", "dashboard", "init"} <= set(VERBS)


def test_no_arguments_show_the_help(command: Command) -> None:
    assert "Usage: sweep" in "".join(command()[1:])


def test_the_package_is_a_command_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["python -m sweep", "--help"])
    monkeypatch.delitem(sys.modules, "sweep.__main__", raising=False)  # else runpy warns
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("sweep", run_name="__main__")
    assert ended.value.code == 0
    assert "Usage: sweep" in capsys.readouterr().out


def test_help_does_not_wait_for_heavy_imports() -> None:
    code = (
        "import sys; from sweep.__main__ import main; sys.argv = ['sweep', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    print(end.code, sorted({m.split('.')[0] for m in"
        " sys.modules} & {'torch', 'optuna', 'pandas', 'sklearn', 'numpy'}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                           cwd=Path(sweep.__file__).parent.parent, check=True)  # fmt: skip
    assert ended.stdout.splitlines()[-1] == "0 []"


@pytest.mark.slow
def test_a_run_on_arrays_does_not_wait_for_what_tables_need(folder: Path) -> None:
    data = "{source: 'sklearn:digits', scale: none, train_rows: 60}"
    text = BASE.replace("{source: table.csv, target: y, test_fraction: 0}", data)
    (folder / "digits.yaml").write_text(text)
    code = (
        "import gc, sys; from sweep.cli.app import main\n"
        "sys.argv = ['sweep', 'run', 'digits.yaml']\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    print(end.code, gc.isenabled(), sorted({m.split('.')[0]"
        " for m in sys.modules} & {'sklearn', 'pandas', 'plotly'}))"
    )
    root = str(Path(sweep.__file__).parent.parent)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                           env={**os.environ, "PYTHONPATH": root}, check=True)  # fmt: skip
    assert ended.stdout.splitlines()[-1] == "0 True []"


# --- fit, report, doctor


def test_fit_prints_the_test_metrics_and_notes_them_on_the_study(
    tiny: Path, command: Command
) -> None:
    assert command("export", "tiny.yaml", "-o", "tiny-config.yaml").code == 0
    ended = command("fit", "tiny-config.yaml")
    assert ended.code == 0
    assert re.search(r"test loss +\d\.\d{4} ± \d\.\d{4} +\d\.\d{4} ± \d\.\d{4}", ended.out)
    assert (
        "mean ± SE over 8 seeds, of test loss and test accuracy over the test rows too: 60 rows to"
        " train on, 30 to test"
    ) in ended.out
    assert (tiny / "tiny-config.safetensors").exists() and (tiny / "tiny-config.md").exists()
    noted = optuna.load_study(study_name="tiny", storage=URL).user_attrs["fit"]
    assert noted["n_test_rows"] == 30
    told = json.loads(command("fit", "tiny-config.yaml", "--json").out)
    assert told == noted


def test_fit_of_a_study_whose_storage_is_gone_still_fits(tiny: Path, command: Command) -> None:
    assert command("export", "tiny.yaml", "-o", "tiny-config.yaml").code == 0
    (tiny / "tiny.db").unlink()
    assert command("fit", "tiny-config.yaml", "-o", "w.safetensors").code == 0
    assert not (tiny / "tiny.db").exists()


def test_report_writes_one_page_for_one_study_or_several(tiny: Path, command: Command) -> None:
    ended = command("report", "tiny.yaml")
    assert ended.code == 0 and "needs no network" in ended.out
    page = (tiny / "studies" / "out" / "tiny.html").read_text(encoding="utf-8")
    assert load_study(URL, "tiny").user_attrs["verdict"].split(";")[0] in page
    assert command("run", "tiny.yaml", "--set", "study_name=other").code == 0
    ended = command("report", "tiny", "other", "--storage", URL, "-o", "both.html")
    assert ended.code == 0
    assert "other" in (tiny / "both.html").read_text(encoding="utf-8")


def test_a_report_of_another_kind_is_refused(tiny: Path, command: Command) -> None:
    assert_one_line(tiny, command, ("report", "tiny.yaml", "-o", "x.pdf"), "--output", "x.pdf")


def test_doctor_says_when_a_storage_is_sound(tiny: Path, command: Command) -> None:
    before = (tiny / "tiny.db").read_bytes()
    ended = command("doctor", "--storage", URL)
    assert (ended.code, ended.out) == (0, f"{URL} is sound\n")
    assert json.loads(command("doctor", "--storage", URL, "--json").out) == {
        "storage": URL, "findings": [],
    }  # fmt: skip
    assert (tiny / "tiny.db").read_bytes() == before


def test_doctor_finds_and_mends_damage(tiny: Path, command: Command) -> None:
    with closing(sqlite3.connect("tiny.db")) as connection:
        connection.execute("update trial_values set value = null where trial_value_id = 2")
        connection.commit()
    found = command("doctor", "--storage", URL)
    assert found.code == 1
    assert found.out.startswith("damage: study tiny: ")
    assert found.out.endswith("next: sweep doctor --repair\n")
    mended = command("doctor", "--storage", URL, "--repair")
    assert mended.code == 0
    assert re.match(r"backup: .*tiny\.db\.[-0-9]+\.bak\nmended: study 'tiny': ", mended.out)
    assert mended.out.endswith(f"{URL} is sound\n")
    trials = optuna.load_study(study_name="tiny", storage=URL).trials
    assert [trial.state.name for trial in trials].count("FAIL") == 1
    again = json.loads(command("doctor", "--storage", URL, "--repair", "--json").out)
    assert (again["backup"], again["done"], again["findings"]) == (None, [], [])


def test_the_command_that_goes_on_keeps_the_options(
    tiny: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "asked_to_stop", lambda _: nullcontext(lambda: True))
    options = ["--set", "study_name=other", "--n-trials", "9", "--storage", "sqlite:///b.db"]
    ended = command("run", "tiny.yaml", *options)
    assert ended.code == 130
    again = shlex.split(ended.out.partition("go on with: ")[2])
    assert again == ["sweep", "run", "tiny.yaml", *options]


def test_other_commands_are_shown_with_the_storage_where_it_was_given(
    tiny: Path, command: Command
) -> None:
    ended = command("run", "tiny.yaml", "--storage", "sqlite:///b.db")
    assert ended.out.splitlines()[-1].startswith(
        "next: sweep export tiny --storage sqlite:///b.db"
    )
    shown = shlex.split(ended.out.splitlines()[-1].removeprefix("next: sweep ").split(" · ")[0])
    assert command(*shown, "-o", "b.yaml").code == 0
