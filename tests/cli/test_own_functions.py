"""Functions of the user's own: whatever one does is a plan or one line, and nothing is left."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sweep
from sweep.cli import app
from sweep.errors import UsageError
from sweep.plan.plan import Plan, make_plan
from sweep.spec.files import parse_spec
from sweep.spec.study import StudySpec
from sweep.training.modules import build
from tests.conftest import Command
from tests.support.cases import few_fast
from tests.support.own import HEAD, NETWORKS, ROWS, SOURCES
from tests.support.sources import says

# torch's of its own TorchScript
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MODEL: dict[str, Any] = {"data": {"source": "rows.npz"}, "model": {"source": "python:own:make"}}
DATA: dict[str, Any] = {"data": {"source": "python:own:make"}, "model": {"hidden": [3]}}
STUDY: dict[str, Any] = {
    "study_name": "own",
    "storage": "sqlite:///own.db",
    "device": "cpu",
    "training": {"epochs": 1},
    "search": {"n_trials": 1, "space": {"alpha": {"low": 1e-4, "high": 1e-2}}},
    "replicates": {"n_folds": 2},
}


def written(folder: Path, code: str, **keys: Any) -> StudySpec:
    """Write a module of this code beside rows of five features in three classes."""
    (folder / "own.py").write_text(HEAD + code + "\n", encoding="utf-8")
    X = np.random.default_rng(0).normal(size=(24, 5))
    np.savez(folder / "rows.npz", X=X, y=np.arange(24) % 3)
    (folder / "study.yaml").write_text(json.dumps({**STUDY, **keys}), encoding="utf-8")
    return parse_spec({**STUDY, **keys}, "study.yaml", folder)


def planned(folder: Path, code: str, **keys: Any) -> Plan:
    return make_plan(written(folder, code, **keys))


def refusal(folder: Path, code: str, **keys: Any) -> str:
    spec = written(folder, code, **keys)
    before = sorted(folder.rglob("*")), os.getcwd()
    with pytest.raises(UsageError) as caught:
        make_plan(spec)
    assert (sorted(folder.rglob("*")), os.getcwd()) == before
    return str(caught.value)


@pytest.mark.parametrize("case", NETWORKS)
def test_a_network_that_cannot_be_trained_is_refused_in_one_line(
    tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code, line = NETWORKS[case]
    got = refusal(tmp_path, code, **MODEL)
    assert says(got, line.format(folder=tmp_path)), got
    assert "\n" not in got and capfd.readouterr().out == ""


@pytest.mark.parametrize("case", ROWS)
def test_a_function_that_gives_no_rows_is_refused_in_one_line(
    tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code, line = ROWS[case]
    got = refusal(tmp_path, code, **DATA)
    assert says(got, line.format(folder=tmp_path)), got
    assert "\n" not in got and capfd.readouterr().out == ""


@pytest.mark.parametrize("case", SOURCES)
def test_a_name_of_no_function_of_ones_own_is_refused_before_it_is_called(
    tmp_path: Path, case: str
) -> None:
    source, line = SOURCES[case]
    got = refusal(tmp_path, "f = 3", data={"source": source}, model={"hidden": [3]})
    assert says(got, line.format(folder=tmp_path)), got


# --- what is taken

LAYER = "return nn.Linear(5, 3)"
TAKEN = {
    "none": f"def make(): {LAYER}",
    "features": "def make(n_features): return nn.Linear(n_features, 3)",
    "outputs": "def make(*, n_outputs): return nn.Linear(5, n_outputs)",
    "keywords": "def make(*, n_outputs, n_features): return nn.Linear(n_features, n_outputs)",
    "others by position": "def make(a, b, c=1): return nn.Linear(a, b)",
    "any": "def make(*args, **named): return nn.Linear(*args, **named)",
    "partial": "def net(a, b, c): return nn.Linear(a, b)\nmake = functools.partial(net, c=3)",
    "object": "class Make:\n    def __call__(self, a, b): return nn.Linear(a, b)\nmake = Make()",
    "method": "class Make:\n    @classmethod\n    def net(cls, a, b): return nn.Linear(a, b)\n"
    "make = Make.net",
    "class": "class make(nn.Linear): pass",
    "cached": f"@functools.cache\ndef make(a, b): {LAYER}",
    "lazy": "def make(a, b): return nn.Sequential(nn.LazyLinear(7), nn.ReLU(), nn.LazyLinear(b))",
    "float64 buffer": "def make(a, b):\n"
    "    net = nn.Sequential(nn.BatchNorm1d(a), nn.Linear(a, b))\n"
    "    net[0].running_mean = net[0].running_mean.double()\n    return net",
    "inference": f"def make(a, b):\n    with torch.inference_mode(): {LAYER}",
    "moves": f"def make(a, b):\n    os.chdir('/')\n    {LAYER}",
    "closes": f"def make(a, b):\n    sys.stdout.close()\n    {LAYER}",
    "handles": f"import signal\nsignal.signal(signal.SIGINT, print)\ndef make(a, b): {LAYER}",
    "eval": "class make(nn.Linear):\n    def eval(self): pass",
}


@pytest.mark.parametrize("case", few_fast(TAKEN, 3))
def test_a_function_is_called_with_what_it_takes(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGINT)
    result = sweep.run(written(tmp_path, TAKEN[case], **MODEL))
    assert len(result.trials) == 1
    assert (os.getcwd(), signal.getsignal(signal.SIGINT)) == (str(tmp_path), handler)


def test_a_signal_that_is_ignored_is_ignored_after_a_function_that_handles_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sweep.run(written(tmp_path, TAKEN["handles"], **MODEL))
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


ROWS_TAKEN = {
    "tensors that need a gradient": "def make(): return torch.tensor(X).requires_grad_(), y",
    "bfloat16": "def make(): return torch.tensor(X).bfloat16(), torch.tensor(y)",
    "defaults": "def make(n=3): return X, y",
    "lists": "def make(): return X.tolist(), y.tolist()",
}


@pytest.mark.parametrize("case", ROWS_TAKEN)
def test_rows_of_many_kinds_are_taken(tmp_path: Path, case: str) -> None:
    assert planned(tmp_path, ROWS_TAKEN[case], **DATA).problem.n_outputs == 3


def test_a_package_beside_the_study_file_is_read_afresh_with_its_modules(tmp_path: Path) -> None:
    package = tmp_path / "nets"
    package.mkdir()
    (package / "__init__.py").write_text("from .size import make\n")
    for n in (4, 55):
        code = f"from torch import nn\ndef make(a, b): return nn.Sequential(nn.Linear(a, {n}),"
        (package / "size.py").write_text(f"{code} nn.Linear({n}, b))\n")
        plan = planned(tmp_path, "", **{**MODEL, "model": {"source": "python:nets:make"}})
        assert plan.layout.places[0].shape[0] == n
        assert not (package / "__pycache__").exists()


def test_lazy_layers_draw_their_weights_by_the_seed(tmp_path: Path) -> None:
    plan = planned(tmp_path, TAKEN["lazy"], **MODEL)
    first, same, other = (build(plan.factory, seed).state_dict()["0.weight"] for seed in (1, 1, 2))
    assert first.equal(same) and not first.equal(other)


FAILS_LATER = """\
class make(nn.Linear):
    n = 0
    def forward(self, x):
        make.n += 1
        if make.n > 12: sys.exit('tired')
        return super().forward(x)
