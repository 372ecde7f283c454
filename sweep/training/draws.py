"""What each replicate draws for its training: from its own seeds, whatever trial it belongs to.

| symbol | meaning |
|---|---|
| R, E | replicates of a trial, epochs |
| n | rows a replicate trains on |
"""

from __future__ import annotations

import torch
from torch import Tensor

from sweep.data.problem import Problem
from sweep.spec.seeds import derive


def seed_of(problem: Problem, seed: int, stream: str, replicate: int, *key: int) -> int:
    """Return the seed of one thing that a replicate draws, such as its first weights."""
    return derive(seed, stream, *problem.replicates[replicate], *key)


def keys(problem: Problem, seed: int, stream: str) -> Tensor:
    """Return every replicate's key for bits that are hashed, (R,) on the problem's device."""
    found = [seed_of(problem, seed, stream, r) for r in range(len(problem.replicates))]
    return torch.tensor(found).to(problem.X.device)


def orders(problem: Problem, seed: int, epochs: int) -> Tensor:
    """Draw the rows of every epoch of every replicate, (R, E, n) on the problem's device."""
    train, generator = problem.train.cpu(), torch.Generator()
    found = torch.empty(len(train), epochs, train.shape[1], dtype=torch.int64)
    for r, rows in enumerate(train):
        for epoch in range(epochs):
            generator.manual_seed(seed_of(problem, seed, "order", r, epoch))
            found[r, epoch] = rows[torch.randperm(len(rows), generator=generator)]
    return found.to(problem.X.device)
