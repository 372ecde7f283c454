"""The plain script after a day of tuning: everything short of training networks side by side.

No DataLoader: an epoch's rows are permuted once and cut. The penalty is the optimiser's own
weight_decay (2·alpha), Adam is fused, validation losses stay tensors until the end, reports go
into one attribute of the trial, SQLite writes ahead (WAL). `--processes P` shares the study
among P processes, each with its own `study.optimize`.
"""

from __future__ import annotations

import multiprocessing
from typing import Any

import optuna
import torch
from optuna.storages import RDBStorage
from sqlalchemy import event
from torch import Tensor

from tests.benchmarks.job import Job, network, read_job


def train(job: Job, r: int, alpha: float) -> Tensor:
    """Return the validation loss after each epoch, (E,)."""
    x, y, x_val, y_val = job.rows(r)
    model = network(job)
    weights = [p for p in model.parameters() if p.ndim == 2]
    biases = [p for p in model.parameters() if p.ndim == 1]
    groups: list[dict[str, Any]] = [
        {"params": weights, "weight_decay": 2 * alpha},
        {"params": biases},
    ]
    optimizer = torch.optim.Adam(groups, lr=job.lr, fused=True)
    val_losses = torch.empty(job.epochs)
    for epoch in range(job.epochs):
        for group in optimizer.param_groups:
            group["lr"] = job.rate(epoch)
        order = torch.randperm(len(x))
        batches = zip(x[order].split(job.batch), y[order].split(job.batch), strict=True)
        for x_batch, y_batch in batches:
            optimizer.zero_grad(set_to_none=True)
            job.loss(model(x_batch), y_batch).backward()
            optimizer.step()
        with torch.inference_mode():
            val_losses[epoch] = job.loss(model(x_val), y_val)
    return val_losses


def open_storage(url: str) -> RDBStorage:
    """Open SQLite with a write-ahead log."""
    storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})

    @event.listens_for(storage.engine, "connect")
    def set_pragmas(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    storage.engine.dispose()  # the connections that are open have no log yet
    return storage


def work(job: Job, place: int) -> None:
    """Run one process's part of the trials."""
    torch.manual_seed(job.seed + place)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=job.seed + place, constant_liar=job.processes > 1)
    study = optuna.load_study(
        study_name="tuned", storage=open_storage(job.storage), sampler=sampler
    )

    def objective(trial: optuna.Trial) -> float:
        alpha = trial.suggest_float("alpha", job.low, job.high, log=True)
        curve = torch.stack([train(job, r, alpha) for r in job.replicates]).mean(0).tolist()
        trial.set_user_attr("curve", curve)
        return float(curve[-1])

    share = len(range(place, job.trials, job.processes))
    study.optimize(objective, n_trials=share)


def main() -> None:
    job = read_job()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    optuna.create_study(study_name="tuned", storage=open_storage(job.storage))
    context = multiprocessing.get_context("fork")
    helpers = [context.Process(target=work, args=(job, p)) for p in range(1, job.processes)]
    for helper in helpers:
        helper.start()
    work(job, 0)
    for helper in helpers:
        helper.join()
        assert not helper.exitcode


if __name__ == "__main__":
    main()
