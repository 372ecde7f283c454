"""The best strength in the course of training: read from curves, told where it is shown."""

import numpy as np
import pytest

from sweep.analysis.course import MOST, Course
from sweep.stats import Array
from tests.support.courses import EPOCHS, X, losses_of, points_of


def course(losses: Array, folds: tuple[int, int] = (8, 1), x: Array = X) -> Course:
    found = Course.of(points_of(losses, folds[1], x), (), folds)
    assert found is not None
    return found


def falling(at: Array) -> Array:
    return np.asarray(-2.0 - 1.5 * at)


def steady(at: Array) -> Array:
    return np.full_like(at, -3.0)


def test_the_best_strength_of_an_epoch_is_the_minimum_there() -> None:
    found = course(losses_of(falling))
    for epoch in (15, 30, 60):
        truth = float(falling(np.array(epoch / EPOCHS)))
        assert np.log10(found.best(found.epochs.index(epoch)).at) == pytest.approx(truth, abs=0.08)


def test_a_flat_valley_leaves_the_best_strength_of_an_epoch_open() -> None:
    """Folds that tilt the curve each their way tell nothing of a shallow minimum."""
    tilts = 0.1 * np.linspace(-1, 1, 8) * (X[:, None, None] + 3)
    sharp, flat = losses_of(steady), 1 + (losses_of(steady) - 1) * 0.1 + tilts
    ends = [course(losses).best(14).alike for losses in (sharp, flat)]
    assert ends[0] and ends[1]
    assert ends[0][1] / ends[0][0] < 3 and ends[1][1] / ends[1][0] > 30
    assert all(low < 1e-3 < high for low, high in (ends[0], ends[1]))


def test_a_strength_that_goes_on_changing_moves() -> None:
    drift = course(losses_of(falling)).drift
    assert drift and drift.told == "moves" and (drift.epoch, drift.last) == (30, 60)
    assert drift.reach and 1 < drift.reach < drift.factor
    assert drift.before.at / drift.after.at == pytest.approx(10**0.75, rel=0.2)


def test_a_strength_that_stays_has_settled() -> None:
    drift = course(losses_of(steady)).drift
    assert drift and drift.told == "settled"


def test_between_the_two_nothing_is_told() -> None:
    half = course(losses_of(lambda at: -3 - 0.2 * at)).drift
    assert half and half.told == "settled"
    unsure = losses_of(steady) + 0.15 * np.random.default_rng(3).normal(
        size=(1, 2, 8)
    ).repeat(30, 1) * X[:, None, None]  # fmt: skip
    drift = course(unsure).drift
    assert drift and drift.told is None


def test_a_best_strength_at_an_end_of_the_range_has_not_settled() -> None:
    found = course(losses_of(lambda at: np.full_like(at, -5.5)))
    assert found.drift is None or found.drift.told is None


@pytest.mark.parametrize("n_folds", [1, 2])
def test_few_folds_tell_nothing(n_folds: int) -> None:
    found = course(losses_of(falling, n_folds=2), (n_folds, 1))
    assert found.drift is None
    assert found.best(59).at > 0  # but the line is drawn
    assert found.best(59).alike is None


def test_where_no_curve_fits_nothing_is_told() -> None:
    flat = losses_of(steady) * 0 + np.random.default_rng(0).normal(1, 0.1, (13, 1, 8))
    found = course(flat)
    assert found.drift is None
    assert found.best(59).alike is None
    assert found.best(59).at == pytest.approx(10 ** X[flat[:, 59].mean(1).argmin()])


def test_two_partitions_count_as_folds_that_share_rows() -> None:
    drift = course(losses_of(falling), (4, 2)).drift
    assert drift and drift.told == "moves"


def test_many_strengths_are_averaged_with_their_neighbours() -> None:
    x = np.linspace(-5, -1, 500)
    found = course(losses_of(falling, x=x), x=x)
    assert len(found.strengths) == MOST and found.losses.shape == (MOST, EPOCHS, 8)
    assert np.log10(found.best(59).at) == pytest.approx(-3.5, abs=0.08)


def test_trials_without_curves_or_of_another_length_are_left_out() -> None:
    points = points_of(losses_of(falling))
    other = points_of(losses_of(falling)[:, :30])
    bare = [type(points[0])(None, 1e-3, {"alpha": 1e-3}, 1.0, {})]
    found = Course.of([*points, *other, *bare], (), (8, 1))
    assert found and len(found.strengths) == 13
    assert Course.of(bare, (), (8, 1)) is None
    assert Course.of(points[:1], (), (8, 1)) is None
