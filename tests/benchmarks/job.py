"""What the scripts that `sweep` is compared with have in common: the same work, from one file.

Each is run as `python -m tests.benchmarks.NAME STUDY.yaml STORAGE --trials N [--set a.b=c]`:
rows, splits, network, epochs, batch, learning rate and range of alpha are the study's. With
`--device` the rows go to that device once, as they are read, and networks are made there.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from sweep.data.dataset import load_dataset
from sweep.data.problem import Problem, make_problem
from sweep.spec.files import load_spec
from sweep.spec.sections import MlpSpec


class Trial(NamedTuple):
    """One trial as it ended; times in seconds since 1970."""

    alpha: float
    value: float
    began: float
    ended: float


@dataclass(frozen=True)
class Job:
    """A study as plain values."""

    problem: Problem
    hidden: tuple[int, ...]
    epochs: int
    batch: int
    lr: float
    cosine: bool
    low: float
    high: float
    trials: int
    processes: int
    storage: str
    seed: int

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, the first being 0."""
        turn = 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))
        return self.lr * turn if self.cosine else self.lr

    @property
    def device(self) -> torch.device:
        return self.problem.X.device

    @property
    def replicates(self) -> range:
        return range(len(self.problem.replicates))

    def rows(self, r: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return a replicate's training and validation rows: x, y, x, y."""
        problem = self.problem
        train, val = problem.train[r], problem.val[r, : int(problem.val_size[r])]
        return problem.X[train], problem.y[train], problem.X[val], problem.y_clean[val]

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of outputs (B, C) at targets (B,)."""
        if self.problem.task == "regression":
            return mse_loss(outputs[:, 0], targets)
        return cross_entropy(outputs, targets)


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("study", type=Path)
    parser.add_argument("storage")
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", action="append", default=[])
    return parser.parse_args(arguments)


def read_job(arguments: Sequence[str] | None = None) -> Job:
    """Read the command line and the data it names."""
    args = read_arguments(arguments)
    spec = load_spec(args.study, args.set)
    held = make_problem(spec, load_dataset(spec.data, spec.folder, spec.seed))
    # The sizes stay on the host, which reads them: each reading would wait for the device.
    problem = replace(held.to(args.device, held.X.dtype), val_size=held.val_size)
    assert isinstance(spec.model, MlpSpec)
    alpha, training, rows = spec.search.space.alpha, spec.training, problem.train.shape[1]
    return Job(
        problem=problem,
        hidden=spec.model.hidden,
        epochs=training.epochs,
        batch=rows if training.batch_size == "full" else training.batch_size,
        lr=training.lr,
        cosine=training.schedule == "cosine",
        low=float(alpha.low),
        high=float(alpha.high),
        trials=args.trials,
        processes=args.processes,
        storage=args.storage,
        seed=spec.seed,
    )


def network(job: Job) -> nn.Sequential:
    """Make one network on the job's device; its weights are drawn on the host."""
    layers: list[nn.Module] = []
    fan_in = job.problem.X.shape[1]
    for units in job.hidden:
        layers += [nn.Linear(fan_in, units), nn.ReLU()]
        fan_in = units
    return nn.Sequential(*layers, nn.Linear(fan_in, job.problem.n_outputs)).to(job.device)


def write_trials(trials: Sequence[Trial]) -> None:
    """Print what a script without an Optuna storage has found."""
    json.dump({"trials": trials}, sys.stdout)
