"""Splits that are not drawn: windows of time, and folds of the user's own.

| symbol | meaning |
|---|---|
| N | search rows |
| order | (N,) int64 places in time; equal for rows of one moment |
| folds | (N,) int64 the fold that validates on a row; -1: none |
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sweep.data.dataset import Dataset
from sweep.data.folds import lost_labels
from sweep.errors import UsageError
from sweep.spec.splits import scheme_of
from sweep.spec.study import StudySpec

Pools = list[tuple[np.ndarray, np.ndarray]]  # of each fold: rows to train on, validation rows


def given_folds(spec: StudySpec, dataset: Dataset, labels: np.ndarray) -> Pools:
    """Return the rows that each fold may train on, and those that it validates on.

    Raises:
        UsageError: in one line, when the rows do not allow the folds asked for.
    """
    if dataset.groups is not None:
        raise UsageError(
            f"data.groups: must be null where the folds are given, got groups"
            f" ({spec.data.source}). Leave them out, or have the folds drawn"
        )
    pools = _windows(spec, dataset) if scheme_of(spec) == "time" else _own(spec, dataset)
    for fold, (pool, _) in enumerate(pools):
        lost = lost_labels(labels, labels[pool])
        if len(lost):
            key = "replicates.scheme" if scheme_of(spec) == "time" else _key(spec)
            raise UsageError(
                f"{key}: every class must have rows to train on in each fold, got none of"
                f" {dataset.classes[lost[0]]!r} in fold {fold} ({spec.data.source}). Use other"
                " folds, or drop the class"
            )
    return pools


def _windows(spec: StudySpec, dataset: Dataset) -> Pools:
    """Divide the later half of the rows into windows, each with all rows before it to train on.

    One window is the last share `holdout` of the rows.
    """
    n_folds, order = spec.replicates.n_folds, dataset.order
    assert order is not None
    n = len(order)
    first = n - max(1, round(spec.replicates.holdout * n)) if n_folds == 1 else n // 2
    places = first + np.arange(n_folds + 1) * (n - first) // n_folds
    moments = [*np.sort(order)[places[:-1]], order.max() + 1]
    pools = [
        (np.flatnonzero(order < first), np.flatnonzero((order >= first) & (order < end)))
        for first, end in pairwise(moments)
    ]
    empty = [fold for fold, (pool, val) in enumerate(pools) if not len(val) or len(pool) < 2]
    if empty:
        raise UsageError(
            f"replicates.n_folds: must be windows with rows in each and before it, got none in"
            f" fold {empty[0]} of {n_folds} ({n} rows outside the test rows, {spec.data.source})."
            " Use fewer folds"
        )
    return pools


def _own(spec: StudySpec, dataset: Dataset) -> Pools:
    folds, n_folds = dataset.folds, spec.replicates.n_folds
    assert folds is not None
    n_own = int(folds.max()) + 1
    if n_own != n_folds:
        raise UsageError(
            f"replicates.n_folds: must be {n_own}, as many as data.{_key(spec)[5:]} names, got"
            f" {n_folds} ({spec.data.source}). Set it to {n_own}"
        )
    pools = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(n_folds)]
    if not all(len(pool) > 1 and len(val) for pool, val in pools):
        raise UsageError(
            f"{_key(spec)}: must leave rows to train and to validate on in each fold, got"
            f" {[(len(pool), len(val)) for pool, val in pools]} ({spec.data.source}). Mend it"
        )
    return pools


def _key(spec: StudySpec) -> str:
    return f"data.{spec.data.given_by}"
