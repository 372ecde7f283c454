"""Inputs that no machine can serve, or that nothing can mean: one line, nothing written."""

import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sweep
from sweep.errors import UsageError, hide_passwords
from tests.cli.test_app import BASE, TABLE, snapshot
from tests.conftest import Command

AT_ONCE_S = 10
SECRET = "postgresql://u:s3cret@h:nope/d"
HUGE = "9" * 5000
VERBS = ("run", "validate", "status", "export", "report")
SETS = {
    "model.hidden=[1000000000]": "model.hidden: must fit the memory",
    "model.hidden=[200000, 200000]": "must fit the memory",
    f"model.hidden=[{'4,' * 200}]": "model.hidden",
    f"model.hidden=[{'9' * 300}]": "model.hidden",
    "training.width=1000000000": "training.width: must be",
    "training={width: 1000000, batch_size: full, epochs: 100000}": "training.width: must fit",
    "training.epochs=1000000000": "training.epochs: must be",
    "training.batch_size=1000000000": "training.batch_size: must be",
    "training.workers=1000000000": "training.workers: must be",
    "training.lr=1e-320": "training.lr: must be 1e-30 to 1e30",
    "training.lr=1e300": "training.lr: must be 1e-30 to 1e30",
    "training.lr=.nan": "training.lr: must be",
    "training.lr=2020-01-01": "training.lr: must be",
    "search.in_flight=1000000000": "search.in_flight: must be",
    "search.n_trials=1000000000": "search.n_trials: must be",
    "search.widenings=1000000000": "search.widenings: must be",
    f"search.n_trials={HUGE}": "search.n_trials: must be valid YAML",
    "search.space.alpha.high=1e-320": "search.space.alpha.high: must be 1e-30 to 1e30",
    "search.space.alpha={low: 1.0, high: 1.0000000001}": "must be clearly < high",
    "search.sampler={type: grid, points: {alpha: x}}": "search.sampler.points: must be",
    "search.sampler={type: grid, points: {alpha: 1000000000}}": "search.sampler.points: must be",
    "search.sampler={n_startup_trials: abc}": "search.sampler.n_startup_trials: must be int",
    "search.sampler={n_ei_candidates: 1000000000}": "search.sampler.n_ei_candidates: must be 1 to",
    "search.sampler={gamma: 3}": "search.sampler.gamma: must be left out",
    "search.pruner={type: hyperband, reduction_factor: 0}": "reduction_factor: must be 2 to",
    "replicates.n_seeds=1000000000": "replicates.n_seeds: must be",
    "replicates.n_folds=1000000000": "replicates.n_folds: must be",
    "replicates={n_folds: 1000, n_seeds: 1000}": "replicates.n_seeds: must be at most",
    "data.train_rows=1000000000": "data.train_rows: must be",
    f"data.source={'a' * 5000}.csv": "data.source: must be the name of a file",
    f"data={{source: {'a' * 5000}}}": "data.source: must be a source of rows",
    f"data={{source: {'a' * 5000}.npz}}": "data.source: must be the name of a file",
    f"data={{source: {'a' * 5000}.svm}}": "data.source: must be the name of a file",
    f"data={{source: {'a' * 5000}.npy, target: y.npy}}": "data.source: must be the name of a file",
    f"data={{source: 'a/{'b' * 5000}', target: y}}": "data.source: must be a source of rows",
    'data.source="a\\nb.csv"': "data.source: must be a file that exists",
    'data.source="a\\0b.csv"': "data.source: must be",
    'data.source="a\\ud800.csv"': "study file: must be text",
    "data={source: ''}": "data.source: must be a source of rows",
    "data={source: .csv}": "data.source: must be a source of rows",
    "data.source=!!python/name:os.system x": "must be plain values without tags",
    f"data={'[' * 10_000}": "at most 20 levels deep",
    f"data={'{a: ' * 10_000}": "at most 20 levels deep",
    "data=&a [*a]": "must be finite",
    "data=[" + "1," * 20_000 + "]": "at most 5000 values",
    "device=cuda:300": "device: must be",
    f"study_name={'x' * 10_000}": "study_name: must be",
    'study_name="a\\nb"': "study_name: must be",
    "study_name=\udc80": "--set study_name: must be valid YAML",
    "study_name=\x1b[31m": "--set study_name: must be valid YAML",
    f"{'k' * 10_000}=1": "unknown key",
    f"storage={SECRET}": "storage: must be an SQLAlchemy URL",
    "storage=''": "storage: must be an SQLAlchemy URL",
    "storage=mysql://u:s3cret@h/d": "mysql",
}  # fmt: skip
ARGUMENTS: dict[tuple[str, ...], str] = {
    ("run", "study.yaml", "--n-trials", "9" * 30): "search.n_trials: must be",
    ("run", "study.yaml", "--n-trials", HUGE): "--n-trials",
    ("validate", "study.yaml", "--device", "\udc80"): "must be",
    ("validate", "\udc80.yaml"): "study file: must exist",
    ("validate", "a\0b.yaml"): "embedded null byte",
    ("validate", f"{'a' * 5000}.yaml"): "study file: must be",
    ("validate", "/dev/zero"): "more than 1000000 bytes",
    ("status", "a\nb" * 4000, "--storage", "sqlite:///bad.db"): "study: must be in the storage",
    ("status", "a\udc80", "--storage", "sqlite:///bad.db"): "study: must be in the storage",
    ("status", "--storage", f"sqlite:///{'a' * 5000}.db"): "storage",
    ("export", "x\x1b[31m\u202e", "--storage", "sqlite:///bad.db"): "study: must be",
    ("dashboard", "--storage", ""): "--storage", ("doctor", "--storage", ""): "--storage",
    ("status", "--storage", ""): "--storage", ("run", "study.yaml", "--storage", ""): "--storage",
    ("fit", ""): "CONFIG", ("fit", "."): "CONFIG", ("fit", "/"): "config: must be",
    ("fit", "study.yaml", "-o", ""): "--output", ("export", "x", "-o", ""): "--output",
    ("report", "x", "-o", ""): "--output", ("init", ""): "FILE", ("init", "/"): "init: must be",
    ("init", "a\0b"): "embedded null byte", ("init", "a" * 5000): "init: must be",
    ("validate", "study.yaml", "--device", ""): "device: must be",
    ("validate", "study.yaml", "--set", ""): "--set: must be key=value",
    **{(verb, ""): "must name something" for verb in VERBS},
    **{
        (*verb, "--storage", SECRET): "storage: must be an SQLAlchemy URL"
        for verb in (("validate", "study.yaml"), ("run", "study.yaml"), ("status",), ("doctor",),
                     ("doctor", "--repair"), ("dashboard",), ("export", "x"), ("report", "x"))
    },
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(BASE)
    (tmp_path / "table.csv").write_text(TABLE)
    return tmp_path


def assert_refused(folder: Path, command: Command, args: tuple[str, ...], said: str) -> None:
    before, began = snapshot(folder), time.process_time()
    ended = command(*args)
    assert time.process_time() - began < AT_ONCE_S
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1), ended
    assert ended.err.startswith("sweep: ") and said in ended.err, ended.err
    assert len(ended.err) <= 301 and ended.err[:-1].isprintable()
    assert "s3cret" not in ended.err
    assert snapshot(folder) == before


