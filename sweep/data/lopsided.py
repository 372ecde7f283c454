"""Divisions of rows into folds that leave too little to train on, and what to do about them."""

from __future__ import annotations

import math

import numpy as np

from sweep.data.dataset import Dataset
from sweep.spec.study import StudySpec

SHOWN = 3  # groups that a message names


def what_is_wrong(
    spec: StudySpec, dataset: Dataset, labels: np.ndarray, vals: list[np.ndarray]
) -> str | None:
    """Say in one line why rows may not be divided so, or nothing where they may.

    A class would be missing where a fold trains, or one group would leave too few rows there.

    Args:
        spec: the study.
        dataset: its search rows.
        labels: (N,) their classes; 0 for all where targets are numbers.
        vals: the validation rows of each fold.
    """
    counts = np.bincount(labels)
    held = np.array([np.bincount(labels[val], minlength=len(counts)) for val in vals])
    lost = np.flatnonzero(((held == counts) & (counts > 0)).any(0))
    if len(lost):
        return _lost_class(spec, dataset, labels == lost[0], dataset.classes[lost[0]])
    return None if dataset.groups is None else _lopsided(spec, dataset, dataset.groups, vals)


def _lost_class(spec: StudySpec, dataset: Dataset, of_class: np.ndarray, name: str) -> str:
    if dataset.groups is None:
        return (
            f"replicates.holdout: must leave rows of every class to train on, got "
            f"{spec.replicates.holdout:g}, which leaves none of {name!r} ({spec.data.source}). "
            "Lower it, or add rows of that class"
        )
    names = [_group_name(dataset, group) for group in np.unique(dataset.groups[of_class])]
    where = f"group{'s' * (len(names) > 1)} {', '.join(names[:SHOWN])}"
    return (
        f"data.groups: every class must have rows in more folds than one, got class {name!r} in "
        f"{where} alone ({spec.data.source}). Drop or merge the class, or add groups that have it"
    )


def _lopsided(
    spec: StudySpec, dataset: Dataset, groups: np.ndarray, vals: list[np.ndarray]
) -> str | None:
    """Say that a group is so large that it leaves less than half of what even folds would."""
    n, n_folds = len(groups), spec.replicates.n_folds
    share = 1 / n_folds if n_folds > 1 else spec.replicates.holdout
    sizes = np.bincount(groups)
    largest, source = _group_name(dataset, int(sizes.argmax())), spec.data.source
    most, fewest = max(map(len, vals)), min(map(len, vals))
    if spec.data.train_rows is None and n - most < n * (1 - share) / 2:
        return (
            f"data.groups: must leave each fold {math.ceil(n * (1 - share) / 2)} rows or more to "
            f"train on, half of what even folds would, got {n - most}, as group {largest} "
            f"has {sizes.max()} of {n} ({source}). Split or drop that group, or set "
            "data.train_rows"
        )
    if n_folds == 1 and fewest < n * share / 2:
        return (
            f"replicates.holdout: must hold out {math.ceil(n * share / 2)} rows or more, half of "
            f"what it asks for, got {fewest} in whole groups, of which {largest} has "
            f"{sizes.max()} rows ({source}). Split or drop that group"
        )
    return None


def _group_name(dataset: Dataset, group: int) -> str:
    return repr(dataset.group_names[group] if dataset.group_names else str(group))
