"""The work that is compared, and the programs that do it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from sweep.spec.files import load_spec
from tests.benchmarks.machine import CORES, ONE_BY_ONE, STUDIES

SEARCHED = ("search.widenings=0", *(f"{key}={value}" for key, value in ONE_BY_ONE.items()))
RANGE = (*SEARCHED, "search.space.alpha.low=1e-5", "search.space.alpha.high=1e-1")
QUICK = ("training.epochs=2",)


@dataclass(frozen=True)
class Program:
    """One way to do the work.

    Attributes:
        name: as the table names it.
        module: what runs it: `sweep`, or a module of this package.
        cores: how many it may use.
        threads: OpenMP threads of each of its processes.
        device: what it trains on; none: the CPU, or for `sweep` what the study says.
        sets: keys of the study that it changes.
    """

    name: str
    module: str
    cores: int = 1
    threads: int = 1
    device: str | None = None
    sets: tuple[str, ...] = ()

    @property
    def sweep(self) -> str:
        """The program to compare it with: `sweep` on as many cores."""
        return SWEEP.name if self.cores == 1 else SWEEP_ALL.name

    def command(self, work: Workload, folder: Path, trials: int) -> list[str]:
        sets = [part for key in (*work.sets, *self.sets) for part in ("--set", key)]
        sets += ["--device", self.device] if self.device else []
        study = str(STUDIES / work.study)
        if self.module == "sweep":
            return [
                sys.executable, "-m", "sweep", "run", study, *sets, "--json",
                "--set", f"training.workers={self.cores}", "--n-trials", str(trials),
                "--storage", self.storage(folder),
            ]  # fmt: skip
        return [
            sys.executable, "-m", f"tests.benchmarks.{self.module}", study, self.storage(folder),
            *sets, "--trials", str(trials), "--processes", str(self.cores),
        ]  # fmt: skip

    def storage(self, folder: Path) -> str:
        return f"sqlite:///{folder / self.name.replace(' ', '-').replace(',', '')}.db"

    @property
    def is_here(self) -> bool:
        """Whether what it needs is installed."""
        return self.module != "raytune" or find_spec("ray") is not None


@dataclass(frozen=True)
class Workload:
    """One workload.

    Attributes:
        sets: keys of the study that are changed.
        trials: strengths tried, by `sweep` and every program that is not in `shorter`.
        shorter: trials of the programs that would take too long.
        programs: who does it.
    """

    name: str
    study: str
    sets: tuple[str, ...]
    trials: int
    programs: tuple[Program, ...]
    shorter: Mapping[str, int] = field(default_factory=dict)

    @property
    def replicates(self) -> int:
        """Networks a trial trains."""
        return load_spec(STUDIES / self.study, self.sets).n_replicates

    def trials_of(self, program: Program) -> int:
        return self.shorter.get(program.name, self.trials)


SWEEP = Program("sweep", "sweep")
SWEEP_ALL = Program("sweep, all cores", "sweep", CORES)
PLAIN = Program("Optuna, plain loop", "plain")
TUNED = Program("Optuna, tuned loop", "tuned")
TUNED_ALL = Program("Optuna, tuned loop, all cores", "tuned", CORES)
RAY = Program("Ray Tune, tuned loop, all cores", "raytune", CORES)
ENSEMBLE = Program("torch.func, fixed grid", "ensemble")
ENSEMBLE_ALL = Program("torch.func, fixed grid, all cores", "ensemble", CORES, CORES)
SCIKIT = Program("scikit-learn, path on a grid", "scikit")
NETWORKS = (SWEEP, PLAIN, TUNED, ENSEMBLE, SWEEP_ALL, TUNED_ALL)


def shorter(plain: int, tuned: int, all_cores: int, ray: int = 0) -> dict[str, int]:
    return {PLAIN.name: plain, TUNED.name: tuned, TUNED_ALL.name: all_cores, RAY.name: ray}


DIGITS = "digits-l2.yaml"
LINEAR = (*SEARCHED, "model.hidden=[]", "training.batch_size=full")
WORKLOADS = (
    Workload("digits (64-32-10), 48 × 8", DIGITS, RANGE, 48, (*NETWORKS, RAY, ENSEMBLE_ALL),
        shorter(3, 6, 10, 10),
    ),
    Workload(
        "hidden 128-128", DIGITS, (*RANGE, "model.hidden=[128,128]"), 24, NETWORKS,
        shorter(3, 5, 8),
    ),
    Workload(
        "hidden 512", DIGITS, (*RANGE, "model.hidden=[512]"), 24, NETWORKS,
        shorter(3, 5, 8),
    ),
    Workload(
        "mnist5k (784-64-10)", "mnist5k-l2.yaml", (*RANGE, "training.epochs=8"), 24, NETWORKS,
        shorter(3, 5, 8),
    ),
    Workload(
        "1,000 short trials", DIGITS, (*RANGE, "replicates.n_folds=3", "training.epochs=5"), 1000,
        NETWORKS, shorter(30, 60, 100),
    ),
    Workload(
        "linear, digits", DIGITS,
        (*LINEAR, "training.epochs=150", "training.lr=5e-2", "training.schedule=cosine",
         "search.space.alpha.low=1e-3", "search.space.alpha.high=1"), 48, (SWEEP, SCIKIT),
    ),
    Workload(
        "linear, diabetes", DIGITS,
        (*LINEAR, "data.source=sklearn:diabetes", "data.task=regression", "data.scale=standard",
         "data.label_noise=0", "training.epochs=100", "training.lr=5e-2",
         "training.schedule=cosine",
         "search.space.alpha.low=1e-4", "search.space.alpha.high=1"), 48, (SWEEP, SCIKIT),
    ),
)  # fmt: skip
# What a search alone costs beside its trainings, as trials become many; too long for the others.
LONG = Workload("digits, 1,000 trials", DIGITS, RANGE, 1000, ())
