"""The model of a study's curve: its minimum, what is as good, and where it does not fit."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import t
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from sweep.search.choice import best_of, deciding, simplest_of
from sweep.search.curve import Squash, squashed
from sweep.search.model import Model
from sweep.search.point import Point, one_se
from sweep.stats import Array
from tests.support.designs import (
    DESIGN,
    FOLDS,
    Truth,
    collapse_edge,
    designed,
    points_of,
    two_valleys,
    valley,
)
from tests.support.studies import parse


def model_of(points: list[Point], failed: list[float] | None = None) -> Model:
    model = Model.of(points, failed or [], (FOLDS, 1))
    assert model
    return model


# --- the units of the value


@pytest.mark.parametrize("n", [8, 13, 40])
def test_curve_band_and_left_out_trials_are_scikit_learn_s_brought_back(n: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.uniform(-5, -1, n)
    points = points_of(x, valley(x)[:, None] + rng.normal(0, 0.02, (n, FOLDS)))
    model, y = model_of(points), np.array([point.value for point in points])
    order = np.argsort(x)
    above = np.interp(model.at, x[order], (y - y.min())[order])
    unit = 3 * np.median(above)

    def back(z: Array) -> Array:
        return np.asarray(y.min() + unit * np.arctanh(np.clip(z, -1 + 1e-9, 1 - 1e-9)))

    kernel = Matern(length_scale=model.curve.length, nu=2.5)
    options = {"alpha": model.curve.jitter**2, "optimizer": None}
    gp = GaussianProcessRegressor(kernel, normalize_y=True, **options)
    z = np.tanh((y - y.min()) / unit)
    mean, sd = gp.fit(x[:, None], z).predict(model.at[:, None], return_std=True)
    np.testing.assert_allclose(model.value, back(mean), atol=1e-6)
    np.testing.assert_allclose(model.band()[0], back(mean - sd), atol=1e-6)
    np.testing.assert_allclose(model.band()[1], back(mean + sd), atol=1e-6)
    for i in range(n):
        others = np.arange(n) != i
        gp = GaussianProcessRegressor(kernel, **options)
        gp.fit(x[others, None], (z[others] - z.mean()) / z.std())
        expected = back(z.mean() + z.std() * gp.predict(x[[i], None]))[0]
        assert model.missed[i] == pytest.approx(y[i] - expected, abs=1e-6)


def test_two_positions_are_unsure_together_as_scikit_learn_says() -> None:
    x = np.linspace(-5, -1, 9)
    curve = model_of(points_of(x, np.repeat(valley(x)[:, None], FOLDS, 1))).curve
    gp = GaussianProcessRegressor(
        Matern(length_scale=curve.length, nu=2.5), alpha=curve.jitter**2, optimizer=None,
        normalize_y=True,
    ).fit(x[:, None], Squash.over(x, valley(x))(valley(x)))  # fmt: skip
    at = np.array([-4.8, -2.6, -2.5, -1.2])
    theirs = gp.predict(np.append(at, -2.7)[:, None], return_cov=True)[1]
    np.testing.assert_allclose(curve.covariance(at, -2.7), theirs[:-1, -1], atol=1e-9)
    np.testing.assert_allclose(curve.covariance(at[:1], -4.8), curve.sd(at[:1]) ** 2, atol=1e-9)


@given(
    arrays.arrays(
        np.float64, st.integers(3, 20), elements=st.floats(-1e6, 1e6).map(lambda y: round(y, 3))
    )
)
def test_what_was_squashed_comes_back(y: Array) -> None:
    assume(np.ptp(y) > 0)
    squash = Squash.over(np.arange(len(y), dtype=np.float64), y)
    z = squash(y)
    near = z < 0.999
    np.testing.assert_allclose(squash.inverse(z[near]), y[near], rtol=1e-6, atol=1e-6)
    step = 1e-5
    rise = (squash.inverse(z[near] + step) - squash.inverse(z[near] - step)) / (2 * step)
    np.testing.assert_allclose(squash.slope(z[near]), rise, rtol=1e-3)


def test_on_even_positions_the_two_ways_to_squash_agree() -> None:
    x = np.linspace(-5, -1, 401)
    y = valley(x)
    np.testing.assert_allclose(Squash.over(x, y)(y), squashed(y), atol=2e-3)
    assert Squash.over(x, y)(np.array([0.6, math.nan, math.inf]))[1:].tolist() == [1, 1]


def test_trials_that_crowd_around_the_minimum_do_not_draw_the_rest_together() -> None:
    x = np.append(np.linspace(-5, -1, 9), np.linspace(-2.9, -2.7, 30))
    crowded = Squash.over(x, valley(x))
    assert crowded.unit == pytest.approx(Squash.over(x[:9], valley(x[:9])).unit, rel=0.1)


# --- what it says


@pytest.mark.parametrize("best", [-4.2, -3.1, -2.0])
def test_the_minimum_is_found_and_a_trial_lies_there(best: float) -> None:
    model = model_of(designed(lambda x: np.asarray(0.5 + 0.1 * (x - best) ** 2)))
    assert model.doubt is None
    assert math.log10(model.minimum) == pytest.approx(best, abs=0.1)
    assert model.trial
    low, high = model.alike()
    assert low <= 10**best <= high
    assert model.factor == pytest.approx(max(high / model.minimum, model.minimum / low))
    assert 1 < model.factor < 3


def test_where_nothing_but_folds_differ_the_interval_is_a_paired_t_test() -> None:
    """Tilts of folds, no noise: the curve passes the trials, so only the folds' errors count."""
    x = np.linspace(-5, -1, 33)
    tilts = np.linspace(-1, 1, FOLDS) * 0.2
    values = valley(x)[:, None] + tilts * (x[:, None] + 2.8)
    model = model_of(points_of(x, values))
    least = valley(model.at).argmin()
    leads = valley(model.at) - valley(model.at)[least]
    errors = np.abs(model.at - model.at[least]) * tilts.std(ddof=1) / FOLDS**0.5
    inside = model.strengths[leads <= t.ppf(0.975, FOLDS - 1) * errors]
    low, high = model.alike()
    assert low == pytest.approx(inside[0], rel=0.1)
    assert high == pytest.approx(inside[-1], rel=0.1)


