"""Splits: which search rows each replicate of a study trains on, and which validate it.

| symbol | meaning |
|---|---|
| R | replicates: folds × repeats × seeds |
| n, m | training rows of a replicate (equal for all); its validation rows |
"""

from __future__ import annotations

import numpy as np

from sweep.data.dataset import Dataset
from sweep.data.folds import all_but, draw_folds, draw_group_folds, draw_rows, draw_share, strata
from sweep.data.given import given_folds
from sweep.data.lopsided import what_is_wrong
from sweep.errors import UsageError
from sweep.spec.seeds import derive
from sweep.spec.splits import is_given
from sweep.spec.study import StudySpec

DRAWS = 20  # of whole groups, until each fold leaves every class and enough rows to train on

Split = tuple[np.ndarray, np.ndarray]  # training rows (n,), validation rows (m,)


def split_rows(
    spec: StudySpec, dataset: Dataset, partition: int = 0
) -> tuple[tuple[tuple[int, int], ...], list[Split]]:
    """Name the replicates, and choose the rows of each: equally many to train on.

    Args:
        spec: the study.
        dataset: its search rows.
        partition: which of the ways to divide the rows into folds; 0 is the one that the search
            chooses by, any other is independent of it.

    Returns:
        (fold, seed index) of each replicate, seeds running fastest; and the rows of each. The
        replicates of a fold have the same validation rows. Repeats divide the rows anew; their
        folds are counted through, so that no two draw the same rows or first weights.

    Raises:
        UsageError: in one line, when the rows do not allow the splits asked for.
    """
    labels = strata(dataset.y, dataset.classes)
    seed = partition_seed(spec.seed, partition)
    if is_given(spec):
        given = given_folds(spec, dataset, labels)
        pools, vals = [pool for pool, _ in given], [val for _, val in given]
    else:
        _check_scheme(spec, dataset)
        _check_folds(spec, dataset, labels)
        vals = [
            val
            for repeat in range(spec.replicates.n_repeats)
            for val in _validation_rows(spec, dataset, labels, _repeat_seed(seed, repeat))
        ]
        pools = [all_but(val, len(labels)) for val in vals]
    most = min(map(len, pools))  # groups may leave another partition with fewer
    n = min(spec.data.train_rows or most, most) if partition else _n_train(spec, dataset, most)
    replicates = tuple(
        (fold, index) for fold in range(len(vals)) for index in range(spec.replicates.n_seeds)
    )
    trains = [
        pools[fold][
            draw_rows(labels[pools[fold]], n, derive(seed, "rows", fold, index), every_class=True)
        ]
        for fold, index in replicates
    ]
    _check_targets(spec, dataset, trains)
    return replicates, [
        (train, vals[fold]) for train, (fold, _) in zip(trains, replicates, strict=True)
    ]


def partition_seed(study_seed: int, partition: int) -> int:
    """Return the seed that folds, first weights and orders of rows of a partition derive from."""
    return derive(study_seed, "partition", partition) if partition else study_seed


def _repeat_seed(seed: int, repeat: int) -> int:
    """Return the seed that one repeat's folds derive from: the first has the partition's own."""
    return derive(seed, "repeat", repeat) if repeat else seed


def _n_train(spec: StudySpec, dataset: Dataset, most: int) -> int:
    n, classes = spec.data.train_rows or most, len(dataset.classes)
    if n > most:
        raise UsageError(
            f"data.train_rows: must be at most {most}, what the smallest replicate has to train "
            f"on, got {n} ({spec.data.source}). Lower it"
        )
    if n < classes:
        raise UsageError(
            f"data.train_rows: must be at least {classes}, one row of each class, got {n} "
            f"({spec.data.source}). Raise it"
        )
    return n


def _check_targets(spec: StudySpec, dataset: Dataset, trains: list[np.ndarray]) -> None:
    """Refuse numbers that are all the same where a replicate trains: there is nothing to learn."""
    for train in () if dataset.classes else trains:
        y = dataset.y[train].reshape(len(train), -1)
        for place in np.flatnonzero((y == y[0]).all(0)).tolist():
            drawn = spec.data.train_rows is not None
            hint = "Raise data.train_rows" if drawn else "Add rows with other targets"
            which = dataset.name_of(place)
            raise UsageError(
                f"data.target: must vary among the rows that each replicate trains on, got "
                f"{y[0, place]:g} in all {len(y)} of one{which} ({spec.data.source}). {hint}"
            )


def _check_scheme(spec: StudySpec, dataset: Dataset) -> None:
    """Refuse a scheme that the source's groups, or their lack, do not allow."""
    scheme, has_groups = spec.replicates.scheme, dataset.groups is not None
    if scheme is not None and (scheme == "group") != has_groups:
        got = f"{scheme} for rows with{'' if has_groups else 'out'} groups"
        hint = "Use group" if has_groups else "Return groups, or name their column in data.groups"
        raise UsageError(
            f"replicates.scheme: must be group where there are groups, and only there, got {got}"
            f" ({spec.data.source}). {hint}"
        )


def _check_folds(spec: StudySpec, dataset: Dataset, labels: np.ndarray) -> None:
    n_folds, limits = spec.replicates.n_folds, {"rows": len(labels)}
    if dataset.classes and n_folds > 1:
        counts = np.bincount(labels)
        limits[f"rows of class {dataset.classes[counts.argmin()]!r}"] = counts.min()
    if dataset.groups is not None:
        limits["groups"] = len(np.unique(dataset.groups))
    what = min(limits, key=lambda name: limits[name])
    has, needs = limits[what], max(2, n_folds)
    if has < needs:
        raise UsageError(
            f"replicates.n_folds: must have {needs} {what} outside the test rows, got {has} "
            f"({spec.data.source}). {f'Use at most {has} folds' if has > 1 else 'Add more'}"
        )


def _validation_rows(
    spec: StudySpec, dataset: Dataset, labels: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Draw the validation rows of each fold; whole groups again if chance dealt them badly."""
    again = 0
    while True:
        key = (again,) if again else ()
        vals = _draw_folds(spec, dataset, labels, derive(seed, "folds", *key))
        wrong = what_is_wrong(spec, dataset, labels, vals)
        if wrong is None:
            return vals
        again += 1
        if dataset.groups is None or again == DRAWS:
            raise UsageError(wrong)


def _draw_folds(
    spec: StudySpec, dataset: Dataset, labels: np.ndarray, seed: int
) -> list[np.ndarray]:
    n_folds, groups = spec.replicates.n_folds, dataset.groups
    if n_folds == 1:
        return [draw_share(labels, groups, spec.replicates.holdout, seed)]
    if groups is None:
        stratified = bool(dataset.classes) and spec.replicates.scheme != "kfold"
        return draw_folds(labels, n_folds, seed, stratified=stratified)
    return draw_group_folds(labels, groups, n_folds, seed, stratified=bool(dataset.classes))