"""


@pytest.mark.parametrize("fused", [True, False])
def test_a_network_that_fails_in_the_midst_of_training_is_refused_in_one_line(
    tmp_path: Path, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = written(tmp_path, FAILS_LATER, **MODEL, training={"epochs": 30, "fused": fused})
    with pytest.raises(UsageError, match=r"^model: must train on every batch, got SystemExit: t"):
        sweep.run(spec)


# --- the command line

PRINTS = """\
print("import")
class make(nn.Linear):
    def __init__(self, a, b):
        print("make")
        os.system("echo child")
        super().__init__(a, b)
    def forward(self, x):
        print("forward")
        return super().forward(x)
"""


def shell(folder: Path, *args: str, timeout: int = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sweep", *args], cwd=folder, capture_output=True, text=True,
        timeout=timeout, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_network_prints_leaves_stdout_to_the_one_object(
    tmp_path: Path, workers: int
) -> None:
    written(tmp_path, PRINTS, **MODEL, training={"epochs": 1, "workers": workers})
    for verb in ("validate", "run"):
        done = shell(tmp_path, verb, "study.yaml", "--json")
        assert done.returncode == 0, done.stderr
        assert isinstance(json.loads(done.stdout), dict)
        assert {"import", "make", "child", "forward"} <= set(done.stderr.split())


@pytest.mark.parametrize("case", ["exits", "import_exits", "compiled"])
def test_every_way_to_a_plan_gives_the_same_line(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, NETWORKS[case][0], **MODEL)
    told = [command(verb, "study.yaml") for verb in ("validate", "run")]
    with pytest.raises(UsageError) as caught:
        sweep.run(sweep.load_spec("study.yaml"))
    assert {(2, "", f"sweep: {caught.value}\n")} == {*told}


@pytest.mark.slow
def test_a_worker_that_cannot_plan_gives_the_same_line(tmp_path: Path) -> None:
    written(tmp_path, NETWORKS["exits"][0], **MODEL, training={"workers": 2})
    done = shell(tmp_path, "run", "study.yaml")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert "the function must not fail, got SystemExit: bye at line 8" in done.stderr


ENDLESS = (
    "import time\ndef make(*_):\n    print('on', flush=True)\n    while True: time.sleep(.01)"
)
ENDLESS_IN: dict[str, dict[str, Any]] = {"model": MODEL, "data": DATA}


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("verb", ["validate", "run"])
@pytest.mark.parametrize("kind", ENDLESS_IN)
def test_ctrl_c_ends_a_function_that_goes_on_for_ever(
    tmp_path: Path, verb: str, kind: str
) -> None:
    written(tmp_path, ENDLESS, **ENDLESS_IN[kind])
    process = subprocess.Popen(
        [sys.executable, "-m", "sweep", verb, "study.yaml"], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None and process.stderr.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert time.monotonic() - began < 5
    assert "Traceback" not in err and out == ""


# --- two hundred of them

RAISED = [
    "ValueError('a\\nb')", "SystemExit(3)", "KeyboardInterrupt", "GeneratorExit", "Odd()",
    "BaseException('x' * 9999)", "MemoryError", "StopIteration(1)",
]  # fmt: skip
DOINGS = [
    "pass", "print('told')", "sys.stdout.write('told')", "os.write(1, b'told')", "os.chdir('/')",
    "sys.stdout.close()", "torch.manual_seed(3)", "import warnings; warnings.warn('mind')",
    "sys.stdout = None", "np.seterr(all='raise')", "X[:] = 1e31", *(f"raise {e}" for e in RAISED),
]  # fmt: skip
SIGNATURES = ["", "*_, **__", "a, b", "n_features", "*, n_outputs", "a, b, c", "*, d", "a=5, b=3"]
RETURNED = [
    "nn.Linear(5, 3)", "nn.Linear(5, 4)", "nn.LazyLinear(3)", "nn.Linear", "None", "X, y", "X",
    "{'X': X, 'y': y}", "{'y': y}", "torch.tensor(X, requires_grad=True), y", "lambda x: x",
    "Odd()", "nn.Linear(5, 3).double()", "nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.5))",
    "(Odd(), Odd())", "nn.Linear(5, 3, device='meta')", "nn.Linear(10**8, 10**8)", "X[:0], y[:0]",
    "nn.RNN(5, 3)", "nn.ModuleList()", "torch.jit.script(nn.Linear(5, 3))", "[nn.Linear(5, 3)]",
    "nn.Linear(5, 3).requires_grad_(False)", "nn.Bilinear(5, 5, 3)", "iter(X), iter(y)", "y, X",
    "nn.Sequential(nn.Linear(5, 3), nn.Linear(4, 3))", "X + 1j, y",
    "nn.Sequential(nn.Linear(5, 3), nn.LogSoftmax(1))",
]  # fmt: skip
ODD = """\
class Odd(BaseException):
    def __getattribute__(self, name): raise SystemExit(8)
    def __str__(self): raise KeyboardInterrupt
    def __array__(self, *_, **__): raise GeneratorExit
