"""What several test modules share: a finished study, studies made by hand, the command line."""

import gc
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch as it is imported: see the runner

import numpy as np
import optuna
import pytest
import sqlalchemy
from hypothesis import settings
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import RandomSampler
from optuna.trial import create_trial
from xdist.scheduler import LoadFileScheduling

import sweep
from sweep.analysis.selection import Finished
from sweep.cli import app
from sweep.errors import OwnedElsewhereError, StorageError
from sweep.spec.files import parse_spec
from sweep.stats import standard_error
from sweep.storage.engine import open_storage
from sweep.storage.mirror import MirroredStorage
from tests.support import postgres
from tests.support.gpu import SimulatedGpu
from tests.support.migrations import keep_migrations
from tests.support.mirrors import Own, Owner

keep_migrations()
settings.register_profile("sweep", deadline=None)  # the first call of torch takes a second
settings.load_profile("sweep")

# A suite that a script starts in the background ignores both; so would every process it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

# Paths in it are relative to the working folder: a copy of the folder is a study of its own.
TINY = """\
study_name: tiny
storage: sqlite:///tiny.db
device: cpu
data: {source: "sklearn:iris", train_rows: 60}
model: {hidden: [4]}
training: {epochs: 3, batch_size: 20}
search: {n_trials: 6, sampler: {type: tpe}, space: {alpha: {low: 1e-4, high: 1e-1}}}
replicates: {n_folds: 3}
"""


