"""The smooth model of the validation curve."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from sweep.search.curve import JITTERS, LENGTHS, Curve, squashed
from sweep.stats import Array

DRAW = np.random.default_rng(0)
AT = np.linspace(-6.0, 0.0, 301)


def sklearns(x: Array, z: Array, length: float, jitter: float) -> GaussianProcessRegressor:
    kernel = Matern(length_scale=length, nu=2.5)
    gp = GaussianProcessRegressor(kernel, alpha=jitter**2, optimizer=None, normalize_y=True)
    return gp.fit(x[:, None], z)


def valley(x: Array, noise: float = 0.02) -> Array:
    """A curve with its least value at -3, as losses over a strength are."""
    return np.asarray(0.5 + 0.1 * (x + 3) ** 2 + noise * DRAW.standard_normal(len(x)))


@pytest.mark.parametrize("length", [0.25, 0.7, 2.0])
@pytest.mark.parametrize("jitter", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("n", [3, 8, 13, 40])
def test_mean_and_deviation_are_scikit_learn_s(n: int, length: float, jitter: float) -> None:
    x = DRAW.uniform(-5, -1, n)
    z = squashed(valley(x))
    curve = Curve.of(x, z, length, jitter)
    mean, sd = sklearns(x, z, length, jitter).predict(AT[:, None], return_std=True)
    np.testing.assert_allclose(curve.mean(AT), mean, rtol=0, atol=1e-6)
    np.testing.assert_allclose(curve.sd(AT), sd, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n", [3, 8, 13])
def test_the_likeliest_length_and_jitter_are_chosen(n: int) -> None:
    x = DRAW.uniform(-5, -1, n)
    y = valley(x)
    curve = Curve.fit(x, y)
    assert curve
    likelihoods = {}
    for length in LENGTHS:
        for jitter in JITTERS:
            gp = sklearns(x, squashed(y), length, jitter)
            likelihoods[length, jitter] = gp.log_marginal_likelihood_value_
    assert (curve.length, curve.jitter) == max(likelihoods, key=lambda key: likelihoods[key])


def test_what_is_left_out_is_foretold_as_by_a_refit_without_it() -> None:
    x = np.linspace(-5, -1, 9)
    curve = Curve.fit(x, valley(x))
    assert curve
    for i, residual in enumerate(curve.residuals()):
        others = np.arange(9) != i
        gp = GaussianProcessRegressor(
            Matern(length_scale=curve.length, nu=2.5), alpha=curve.jitter**2, optimizer=None
        ).fit(x[others, None], curve.t[others])
        (mean,), (sd,) = gp.predict(x[[i], None], return_std=True)
        expected = (curve.t[i] - mean) / math.hypot(sd, curve.jitter)
        assert residual == pytest.approx(expected, abs=1e-6)


def test_a_value_off_the_curve_has_a_large_residual() -> None:
    x = np.linspace(-5, -1, 13)
    y = valley(x, noise=0.0)
    smooth = Curve.of(x, squashed(y), 1.0, 0.02)
    y[6] += 0.1
    off = Curve.of(x, squashed(y), 1.0, 0.02)
    assert abs(off.residuals()[6]) > 10 > 2 > abs(smooth.residuals()[6])


def test_the_expected_improvement_is_that_of_draws() -> None:
    x = np.linspace(-5, -1, 8)
    curve = Curve.fit(x, valley(x))
    assert curve
    at = np.array([-4.7, -3.2, -2.7, -1.5])
    best = curve.mean(x).min()
    draws = curve.mean(at) + curve.sd(at) * DRAW.standard_normal((400_000, 4))
    drawn = np.maximum(best - draws, 0).mean(axis=0)
    np.testing.assert_allclose(curve.improvement(at), drawn, rtol=0.05, atol=1e-5)


def test_believing_makes_surer_and_moves_nothing() -> None:
    x = np.linspace(-5, -1, 8)
    curve = Curve.of(x, squashed(valley(x)), 1.0, 0.02)
    at = np.array([-3.3])
    believing = curve.believing(at)
    np.testing.assert_allclose(believing.mean(AT), curve.mean(AT), atol=1e-9)
    assert (believing.sd(AT) <= curve.sd(AT) + 1e-9).all()
    assert believing.sd(at)[0] < 0.8 * curve.sd(at)[0]


def test_the_end_where_the_network_collapses_does_not_rule_the_fit() -> None:
    x = np.linspace(-5, -1, 8)
    y = valley(x, noise=0.0)
    collapsed = np.where(x > -2, 50.0, y)
    for values in (y, collapsed):
        curve = Curve.fit(x, values)
        assert curve
        assert AT[curve.mean(AT).argmin()] == pytest.approx(-3, abs=0.25)


def test_squashing_keeps_the_order_and_hardly_changes_the_lower_half() -> None:
    y = np.array([1.0, 1.1, 1.2, 1.3, 1.4, 9.0, 1e6])
    z = squashed(y)
    assert (np.diff(z) >= 0).all() and z[0] == 0 and z[-1] == pytest.approx(1)
    np.testing.assert_allclose(z[:4] * 0.9, (y[:4] - 1.0), rtol=0.04)


@pytest.mark.parametrize("failed", [math.nan, math.inf, -math.inf])
def test_what_failed_counts_as_the_worst(failed: float) -> None:
    assert squashed(np.array([1.0, 2.0, failed, 3.0])).argmax() == 2
    assert squashed(np.array([2.0, 2.0, failed, 2.0])).tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize(
    "values", [[], [1.0], [1.0, 2.0], [1.0, 2.0, math.nan, math.inf], [math.nan] * 5]
)
def test_fewer_than_three_results_make_no_curve(values: list[float]) -> None:
    assert Curve.fit(np.linspace(-4, -1, len(values)), np.array(values)) is None


@settings(max_examples=50)
@given(
    y=arrays.arrays(
        np.float64, st.integers(3, 9), elements=st.floats() | st.sampled_from([0.0, 1.0, 1.5])
    )
)
def test_any_values_make_a_curve_or_none(y: Array) -> None:
    curve = Curve.fit(np.linspace(-5, -1, len(y)), y)
    if curve:
        for found in (curve.mean(AT), curve.sd(AT), curve.improvement(AT), curve.residuals()):
            assert np.isfinite(found).all()
        assert (curve.sd(AT) >= 0).all() and (curve.improvement(AT) >= 0).all()