"""


@st.composite
def functions(draw: st.DrawFn) -> str:
    """Compose a module: what it does as it is imported, what the function takes, does, gives."""
    kind = draw(st.sampled_from(["def", "def", "def", "async def", "@functools.cache\ndef"]))
    imported, done = (draw(st.sampled_from([*["pass"] * 8, *DOINGS])) for _ in range(2))
    taken, gives = draw(st.sampled_from(SIGNATURES)), draw(st.sampled_from(RETURNED))
    word = draw(st.sampled_from(["return", "return", "return", "yield"]))
    return f"{ODD}{imported}\n{kind} make({taken}):\n    {done}\n    {word} {gives}\n"


@pytest.fixture(scope="module")
def shared_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def exit_code() -> object:
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(module=functions(), keys=st.sampled_from([MODEL, DATA]))
def test_any_function_ends_in_a_plan_or_in_one_line(
    shared_folder: Path, module: str, keys: dict[str, Any]
) -> None:
    written(shared_folder, module, **keys)
    before, began = sorted(shared_folder.rglob("*")), time.monotonic()
    out, err, where, errors = io.StringIO(), io.StringIO(), os.getcwd(), np.geterr()
    arguments = ["sweep", "validate", str(shared_folder / "study.yaml"), "--json"]
    with patch.object(sys, "argv", arguments), redirect_stdout(out), redirect_stderr(err):
        code = exit_code()
    np.seterr(**errors)
    assert time.monotonic() - began < 60
    assert (sorted(shared_folder.rglob("*")), os.getcwd()) == (before, where)
    assert "Traceback" not in err.getvalue()
    if code == 0:
        assert isinstance(json.loads(out.getvalue()), dict)
    else:
        last = err.getvalue().removesuffix("\n").rpartition("\n")[2]
        assert code == 2 and out.getvalue() == "" and "sweep: " in last
