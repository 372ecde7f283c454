"""What each replicate draws for its training: from its own seeds, whatever trial it belongs to.

| symbol | meaning |
|---|---|
| R, E | replicates of a trial, epochs |
| n | rows a replicate trains on |
| L, B | lanes, rows of a batch |
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

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


class Orders(ABC):
    """The order of rows in every epoch of every replicate: it follows from their seeds alone."""

    @staticmethod
    def of(problem: Problem, seed: int, epochs: int) -> Orders:
        """Draw them all at once; or where rows are read from a file, each when it is wanted."""
        if problem.streamed is None:
            return _Drawn(problem, seed, epochs)
        return _Seekable(problem, seed)

    @abstractmethod
    def batches(self, replicates: Tensor, epochs: Tensor, size: int) -> Iterable[Tensor]:
        """Return an epoch in batches of at most `size` rows: rows of X, (L, B) each.

        Args:
            replicates, epochs: of each lane, (L,).
            size: rows of a batch.
        """


class _Drawn(Orders):
    """All orders, (R, E, n) on the problem's device."""

    def __init__(self, problem: Problem, seed: int, epochs: int):
        train = problem.train.cpu()
        found = torch.empty(len(train), epochs, train.shape[1], dtype=torch.int64)
        for r, rows in enumerate(train):
            for epoch in range(epochs):
                found[r, epoch] = rows[_order(problem, seed, r, epoch).long()]
        self._rows = found.to(problem.X.device)

    def batches(self, replicates: Tensor, epochs: Tensor, size: int) -> Iterable[Tensor]:
        rows: Tensor = self._rows[replicates, epochs]
        return [*rows.split(size, dim=1)]


class _Seekable(Orders):
    """The orders that lanes are at, on the host: there may be more rows than memory for all."""

    def __init__(self, problem: Problem, seed: int):
        self._problem, self._seed = problem, seed
        self._train = problem.train.cpu()
        self._held: dict[tuple[int, int], Tensor] = {}

    def batches(self, replicates: Tensor, epochs: Tensor, size: int) -> Iterable[Tensor]:
        at = [*zip(replicates.tolist(), epochs.tolist(), strict=True)]
        self._held = {  # which frees those that no lane is at any more
            pair: self._held[pair] if pair in self._held else self._draw(*pair)
            for pair in dict.fromkeys(at)
        }
        for start in range(0, self._train.shape[1], size):
            rows = {
                (r, epoch): self._train[r, order[start : start + size].long()]
                for (r, epoch), order in self._held.items()
            }
            yield torch.stack([rows[pair] for pair in at]).to(self._problem.X.device)

    def _draw(self, replicate: int, epoch: int) -> Tensor:
        return _order(self._problem, self._seed, replicate, epoch)


def _order(problem: Problem, seed: int, replicate: int, epoch: int) -> Tensor:
    """Draw the order of a replicate's training rows in an epoch, (n,) int32."""
    generator = torch.Generator()
    generator.manual_seed(seed_of(problem, seed, "order", replicate, epoch))
    n = problem.train.shape[1]
    return torch.randperm(n, generator=generator, dtype=torch.int32)
