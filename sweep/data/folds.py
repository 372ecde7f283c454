"""Rows drawn by chance: stratified by class, or in whole groups.

| symbol | meaning |
|---|---|
| N | rows drawn from |
| labels | (N,) int64 what draws are stratified by: class index, or 0 for all |
| groups | (N,) int64; rows of one group are never split |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def strata(y: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Return labels (N,) of targets: the class, or 0 for all where there are no classes."""
    return y if classes else np.zeros(len(y), dtype=np.int64)


def all_but(rows: np.ndarray, n: int) -> np.ndarray:
    """Return which of n rows are not among `rows`, in order."""
    rest = np.ones(n, dtype=bool)  # np.setdiff1d hashes each row, and takes 20 times as long
    rest[rows] = False
    return np.flatnonzero(rest)


def lost_labels(labels: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Return which labels are not among some of them, in order."""
    has, left = (np.bincount(part, minlength=labels.max() + 1) for part in (labels, some))
    return np.flatnonzero((has > 0) & (left == 0))


def draw_rows(labels: np.ndarray, n: int, seed: int, *, every_class: bool = False) -> np.ndarray:
    """Draw n rows (n,), in order, each class within one row of its share.

    Args:
        labels: (N,) classes of the rows drawn from.
        n: rows to draw.
        seed: of the draw.
        every_class: whether a class whose share is less than a row gets one all the same, from
            the class with the most; n is then at least the number of classes.
    """
    if n == len(labels):
        return np.arange(n)
    generator, counts = np.random.default_rng(seed), np.bincount(labels)
    quotas, remainders = np.divmod(counts * n, len(labels))
    largest = np.lexsort((generator.random(len(counts)), -remainders))
    quotas[largest[: n - quotas.sum()]] += 1
    if every_class:
        _give_each_a_row(quotas, counts)
    shuffled = generator.permutation(len(labels))
    classes = labels[shuffled]
    drawn = [shuffled[classes == c][:quota] for c, quota in enumerate(quotas)]
    return np.sort(np.concatenate(drawn))


def draw_share(
    labels: np.ndarray, groups: np.ndarray | None, fraction: float, seed: int
) -> np.ndarray:
    """Draw a share of rows, in order: stratified, or in whole groups; never all of them."""
    if not fraction:
        return np.arange(0)
    if groups is not None:
        return np.flatnonzero(np.isin(groups, _draw_groups(labels, groups, fraction, seed)))
    wanted = max(1, round(fraction * len(labels)))
    return draw_rows(labels, min(wanted, len(labels) - 1), seed)


def draw_folds(labels: np.ndarray, n_folds: int, seed: int, stratified: bool) -> list[np.ndarray]:
    """Draw the rows of each fold, in order, as scikit-learn's KFold or StratifiedKFold does."""
    generator = np.random.RandomState(seed % 2**32)
    if not stratified:
        parts = np.array_split(generator.permutation(len(labels)), n_folds)
        return [np.sort(part) for part in parts]
    fold, dealt = np.empty(len(labels), dtype=np.int64), 0
    for label in dict.fromkeys(labels.tolist()):  # in order of appearance
        rows = np.flatnonzero(labels == label)
        folds = np.sort(np.arange(dealt, dealt + len(rows)) % n_folds)
        generator.shuffle(folds)
        fold[rows] = folds
        dealt += len(rows)
    return [np.flatnonzero(fold == k) for k in range(n_folds)]


def draw_group_folds(
    labels: np.ndarray, groups: np.ndarray, n_folds: int, seed: int, stratified: bool
) -> list[np.ndarray]:
    """Draw the rows of each fold, in order, in whole groups; none of the folds is empty."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    def split(kind: Callable[..., Any]) -> list[np.ndarray]:
        folds = kind(n_folds, shuffle=True, random_state=seed % 2**32)
        return [val for _, val in folds.split(labels, labels, groups)]

    vals = split(StratifiedGroupKFold if stratified else GroupKFold)
    # With as many folds as groups a fold may stay empty: scikit-learn issue #34828.
    return vals if all(map(len, vals)) else split(GroupKFold)


def _give_each_a_row(quotas: np.ndarray, counts: np.ndarray) -> None:
    """Move a row to each class that has rows and would be left out; in place."""
    for label in np.flatnonzero((quotas == 0) & (counts > 0)):
        quotas[quotas.argmax()] -= 1
        quotas[label] = 1


def _draw_groups(labels: np.ndarray, groups: np.ndarray, fraction: float, seed: int) -> list[int]:
    """Draw groups as long as each brings the rows of the classes nearer to their share."""
    sizes = np.zeros((groups.max() + 1, labels.max() + 1))
    np.add.at(sizes, (groups, labels), 1)
    order = np.random.default_rng(seed).permutation(np.unique(groups))
    missing, drawn = fraction * sizes.sum(0), []
    for group in order[:-1]:
        if np.abs(missing - sizes[group]).sum() < np.abs(missing).sum():
            missing = missing - sizes[group]
            drawn.append(int(group))
    return drawn or [int(min(order, key=lambda group: sizes[group].sum()))]