class OneRay(LoadFileScheduling):  # type: ignore[misc]
    """Keeps the tests of a file in one process, and all that start Ray in the same one.

    Two Rays side by side are too much for two cores, and one would see the other's files.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        starts_ray = ("test_ray_", "test_clusters.py", "test_benchmarks.py")
        return "ray" if any(name in file for name in starts_ray) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneRay | None:
    return OneRay(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Let the garbage collector pass over what stays to the end: modules and all the tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)  # else it takes a tenth of the time
        gc.enable()


@pytest.fixture(autouse=True)
def _no_storage_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)


@pytest.fixture(autouse=True)
def _no_module_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the modules that a test wrote and imported: another test has one of that name."""
    before = {*sys.modules}
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for name in {*sys.modules} - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
            del sys.modules[name]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.yaml and the storage of its finished run; never written again."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.yaml").write_text(TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPTUNA_STORAGE", raising=False)
        patch.chdir(folder)
        sweep.run(sweep.load_spec("tiny.yaml"))
    return folder


@pytest.fixture
def tiny(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished study for this test alone, as the working folder."""
    folder = tmp_path / "study"
    shutil.copytree(tiny_folder, folder)
    monkeypatch.chdir(folder)
    return folder


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Call the command line in this process, with arguments as in a shell."""

    def call(*args: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["sweep", *args])
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                app.main()
        finally:
            for name in ("sweep.service", "uvicorn"):  # whose handlers hold this test's stderr
                logging.getLogger(name).handlers.clear()
        code = ended.value.code
        return Outcome(
            code if isinstance(code, int) else int(code is not None), *capsys.readouterr()
        )

    return call


def made_study(
    values: Mapping[float, Sequence[float]],
    baseline: Sequence[float] | None = None,
    *,
    spec: Mapping[str, Any] | None = None,
    more_params: Mapping[str, float] | None = None,
    alpha_range: tuple[float, float] = (1e-4, 1.0),
    alpha_max: float | None = None,
    attrs: Mapping[str, Any] | None = None,
    storage: str | None = None,
    confirmed: bool = False,
) -> optuna.Study:
    """Make a finished study by hand, with the attributes that a run stores.

    Args:
        values: strength to replicate values, in the order of trials.
        baseline: replicate values of the control; None is a control that diverged.
        spec: keys of the study file besides the name; 3 folds and tpe by default.
        more_params: further params of every trial.
        alpha_range, alpha_max, attrs: attributes of the study.
        storage: URL; in memory by default.
        confirmed: whether fresh folds have shown what the search's have, of all trials.
    """
    tree: dict[str, Any] = {"study_name": "made", "replicates": {"n_folds": 3}, **(spec or {})}
    tree["search"] = {"sampler": {"type": "tpe"}, **tree.get("search", {})}
    checked = parse_spec(tree, "made", Path("."))
    strength = checked.strength
    study = optuna.create_study(
        study_name="made", storage=storage or optuna.storages.InMemoryStorage(),
        direction="maximize" if checked.objective.maximizes else "minimize",
    )  # fmt: skip
    about = {
        "n_rows": 60, "n_outputs": 3, "penalised": ["layers.0.weight"],
        "exempt": ["layers.0.bias"], "model_hash": None, "device": "cpu",
    }  # fmt: skip
    control: dict[str, Any] = {"outcome": "diverged", "reason": "nan", "params": {strength: 0.0}}
    if baseline is not None:
        control = {"value": float(np.mean(baseline)), "params": {strength: 0.0}}
        control |= _measures(baseline, checked.replicates.n_folds)
    stored: dict[str, Any] = {
        "spec": checked.model_dump(mode="json"), "spec_hash": checked.spec_hash,
        "data_hash": "d" * 16, "alpha_range": list(alpha_range), "alpha_max": alpha_max,
        "width": 3, "problem": about, "baseline": control,
    }  # fmt: skip
    if confirmed:
        stored["confirmation"] = {"none": control} | {
            str(at): {
                "value": float(np.mean(found)),
                "params": {strength: at, **(more_params or {})},
                **_measures(found, checked.replicates.n_folds),
            }
            for at, found in values.items()
        }
    for name, content in {**stored, **(attrs or {})}.items():
        study.set_user_attr(name, content)
    for at, replicates in values.items():
        params = {strength: at, **(more_params or {})}
        space: dict[str, BaseDistribution] = {
            name: FloatDistribution(1e-9, 1e3, log=True) for name in params
        }
        measures = _measures(replicates, checked.replicates.n_folds)
        study.add_trial(
            create_trial(
                params=params, distributions=space, value=float(np.mean(replicates)),
                user_attrs=measures,
            )
        )  # fmt: skip
    return study


def made(*args: Any, **kwargs: Any) -> Finished:
    """Make a study by hand and read it."""
    return Finished.read(made_study(*args, **kwargs))


def _measures(replicates: Sequence[float], n_folds: int) -> dict[str, Any]:
    mean = float(np.mean(replicates))
    return {
        "value_se": standard_error(replicates, n_folds), "replicate_values": list(replicates),
        "train_loss": mean / 2, "train_loss_clean": mean / 4, "val_accuracy": 0.5,
        "val_r2": 0.25, "norm": 2.0, "sparsity": 0.0, "inputs_used": 3.0,
        "weight_counts": [*[1] * 40, 20, *[1] * 40], "outcome": "ok",
    }  # fmt: skip


@pytest.fixture(params=["numpy", "torch"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Multiply matrices by the one or the other, whatever the CPU."""
    monkeypatch.setattr("sweep.training.linalg.by_numpy", lambda: request.param == "numpy")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedGpu]:
    """A GPU to train on."""
    monkeypatch.setattr("sweep.training.linalg.by_numpy", lambda: False)  # of the host
    with SimulatedGpu().present(monkeypatch) as device:
        yield device


@pytest.fixture
def compiler() -> None:
    """Skip where torch.compile has no compiler."""
    if not shutil.which("g++"):
        pytest.skip("torch.compile needs g++")


# --- a database, and mirrors of its studies


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "studies.db"
    open_storage(f"sqlite:///{file}").engine.dispose()
    return file


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A database that was opened before: making the tables takes longer than most tests."""
    shutil.copy(sqlite_template, tmp_path / "studies.db")
    return f"sqlite:///{tmp_path}/studies.db"


@cache
def postgres_template() -> str:
    database = postgres.shared_server().database()
    url = database.__enter__()  # it stays as long as the server
    open_storage(url).engine.dispose()
    return url


@pytest.fixture
def postgres_url() -> Iterator[str]:
    template = sqlalchemy.make_url(postgres_template()).database
    with postgres.shared_server().database(str(template)) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def own() -> Iterator[Own]:
    """Open mirrors that are closed at the end of the test."""
    opened: list[MirroredStorage] = []

    def own(url: str, name: str = "digits", **options: Any) -> Owner:
        mirror = MirroredStorage.open(url, name)
        opened.append(mirror)
        options = {"sampler": RandomSampler(seed=0), **options}
        return mirror, optuna.create_study(
            storage=mirror, study_name=name, load_if_exists=True, **options
        )

    yield own
    for mirror in opened:
        with suppress(StorageError, OwnedElsewhereError):
            mirror.close()
