"""Small problems for tests: rows and replicates, ready as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from sweep.data.problem import Problem

Replicates = Sequence[tuple[int, int]]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made_up(
    task: str = "classification",
    replicates: Replicates = ((0, 0), (1, 0)),
    shape: tuple[int, ...] = (5,),
    *,
    n: int = 11,
    val_sizes: Sequence[int] = (7, 4),
    dtype: torch.dtype = torch.float64,
    n_outputs: int = 3,
) -> Problem:
    """Draw rows; folds differ in their validation rows, padded as `make_problem` pads."""
    draw = generator(17)
    sizes = [val_sizes[r % len(val_sizes)] for r in range(len(replicates))]
    n_rows = n + max(sizes) + 8
    X = torch.randn(n_rows, *shape, generator=draw, dtype=torch.float64)
    signal = X.flatten(1)[:, :3].sin().sum(1) + 0.3 * torch.randn(n_rows, generator=draw)
    noise = torch.rand(n_rows, generator=draw) < 0.2
    if task == "regression":
        y_clean, y = signal, signal + noise
        n_outputs = 1
    else:
        y_clean = torch.bucketize(signal, torch.linspace(-0.8, 0.8, n_outputs - 1).double())
        y = torch.where(noise, (y_clean + 1) % n_outputs, y_clean)
    train, val = [], []
    for size in sizes:
        rows = torch.randperm(n_rows, generator=draw)
        held_out = rows[:size]
        val.append(torch.cat([held_out, held_out[:1].expand(max(sizes) - size)]))
        train.append(rows[-n:].sort().values)
    return Problem(
        X=X,
        y=y,
        y_clean=y_clean,
        train=torch.stack(train),
        val=torch.stack(val),
        val_size=torch.tensor(sizes),
        y_scale=torch.ones(len(sizes)),
        y_mean=torch.zeros(len(sizes)),
        replicates=tuple(replicates),
        task=task,
        n_outputs=n_outputs,
        feature_shape=shape,
    ).to("cpu", dtype)


def whole(X: Any, y: Any, n_outputs: int) -> Problem:
    """Train one replicate on all rows (n, F), and validate it on the same."""
    rows = torch.arange(len(y))[None]
    numbers = n_outputs == 1 or np.ndim(y) == 2
    target = torch.as_tensor(np.asarray(y, np.float64 if numbers else np.int64))
    return Problem(
        X=torch.as_tensor(np.asarray(X, np.float64)),
        y=target,
        y_clean=target,
        train=rows,
        val=rows,
        val_size=torch.tensor([len(y)]),
        y_scale=torch.ones(1, dtype=torch.float64),
        y_mean=torch.zeros(1, dtype=torch.float64),
        replicates=((0, 0),),
        task="regression" if n_outputs == 1 else "classification",
        n_outputs=n_outputs,
        feature_shape=(X.shape[1],),
    )


def real(name: str, columns: int | None = None) -> Problem:
    """Read a data set of scikit-learn, standardised; all rows train, all rows validate."""
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X = StandardScaler().fit_transform(X[:, :columns])
    if name == "diabetes":
        return whole(X, (y - y.mean()) / y.std(), 1)
    return whole(X, y, int(y.max()) + 1)


def repeated(problem: Problem, replicates: int) -> Problem:
    """Give a problem of one replicate more of them, on the same rows with other seeds."""
    copies: dict[str, Tensor] = {
        name: torch.cat([getattr(problem, name)] * replicates)
        for name in ("train", "val", "val_size", "y_scale", "y_mean")
    }
    keys = tuple((0, seed) for seed in range(replicates))
    return replace(problem, replicates=keys, **copies)  # type: ignore[arg-type]