def test_what_folds_share_does_not_widen_the_interval() -> None:
    points = designed(valley)
    x = np.log10([point.at for point in points])
    values = np.array([point.replicate_values for point in points])
    shifted = points_of(x, values + np.linspace(-2, 2, FOLDS))
    assert model_of(shifted).alike() == pytest.approx(model_of(points).alike(), rel=1e-6)


def test_the_simplest_is_no_weaker_than_the_minimum_and_within_the_interval() -> None:
    for seed in range(5):
        model = model_of(designed(valley, 0.02, seed))
        simple = model.simplest()
        assert model.trial and model.trial.at <= simple.at <= model.alike()[1] * 1.01


def test_trials_that_failed_count_as_the_worst_there_is() -> None:
    points = [p for p in designed(valley) if p.at < 0.05]
    model = model_of(points, [0.06, 0.1])
    assert model.z[-2:].tolist() == [1, 1] and len(model.missed) == len(points)
    assert model.alike()[1] < 0.05


# --- where it does not fit


def steps(x: Array) -> Array:
    """An error rate of few rows."""
    return np.asarray(np.round(valley(x) * 20) / 20)


PLANTED: dict[str, tuple[Truth, str]] = {
    "two valleys": (two_valleys, "there are two valleys, at "),
    "a collapse edge": (collapse_edge, "it jumps beside the best one"),
    "a metric in steps": (steps, "several share a value"),
    "chance": (
        lambda x: np.asarray(0.5 + 0.1 * np.sin(1e6 * x)),
        "it is wrong about trials that it has not seen",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("seed", range(3))
def test_where_it_does_not_fit_it_says_so_and_the_trials_decide(name: str, seed: int) -> None:
    truth, said = PLANTED[name]
    noise = 0.0 if name == "a metric in steps" else 0.002
    points = designed(truth, noise, seed)
    model = model_of(points)
    assert model.doubt and model.doubt.startswith(said)
    assert deciding(DESIGN, model) is None
    assert best_of(points, None).value == min(point.value for point in points)


@pytest.mark.parametrize("seed", range(5))
def test_a_smooth_valley_is_not_doubted(seed: int) -> None:
    for noise in (0.0005, 0.005, 0.02):
        assert model_of(designed(valley, noise, seed)).doubt is None


def test_the_model_decides_in_designs_alone() -> None:
    model = model_of(designed(valley))
    assert deciding(DESIGN, model) is model
    assert deciding(parse(search={"sampler": {"type": "tpe"}}), model) is None


def test_without_a_trial_at_the_minimum_the_best_trial_is_taken() -> None:
    x = np.array([-5, -4.3, -3.6, -3.4, -2.2, -2.0, -1.4, -1.0])
    points = points_of(x, np.repeat(valley(x)[:, None], FOLDS, 1))
    model = model_of(points)
    assert math.log10(model.minimum) == pytest.approx(-2.8, abs=0.15)
    assert model.trial is None
    assert best_of(points, model) == min(points, key=lambda point: point.rank)
    assert simplest_of(points, model) == one_se(points)


@pytest.mark.parametrize("n", [0, 3, 7, 201])
def test_too_few_or_too_many_trials_make_no_model(n: int) -> None:
    x = np.linspace(-5, -1, n)
    assert Model.of(points_of(x, np.repeat(valley(x)[:, None], 3, 1)), [], (3, 1)) is None


@settings(max_examples=40)
@given(
    values=arrays.arrays(
        np.float64, (9, 3), elements=st.floats(0, 1e3) | st.sampled_from([0.0, 1.0])
    ),
    failed=st.lists(st.sampled_from([1e-6, 2e-3, 1.0]), max_size=2, unique=True),
)
def test_any_results_make_numbers_that_hold_together(values: Array, failed: list[float]) -> None:
    points = points_of(np.linspace(-5, -1, 9), values)
    model = Model.of(points, failed, (3, 1))
    assume(model is not None)
    assert model
    low, high = model.alike()
    assert low <= model.minimum <= high and model.factor >= 1
    assert np.isfinite(model.value).all() and np.isfinite(model.missed).all()
    below, above = model.band()
    assert (below <= model.value + 1e-12).all() and (model.value <= above + 1e-12).all()
    assert model.simplest() in points and (model.doubt is None or model.doubt)