@pytest.mark.parametrize("given", SETS, ids=lambda given: ascii(given)[:40])
def test_a_value_is_refused_at_once(given: str, folder: Path, command: Command) -> None:
    assert_refused(folder, command, ("validate", "study.yaml", "--set", given), SETS[given])


@pytest.mark.parametrize("args", ARGUMENTS, ids=lambda args: ascii(" ".join(args))[:40])
def test_an_argument_is_refused_at_once(
    args: tuple[str, ...], folder: Path, command: Command
) -> None:
    assert_refused(folder, command, args, ARGUMENTS[args])


# --- arrays and configs that lie


def npy(shape: tuple[int, ...], kind: str = "<f8", content: bytes = b"") -> bytes:
    header = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


ARRAYS = {
    "more than it holds": npy((10**13, 4)), "a terabyte": npy((10**11, 1), content=b"12345678"),
    "beyond 64 bits": npy((2**62, 2**62)), "items without bytes": npy((10**15, 2), "|V0"),
    "below nothing": npy((-5, 2)), "no header": b"\x93NUMPY", "no array": b"hello",
    "code": npy((1,), "|O", b"cos\nsystem\n(S'touch ran'\ntR."),
    "code in the header": b"\x93NUMPY\x01\x00\x76\x00" + b"__import__('os').system('touch x')" * 9,
    "nested header": b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000,
}  # fmt: skip


@pytest.mark.parametrize("what", ARRAYS)
def test_arrays_that_lie_are_refused(what: str, folder: Path, command: Command) -> None:
    with zipfile.ZipFile(folder / "rows.npz", "w") as archive:
        archive.writestr("X.npy", ARRAYS[what])
        archive.writestr("y.npy", npy((2,), content=bytes(16)))
    args = ("validate", "study.yaml", "--set", "data={source: rows.npz, test_fraction: 0}")
    assert_refused(folder, command, args, "data.source: must be a readable .npz file")


