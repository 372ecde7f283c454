"""The script one would write without this project: Optuna and a plain PyTorch loop.

One network at a time, as in Optuna's own PyTorch example: a DataLoader, the penalty added to
the loss, validation once an epoch and its loss reported to the study, SQLite.
"""

from __future__ import annotations

import optuna
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.benchmarks.job import Job, network, read_job


def train(job: Job, r: int, alpha: float) -> list[float]:
    """Return the validation loss after each epoch."""
    x, y, x_val, y_val = job.rows(r)
    loader = DataLoader(TensorDataset(x, y), batch_size=job.batch, shuffle=True)
    model, loss_of = network(job), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=job.lr)
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    val_losses = []
    for epoch in range(job.epochs):
        optimizer.param_groups[0]["lr"] = job.rate(epoch)
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
    job = read_job()
    torch.set_num_threads(1)
    torch.manual_seed(job.seed)

    def objective(trial: optuna.Trial) -> float:
        alpha = trial.suggest_float("alpha", job.low, job.high, log=True)
        curves = [train(job, r, alpha) for r in job.replicates]
        means: list[float] = [sum(epoch) / len(epoch) for epoch in zip(*curves, strict=True)]
        for epoch, mean in enumerate(means, 1):
            trial.report(mean, epoch)
        return means[-1]

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="plain", storage=job.storage, sampler=optuna.samplers.TPESampler(seed=job.seed)
    )
    study.optimize(objective, n_trials=job.trials)


if __name__ == "__main__":
    main()
