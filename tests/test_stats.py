"""Standard errors are taken over folds, and gains are paired."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.stats import (
    crossed_error,
    crossed_shows,
    degrees,
    errors,
    fold_means,
    paired_gain,
    paired_gains,
    plus_minus,
    standard_error,
    t_quantile,
)

numbers = st.floats(-1e3, 1e3)


@st.composite
def replicates(draw: st.DrawFn) -> tuple[list[float], int]:
    n_folds, n_seeds = draw(st.integers(2, 6)), draw(st.integers(1, 4))
    size = n_folds * n_seeds
    return draw(st.lists(numbers, min_size=size, max_size=size)), n_folds


def test_seeds_of_a_fold_are_averaged_first() -> None:
    assert fold_means([1, 3, 10, 20, 5, 7], 3).tolist() == [2, 15, 6]


def test_with_one_split_the_seeds_are_kept() -> None:
    assert fold_means([1, 3, 5], 1).tolist() == [1, 3, 5]


@pytest.mark.parametrize(
    ("values", "n_folds", "expected"),
    [
        ([1, 2, 3], 3, 1 / math.sqrt(3)),  # sd 1
        ([0, 2], 2, 1.0),  # sd √2
        ([0, 2, 1, 3, 2, 4], 3, 1 / math.sqrt(3)),  # fold means 1, 2, 3: seeds do not count
        ([1, 2, 3], 1, 1 / math.sqrt(3)),  # one split: over its seeds
        ([4, 4, 4, 4], 4, 0.0),
    ],
)
def test_standard_error_by_hand(values: list[float], n_folds: int, expected: float) -> None:
    assert standard_error(values, n_folds) == pytest.approx(expected, rel=1e-15)


def test_one_number_has_no_standard_error() -> None:
    assert standard_error([3.0], 1) is None


# --- repeats


@given(replicates())
def test_without_repeats_the_error_is_that_of_independent_folds_to_the_bit(
    drawn: tuple[list[float], int],
) -> None:
    values, n_folds = drawn
    means = np.reshape(values, (n_folds, -1)).mean(1)
    plain = float(means.std(ddof=1) / np.sqrt(n_folds))
    assert standard_error(values, n_folds) == standard_error(values, n_folds, 1) == plain
    many = paired_gains([values, values[::-1]], [0.0] * len(values), n_folds)[1]
    assert many[0] == plain


def test_the_error_of_repeats_by_hand() -> None:
    # Two repeats of 3 folds: variances 1 and 4, so s² = 2.5; 1/6 + (1/2) / 2 = 5/12.
    values = [1, 2, 3, 2, 4, 6]
    assert standard_error(values, 3, 2) == pytest.approx(math.sqrt(2.5 * 5 / 12))
    assert standard_error(np.repeat(values, 2), 3, 2) == pytest.approx(math.sqrt(2.5 * 5 / 12))
    assert degrees(3, 2) == 4


@pytest.mark.parametrize("n_folds", [2, 3, 8, 49])
def test_many_repeats_come_to_nadeau_and_bengio_s_error(n_folds: int) -> None:
    """Theirs is s² (1/J + rows validated on / rows trained on), of J replicates."""
    means = np.tile([0.0, 2.0], n_folds * 5000).reshape(1, -1)[:, : n_folds * 5000]
    n_repeats = 5000
    variance = means.reshape(n_repeats, n_folds).var(1, ddof=1).mean()
    theirs = variance * (1 / (n_folds * n_repeats) + 1 / (n_folds - 1))
    assert errors(means, n_repeats)[0] ** 2 == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])  # of the variance that rows have by themselves
@pytest.mark.parametrize(("n_folds", "n_repeats"), [(4, 2), (4, 3), (8, 2), (8, 3)])
def test_repeats_keep_the_level_whatever_they_share(
    share: float, n_folds: int, n_repeats: int
) -> None:
    rng, n, rows = np.random.default_rng(0), 2000, 6 * n_folds
    of_rows = rng.standard_normal((n, rows))
    divided = [
        rng.permuted(of_rows, axis=1).reshape(n, n_folds, 6).mean(2) for _ in range(n_repeats)
    ]
    means = np.sqrt(6 * share) * np.concatenate(divided, axis=1)
    means += math.sqrt(1 - share) * rng.standard_normal(means.shape)
    reach = t_quantile(0.975, degrees(n_folds, n_repeats))
    false = np.mean(np.abs(means.mean(1)) > reach * errors(means, n_repeats))
    assert false <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n)
    if share == 1:  # as if they shared nothing
        naive = means.std(1, ddof=1) / math.sqrt(means.shape[1])
        wrong = t_quantile(0.975, means.shape[1] - 1) * naive
        assert np.mean(np.abs(means.mean(1)) > wrong) > 0.1


def test_crossed_error_by_hand() -> None:
    values = np.array([[1.0, 2, 6], [3, 4, 8]])  # rows' means 2, 3, 7; seeds' means 3, 5
    assert crossed_error(values) == pytest.approx(math.sqrt(7 / 3 + 2 / 2))


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_a_single_row_or_seed_has_no_crossed_error(shape: tuple[int, int]) -> None:
    assert crossed_error(np.ones(shape)) is None


@pytest.mark.parametrize(
    ("mean", "se", "n_seeds", "n_rows", "shown"),
    [
        (-2.4, 1.0, 8, 1000, True),  # t(7) = 2.36
        (2.3, 1.0, 8, 1000, False),
        (12.6, 1.0, 2, 1000, False),  # t(1) = 12.7
        (5.0, 1.0, 8, 29, False),
        (5.0, 0.0, 8, 1000, False),
        (5.0, 1e-16, 8, 1000, False),  # of equal values
        (5.0, None, 8, 1000, False),
    ],
)
def test_what_a_crossed_mean_shows(
    mean: float, se: float | None, n_seeds: int, n_rows: int, shown: bool
) -> None:
    assert crossed_shows(mean, se, n_seeds, n_rows) == shown


@pytest.mark.parametrize("sds", [(1, 0, 0), (1, 0.2, 1), (0, 0, 1), (0, 1, 0)])
def test_what_a_crossed_mean_shows_keeps_its_level(sds: tuple[float, float, float]) -> None:
    rng, (row, seed, cell), n = np.random.default_rng(0), sds, 1000
    values = (
        row * rng.standard_normal((n, 1, 30))
        + seed * rng.standard_normal((n, 8, 1))
        + cell * rng.standard_normal((n, 8, 30))
    )
    said = [crossed_shows(float(one.mean()), crossed_error(one), 8, 30) for one in values]
    assert np.mean(said) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / n)


def test_paired_gain_by_hand() -> None:
    gain, error = paired_gain([5, 9, 4], [4, 7, 1], 3)  # differences 1, 2, 3
    assert gain == 2.0
    assert error == pytest.approx(1 / math.sqrt(3))


def test_a_gain_over_one_replicate_has_no_error() -> None:
    assert paired_gain([2.0], [0.5], 1) == (1.5, None)


@given(replicates())
def test_more_seeds_of_equal_value_change_nothing(drawn: tuple[list[float], int]) -> None:
    values, n_folds = drawn
    twice = np.repeat(np.reshape(values, (n_folds, -1)), 2, axis=1).ravel()
    assert standard_error(twice, n_folds) == pytest.approx(
        standard_error(values, n_folds), rel=1e-9, abs=1e-9
    )


@given(replicates(), st.lists(numbers, min_size=6, max_size=6))
def test_what_a_fold_is_like_cancels_in_a_gain(
    drawn: tuple[list[float], int], levels: list[float]
) -> None:
    values, n_folds = drawn
    level = np.repeat(levels[:n_folds], len(values) // n_folds)
    other = np.asarray(values) / 2
    gain, error = paired_gain(np.asarray(values) + level, other + level, n_folds)
    plain, plain_error = paired_gain(values, other, n_folds)
    assert gain == pytest.approx(plain, abs=1e-9)
    assert error == pytest.approx(plain_error, abs=1e-9)


@given(replicates())
def test_a_gain_turns_its_sign_with_its_arguments(drawn: tuple[list[float], int]) -> None:
    values, n_folds = drawn
    other = values[::-1]
    there, back = paired_gain(values, other, n_folds), paired_gain(other, values, n_folds)
    assert there == (-back[0], back[1])


@pytest.mark.parametrize(
    ("value", "se", "text"),
    [
        (0.59704, 0.02524, "0.5970 ± 0.0252"),
        (0.59704, None, "0.5970"),
        (-0.000123, 0.0000019, "-0.0001230 ± 0.0000019"),
        (108.5179, 1.3574, "108.5 ± 1.4"),
        (862.8114, 36.4825, "863 ± 36"),
        (1922638.8125, 154034.5938, "1922639 ± 154035"),
        (1.0, 0.0, "1.0000 ± 0.0000"),
        (1.0, 9e-17, "1.0000 ± 0.0000"),
        (float("inf"), float("nan"), "inf ± nan"),
    ],
)
def test_a_value_is_written_to_the_digits_that_its_error_leaves(
    value: float, se: float | None, text: str
) -> None:
    assert plus_minus(value, se) == text
