"""Replicates split the search rows: stratified, groups kept whole, equally many to train on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

from sweep.data.dataset import Dataset
from sweep.data.replicates import split_rows
from sweep.errors import UsageError
from sweep.spec.study import StudySpec
from tests.support.datasets import CLASSES, PROPERTY, SPLITS, numbered, study


@PROPERTY
@given(y=CLASSES, spec=SPLITS)
def test_replicates_split_the_search_rows(y: np.ndarray, spec: StudySpec) -> None:
    replicates, splits = split_rows(spec, numbered(y))
    trains, vals = zip(*splits, strict=True)
    (n_folds, n_repeats), n_seeds = spec.replicates.folds, spec.replicates.n_seeds
    folds = range(n_folds * n_repeats)
    assert replicates == tuple((f, s) for f in folds for s in range(n_seeds))
    for train, val in zip(trains, vals, strict=True):
        assert not set(train) & set(val)
        assert len(set(train)) == len(train) and len(set(val)) == len(val)
    for r, (fold, _) in enumerate(replicates):
        np.testing.assert_array_equal(vals[r], vals[fold * n_seeds])  # the same for all seeds
    for repeat in range(n_repeats if n_folds > 1 else 0):
        of_repeat = vals[::n_seeds][repeat * n_folds : (repeat + 1) * n_folds]
        assert sorted(np.concatenate(of_repeat)) == list(range(len(y)))
    assert {len(train) for train in trains} == {min(len(y) - len(val) for val in vals)}


@PROPERTY
@given(y=CLASSES, spec=SPLITS, share=st.floats(0.2, 1))
def test_splits_are_stratified_within_one_row(
    y: np.ndarray, spec: StudySpec, share: float
) -> None:
    most = len(split_rows(spec, numbered(y))[1][0][0])
    rows = max(3, int(share * most))
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"train_rows": rows})})
    n_folds = spec.replicates.n_folds
    for train, val in split_rows(spec, numbered(y))[1]:
        pool = np.setdiff1d(np.arange(len(y)), val)
        assert len(train) == rows
        held, kept, drawn = (np.bincount(y[part], minlength=3) for part in (val, pool, train))
        wanted = (held + kept) * (1 / n_folds if n_folds > 1 else len(val) / len(y))
        assert (np.abs(held - wanted) <= 1).all()
        shares = kept * rows / len(pool)
        assert drawn.min() > 0
        assert (np.abs(drawn - shares) <= 1).all() or shares.min() < 1


@PROPERTY
@given(
    y=CLASSES,
    spec=SPLITS,
    numbers=st.lists(st.integers(0, 9), min_size=72, max_size=72),
    task=st.sampled_from(["classification", "regression"]),
)
def test_groups_are_never_split(
    y: np.ndarray, spec: StudySpec, numbers: list[int], task: str
) -> None:
    groups = np.array([*range(8), *numbers])[: len(y)]
    rows = numbered(y if task == "classification" else y.astype(float), groups)
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"task": task})})
    try:
        splits = split_rows(spec, rows)[1]
    except UsageError as error:  # too large a group, or a class of one group
        assert "data.groups: " in str(error) or "in whole groups" in str(error)
        return
    for train, val in splits:
        assert not set(groups[train]) & set(groups[val])
        assert len(val)
        assert set(rows.y[train]) == set(rows.y) or task == "regression"


@PROPERTY
@given(n=st.integers(8, 60), spec=SPLITS)
def test_folds_of_a_regression_are_equal_within_one_row(n: int, spec: StudySpec) -> None:
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"task": "regression"})})
    sizes = [len(val) for _, val in split_rows(spec, numbered(np.linspace(0, 1, n)))[1]]
    assert max(sizes) - min(sizes) <= 1


def test_one_fold_validates_on_the_holdout() -> None:
    spec = study(n_folds=1, n_seeds=3, holdout=0.3)
    splits = split_rows(spec, numbered([0, 1] * 20))[1]
    assert [(len(train), len(val)) for train, val in splits] == [(28, 12)] * 3


def test_seeds_draw_different_training_rows_of_the_same_folds() -> None:
    splits = split_rows(study(n_seeds=2, train_rows=20), numbered([0, 1] * 20))[1]
    trains, vals = zip(*splits, strict=True)
    assert set(trains[0]) != set(trains[1])
    np.testing.assert_array_equal(vals[0], vals[1])


@PROPERTY
@given(y=CLASSES, spec=SPLITS, partition=st.integers(1, 3))
def test_another_partition_divides_the_same_rows_in_another_way(
    y: np.ndarray, spec: StudySpec, partition: int
) -> None:
    rows, n_seeds = numbered(y), spec.replicates.n_seeds
    replicates, first = split_rows(spec, rows)
    names, others = split_rows(spec, rows, partition)
    assert names == replicates
    assert {len(train) for train, _ in others} == {len(train) for train, _ in first}
    if spec.replicates.n_folds > 1:
        vals = [val for _, val in others[::n_seeds][: spec.replicates.n_folds]]
        assert sorted(np.concatenate(vals)) == list(range(len(y)))


def test_partitions_and_repeats_share_no_draw() -> None:
    spec, rows = study(n_folds=5, n_repeats=3), numbered([0, 1] * 30)
    folds = [[tuple(val) for _, val in split_rows(spec, rows, p)[1]] for p in range(4)]
    assert len({fold for partition in folds for fold in partition}) == 60


@PROPERTY
@given(y=CLASSES, spec=SPLITS, partition=st.integers(0, 2))
def test_the_first_repeat_is_the_study_without_repeats(
    y: np.ndarray, spec: StudySpec, partition: int
) -> None:
    once = spec.replicates.model_copy(update={"n_repeats": 1})
    names, splits = split_rows(spec, numbered(y), partition)
    plain = spec.model_copy(update={"replicates": once})
    first, alone = split_rows(plain, numbered(y), partition)
    assert names[: len(first)] == first
    for (train, val), (train_alone, val_alone) in zip(splits, alone, strict=False):
        np.testing.assert_array_equal(train, train_alone)
        np.testing.assert_array_equal(val, val_alone)


@pytest.mark.parametrize("n", [40, 43])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_repeats_divide_rows_as_scikit_learn_s_do(n: int, task: str) -> None:
    y = np.arange(n) % 3 if task == "classification" else np.arange(float(n))
    labels = y if task == "classification" else np.zeros(n, dtype=np.int64)
    spec = study(n_folds=4, n_repeats=5, task=task)
    kind = RepeatedStratifiedKFold if task == "classification" else RepeatedKFold
    theirs = [val for _, val in kind(n_splits=4, n_repeats=5, random_state=0).split(y, y)]
    ours = [val for _, val in split_rows(spec, numbered(y))[1]]
    assert len(ours) == len(theirs) == 20

    def seen(vals: list[np.ndarray]) -> tuple[list[int], list[list[int]], list[list[int]]]:
        """How often each row validates, sizes within a repeat, classes within a fold."""
        counts = np.bincount(np.concatenate(vals), minlength=n).tolist()
        sizes = [sorted(map(len, vals[i : i + 4])) for i in range(0, 20, 4)]
        classes = [sorted(np.bincount(labels[val], minlength=3).tolist()) for val in vals]
        return counts, sizes, sorted(classes)

    assert seen(ours) == seen(theirs)
    for first, second in itertools.combinations(range(5), 2):
        pairs = [len(np.intersect1d(ours[4 * first + i], ours[4 * second + j]))
                 for i in range(4) for j in range(4)]  # fmt: skip
        assert max(pairs) < n // 4  # no fold is the same again


def test_repeats_draw_other_rows_to_train_on() -> None:
    splits = split_rows(study(n_folds=2, n_repeats=3, train_rows=12), numbered([0, 1] * 40))[1]
    assert len({tuple(train) for train, _ in splits}) == 6
    assert {len(train) for train, _ in splits} == {12}


def test_the_surplus_of_larger_training_folds_is_dropped_by_seed() -> None:
    splits = split_rows(study(n_folds=3, n_seeds=4), numbered([0, 1] * 20))[1]
    trains, vals = zip(*splits, strict=True)
    assert sorted(len(val) for val in vals[::4]) == [13, 13, 14]
    assert {len(train) for train in trains} == {26}
    for fold in range(3):
        drawn = {tuple(train) for train in trains[4 * fold : 4 * fold + 4]}
        assert (len(drawn) > 1) == (len(vals[4 * fold]) == 13)


REFUSED: dict[str, tuple[Dataset, StudySpec, str]] = {
    "folds_of_a_rare_class": (
        numbered([0, 1] * 10 + [2] * 3),
        study(n_folds=8),
        "replicates.n_folds: must have 8 rows of class '2' outside the test rows, got 3 "
        "(sklearn:digits). Use at most 3 folds",
    ),
    "folds_of_few_rows": (
        numbered(np.arange(5.0)),
        study(n_folds=8, task="regression"),
        "replicates.n_folds: must have 8 rows outside the test rows, got 5 (sklearn:digits). "
        "Use at most 5 folds",
    ),
    "folds_of_few_groups": (
        numbered([0, 1] * 20, np.arange(40) % 3),
        study(n_folds=8),
        "replicates.n_folds: must have 8 groups outside the test rows, got 3 (sklearn:digits). "
        "Use at most 3 folds",
    ),
    "holdout_of_one_group": (
        numbered([0, 1] * 20, np.zeros(40, dtype=np.int64)),
        study(n_folds=1),
        "replicates.n_folds: must have 2 groups outside the test rows, got 1 (sklearn:digits). "
        "Add more",
    ),
    "holdout_of_one_row": (
        numbered([1.0]),
        study(n_folds=1, task="regression"),
        "replicates.n_folds: must have 2 rows outside the test rows, got 1 (sklearn:digits). "
        "Add more",
    ),
    "too_many_training_rows": (
        numbered([0, 1] * 20),
        study(n_folds=4, train_rows=31),
        "data.train_rows: must be at most 30, what the smallest replicate has to train on, "
        "got 31 (sklearn:digits). Lower it",
    ),
    "fewer_training_rows_than_classes": (
        numbered([0, 1, 2] * 10),
        study(train_rows=2),
        "data.train_rows: must be at least 3, one row of each class, got 2 (sklearn:digits). "
        "Raise it",
    ),
    "holdout_of_a_whole_class": (
        numbered([0] * 38 + [1] * 2),
        study(n_folds=1, holdout=0.9),
        "replicates.holdout: must leave rows of every class to train on, got 0.9, which leaves "
        "none of '1' (sklearn:digits). Lower it, or add rows of that class",
    ),
    "class_of_one_group": (
        numbered([0, 1] * 20 + [2] * 4, np.array([*range(8)] * 5 + [8] * 4)),
        study(n_folds=4),
        "data.groups: every class must have rows in more folds than one, got class '2' in group "
        "'8' alone (sklearn:digits). Drop or merge the class, or add groups that have it",
    ),
    "holdout_of_a_class_of_one_group_or_none": (
        numbered([0] * 20 + [1] * 20, np.arange(40) // 20),
        study(n_folds=1, holdout=0.5),
        "data.groups: every class must have rows in more folds than one, got class '0' in group "
        "'0' alone (sklearn:digits). Drop or merge the class, or add groups that have it",
    ),
    "giant_group": (
        numbered(np.arange(357.0), np.array([0] * 353 + [1, 2, 3, 4])),
        study(n_folds=5, task="regression"),
        "data.groups: must leave each fold 143 rows or more to train on, half of what even folds "
        "would, got 4, as group '0' has 353 of 357 (sklearn:digits). Split or drop that group, or "
        "set data.train_rows",
    ),
    "giant_group_of_classes": (
        numbered([0, 1] * 50, np.array([0] * 80 + [*range(1, 11)] * 2)),
        study(n_folds=4),
        "data.groups: must leave each fold 38 rows or more to train on, half of what even folds "
        "would, got 16, as group '0' has 80 of 100 (sklearn:digits). Split or drop that group, or "
        "set data.train_rows",
    ),
    "holdout_beside_a_giant_group": (
        numbered(np.arange(40.0), np.array([0] * 38 + [1, 1])),
        study(n_folds=1, task="regression"),
        "replicates.holdout: must hold out 5 rows or more, half of what it asks for, got 2 in "
        "whole groups, of which '0' has 38 rows (sklearn:digits). Split or drop that group",
    ),
    "targets_that_vary_in_one_fold": (
        numbered([0.0] * 39 + [1.0]),
        study(n_folds=4, task="regression"),
        "data.target: must vary among the rows that each replicate trains on, got 0 in all 30 of "
        "one (sklearn:digits). Add rows with other targets",
    ),
    "targets_that_hardly_vary": (
        numbered([0.0] * 36 + [1.0, 2.0, 3.0, 4.0]),
        study(n_folds=4, train_rows=2, task="regression"),
        "data.target: must vary among the rows that each replicate trains on, got 0 in all 2 of "
        "one (sklearn:digits). Raise data.train_rows",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_splits_that_the_rows_do_not_allow_are_refused_in_one_line(case: str) -> None:
    rows, spec, message = REFUSED[case]
    with pytest.raises(UsageError) as caught:
        split_rows(spec, rows)
    assert str(caught.value) == message


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
def test_a_rare_class_is_in_the_training_rows_of_every_replicate(share: float) -> None:
    rare = round(800 * share)
    rows = numbered([0] * (800 - rare) + [1] * rare)
    for partition in (0, 1):
        splits = split_rows(study(n_folds=8, n_seeds=2, train_rows=20), rows, partition)[1]
        assert all(set(rows.y[train]) == {0, 1} for train, _ in splits)


def test_groups_are_dealt_again_where_a_fold_would_hold_all_of_a_class() -> None:
    y = np.array([0, 1] * 40 + [2] * 4)
    groups = np.array([*range(8)] * 10 + [8, 8, 9, 9])
    for seed in range(20):  # 5 of these deal both groups of class 2 to one fold at first
        for train, _ in split_rows(study(seed, n_folds=2), numbered(y, groups))[1]:
            assert set(y[train]) == {0, 1, 2}


def test_a_large_group_is_fine_where_the_rows_to_train_on_are_given() -> None:
    rows = numbered(np.arange(100.0), np.array([0] * 80 + [*range(1, 11)] * 2))
    splits = split_rows(study(n_folds=4, train_rows=15, task="regression"), rows)[1]
    assert {len(train) for train, _ in splits} == {15}
