"""The script one would write without this project: Optuna and a plain PyTorch loop.

One network at a time, as in Optuna's own PyTorch example: a DataLoader, the penalty added to
the loss, validation once an epoch and its loss reported to the study, SQLite. `--tensors`
replaces the DataLoader by indexing tensors, the first thing one does when it is too slow.

Usage: python -m tests.benchmarks.plain STUDY.yaml STORAGE [--tensors] [--trials N]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from sweep.data import Problem, load_dataset, make_problem
from sweep.spec import MlpSpec
from sweep.studyfile import load_spec


def network(n_features: int, hidden: tuple[int, ...], n_outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for units in hidden:
        layers += [nn.Linear(n_features, units), nn.ReLU()]
        n_features = units
    return nn.Sequential(*layers, nn.Linear(n_features, n_outputs))


class Batches:
    """Batches of tensors in a new order each epoch, without a DataLoader."""

    def __init__(self, x: Tensor, y: Tensor, size: int):
        self.x, self.y, self.size = x, y, size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.randperm(len(self.x)).split(self.size):
            yield self.x[rows], self.y[rows]


def train(
    problem: Problem, r: int, hidden: tuple[int, ...], alpha: float, lr: float, size: int,
    epochs: int, tensors: bool,
) -> list[float]:  # fmt: skip
    """Return the validation loss after each epoch."""
    train_rows, val_rows = problem.train[r], problem.val[r, : int(problem.val_size[r])]
    x, y = problem.X[train_rows], problem.y[train_rows]
    x_val, y_val = problem.X[val_rows], problem.y_clean[val_rows]
    loader = (
        Batches(x, y, size)
        if tensors
        else DataLoader(TensorDataset(x, y), batch_size=size, shuffle=True)
    )
    model = network(x.shape[1], hidden, problem.n_outputs)
    optimizer, loss_of = torch.optim.Adam(model.parameters(), lr=lr), nn.CrossEntropyLoss()
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    val_losses = []
    for _ in range(epochs):
        model.train()
        for x_batch, y_batch in loader:
            optimizer.zero_grad()
            loss = loss_of(model(x_batch), y_batch)
            loss = loss + alpha * sum(w.square().sum() for w in weights)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val_losses.append(float(loss_of(model(x_val), y_val)))
    return val_losses


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("study", type=Path)
    parser.add_argument("storage")
    parser.add_argument("--tensors", action="store_true")
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--set", action="append", default=[])
    args = parser.parse_args()
    spec = load_spec(args.study, args.set)
    assert isinstance(spec.model, MlpSpec) and isinstance(spec.training.batch_size, int)
    hidden, size = spec.model.hidden, spec.training.batch_size
    problem = make_problem(spec, load_dataset(spec.data, spec.folder, spec.seed))
    torch.set_num_threads(1)
    torch.manual_seed(0)

    def objective(trial: optuna.Trial) -> float:
        alpha = trial.suggest_float("alpha", 1e-5, 1e-1, log=True)
        curves = [
            train(problem, r, hidden, alpha, spec.training.lr, size, spec.training.epochs,
                  args.tensors)
            for r in range(len(problem.replicates))
        ]  # fmt: skip
        means: list[float] = [sum(epoch) / len(epoch) for epoch in zip(*curves, strict=True)]
        for epoch, mean in enumerate(means, 1):
            trial.report(mean, epoch)
        return means[-1]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="plain", storage=args.storage, sampler=optuna.samplers.TPESampler(seed=0)
    )
    study.optimize(objective, n_trials=args.trials)
    json.dump({"best_value": study.best_value, "best_params": study.best_params}, sys.stdout)


if __name__ == "__main__":
    main()
