"""Draws are stratified, or of whole groups, and folds are those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import KFold, StratifiedKFold

from sweep.data.folds import (
    all_but,
    draw_folds,
    draw_group_folds,
    draw_rows,
    draw_share,
    lost_labels,
)


@given(
    st.lists(st.integers(0, 4), max_size=60),
    st.integers(2, 9),
    st.integers(0, 2**64),
    st.booleans(),
)
def test_folds_are_those_of_scikit_learn(
    rest: list[int], n_folds: int, seed: int, stratified: bool
) -> None:
    labels = np.array([*rest, *(label for label in {*rest, 0, 5} for _ in range(n_folds))])
    kind = StratifiedKFold if stratified else KFold
    folds = kind(n_folds, shuffle=True, random_state=seed % 2**32)
    wanted = [val.tolist() for _, val in folds.split(labels, labels)]
    assert [val.tolist() for val in draw_folds(labels, n_folds, seed, stratified)] == wanted


@pytest.mark.parametrize(
    "counts",
    [
        [[3, 2, 3], [1, 2, 0], [0, 0, 3], [3, 2, 3]],
        [[3, 1], [1, 0], [1, 2], [1, 0], [0, 3]],
        [[2, 2, 2], [3, 0, 3], [1, 2, 3], [3, 3, 2], [0, 3, 0]],
    ],
    ids=str,
)
def test_no_fold_stays_empty_with_as_many_folds_as_groups(counts: list[list[int]]) -> None:
    """Tables (group, class) for which scikit-learn 1.9's StratifiedGroupKFold leaves one empty."""
    y = np.concatenate([np.repeat(range(len(row)), row) for row in counts])
    groups = np.repeat(range(len(counts)), [sum(row) for row in counts])
    folds = draw_group_folds(y, groups, len(counts), seed=0, stratified=True)
    assert sorted(map(len, folds)) == sorted(map(sum, counts))
    assert sorted(np.concatenate(folds)) == list(range(len(y)))


def test_rows_left_over_go_to_the_classes_with_the_largest_remainders() -> None:
    y = np.repeat([0, 1, 2], [4, 5, 8])  # shares of 6 rows: 1.41, 1.76, 2.82
    assert np.bincount(y[draw_share(y, None, 6 / 17, seed=0)]).tolist() == [1, 2, 3]


@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=6),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**64),
)
def test_every_class_gets_a_row_and_other_draws_stay_as_they_are(
    counts: list[int], share: float, seed: int
) -> None:
    labels = np.repeat(range(len(counts)), counts)
    n = max(len(counts), round(share * len(labels)))
    plain, drawn = draw_rows(labels, n, seed), draw_rows(labels, n, seed, every_class=True)
    assert len(set(drawn)) == n and set(labels[drawn]) == set(labels)
    if set(labels[plain]) == set(labels):
        np.testing.assert_array_equal(drawn, plain)


def test_a_class_of_less_than_half_a_row_would_be_left_out() -> None:
    labels = np.repeat([0, 1], [98, 2])
    assert set(labels[draw_rows(labels, 20, seed=0)]) == {0}
    assert np.bincount(labels[draw_rows(labels, 20, seed=0, every_class=True)]).tolist() == [19, 1]


@given(st.sets(st.integers(0, 40)), st.lists(st.integers(0, 5), min_size=1))
def test_the_rest_of_rows_and_of_labels_is_that_of_sets(rows: set[int], labels: list[int]) -> None:
    assert all_but(np.array(sorted(rows), dtype=int), 41).tolist() == sorted({*range(41)} - rows)
    some = np.array(labels[::2])
    assert lost_labels(np.array(labels), some).tolist() == sorted({*labels} - {*some.tolist()})


@given(st.lists(st.integers(0, 4), min_size=1), st.integers(0, 99))
def test_a_draw_of_all_rows_is_all_of_them(labels: list[int], seed: int) -> None:
    rows = draw_rows(np.array(labels), len(labels), seed, every_class=True)
    assert rows.tolist() == [*range(len(labels))]