def test_the_arrays_of_these_cases_are_read_where_they_tell_the_truth(folder: Path) -> None:
    from sweep.data.npz import read_npz

    with zipfile.ZipFile(folder / "rows.npz", "w") as archive:
        archive.writestr("X.npy", npy((1, 2), content=np.array([3.0, 4.0]).tobytes()))
    assert read_npz(folder / "rows.npz")["X"].tolist() == [[3.0, 4.0]]


SPEC = {"study_name": "x"}
WHOLE: dict[str, Any] = {
    "best_params": {"alpha": 0.1}, "penalty": {}, "n_rows": 10, "spec": {"study_name": "x"},
    "provenance": {"data_hash": "d", "folder": None},
}  # fmt: skip
CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "no spec": ({"spec": None}, "config: must be"), "a text": ({"spec": "x"}, "config: must be"),
    "an empty spec": ({"spec": {}}, "study_name: must be given"),
    "an unknown key": ({"spec": {"study_name": "x", "dta": {}}}, "dta: unknown key"),
    "a deep spec": ({"spec": {"a": json.loads("[" * 50 + "]" * 50)}}, "levels deep"),
    "a huge network": ({"spec": SPEC | {"model": {"hidden": [10**9]}}}, "model.hidden"),
    "params": ({"best_params": {"alpha": "x"}}, "best_params: must be"),
    "a huge param": ({"best_params": {"alpha": 10**200}}, "best_params: must be"),
    "rows": ({"n_rows": -1}, "config: must have n_rows"),
    "many rows": ({"n_rows": 10**200}, "config: must have n_rows"),
    "a number as folder": ({"provenance": {"data_hash": "d", "folder": -1}}, "provenance.folder"),
    "a list as provenance": ({"provenance": []}, "config: must have n_rows"),
    "other rows": ({"provenance": {"data_hash": [1], "folder": "a" * 5000}}, "data.source"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
@pytest.mark.parametrize("what", CONFIGS)
def test_a_config_that_lies_is_refused(
    what: str, suffix: str, folder: Path, command: Command
) -> None:
    changes, said = CONFIGS[what]
    (folder / f"x{suffix}").write_text(json.dumps({**WHOLE, **changes}))
    assert_refused(folder, command, ("fit", f"x{suffix}"), said)


@pytest.mark.parametrize("what", ["no spec", "a text", "an empty spec", "params", "a huge param"])
def test_a_config_that_lies_is_refused_in_a_loop_of_ones_own(what: str, folder: Path) -> None:
    (folder / "x.json").write_text(json.dumps({**WHOLE, **CONFIGS[what][0]}))
    with pytest.raises(UsageError):
        sweep.load_config(folder / "x.json")


# --- passwords


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:s3cret@h/d", "postgresql://u:***@h/d"),
        (SECRET, "postgresql://u:***@h:nope/d"),
        ("postgresql://u:s3/c@re t@h/d", "postgresql://u:***@h/d"),
        ("postgresql://me@corp:s3cret@h:5432/d", "postgresql://me@corp:***@h:5432/d"),
        ("postgresql://u:s3://cret@h/d", "postgresql://u:***@h/d"),
        ("postgresql:/u:s3cret@h/d", "postgresql:/u:***@h/d"),
        ("postgresql://u:s3cret", "postgresql://u:***"),
        ("postgresql://h/d?password=s3cret&x=1", "postgresql://h/d?password=***&x=1"),
        ("postgresql://h:5432/d", "postgresql://h:5432/d"),
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
        ("from //u:s3cret@a to x://u:s3cret@b", "from //u:***@a to x://u:***@b"),
    ],
)  # fmt: skip
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert hide_passwords(url) == hide_passwords(shown) == shown
    assert str(UsageError(f"storage: {url}")) == f"storage: {shown}" or url.startswith("sqlite:")


def test_a_password_given_by_set_is_not_in_the_command_that_goes_on() -> None:
    from sweep.cli.arguments import next_commands
    from sweep.spec.files import parse_spec

    url = "postgresql://u:s3cret@h/d"
    spec = parse_spec({"study_name": "x", "storage": url}, "x", Path("."))
    said = next_commands(Path("x.yaml"), spec, [f"storage={url}"], {"--storage": None})
    assert "s3cret" not in " ".join(said) and "***" in said[0]
