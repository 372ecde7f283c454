"""From a few sizes to a larger one: the line, its error, and what it must say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.analysis.ladder import Rung, Transfer
from sweep.analysis.selection import Finished
from sweep.errors import SweepError, UsageError
from sweep.stats import Array, errors, jackknife
from tests.conftest import made_study

SIZES = (75, 150, 300)


def rung(size: int, at: float, each: Array | None = None, *, at_edge: bool = False) -> Rung:
    return Rung(size, at, np.full(5, at) if each is None else each, at_edge)


def ladder(*ats: float, size: int = 1200) -> Transfer:
    rungs = (rung(n, at) for n, at in zip(SIZES, ats, strict=True))
    return Transfer("rows", tuple(rungs), size)


def without(measured: Array) -> Array:
    """Return the means of measured values (..., K) without each of the K."""
    return np.asarray((measured.sum(-1, keepdims=True) - measured) / (measured.shape[-1] - 1))


def test_a_straight_line_is_followed() -> None:
    found = ladder(*(-2.0 - 0.7 * math.log10(n / 75) for n in SIZES))
    assert found.slope == pytest.approx(-0.7)
    assert found.strength == pytest.approx(10**-2.0 * 16**-0.7)
    assert found.factor == pytest.approx(1.0)
    assert not found.bends


@given(st.lists(st.floats(-9, 0), min_size=3, max_size=3))
def test_the_line_is_that_of_least_squares(ats: list[float]) -> None:
    found = ladder(*ats)
    slope, intercept = np.polyfit(np.log10(SIZES), ats, 1)
    assert found.slope == pytest.approx(slope, abs=1e-9)
    assert math.log10(found.strength) == pytest.approx(intercept + slope * math.log10(1200))


@given(st.lists(st.floats(-9, 9), min_size=3, max_size=12))
def test_the_jackknife_of_a_mean_is_its_standard_error(values: list[float]) -> None:
    expected = np.std(values, ddof=1) / math.sqrt(len(values))
    assert jackknife(without(np.array(values))) == pytest.approx(expected, abs=1e-12)


def test_repeats_that_share_their_rows_are_allowed_for() -> None:
    values = np.random.default_rng(2).normal(size=(2, 5))
    once, twice = (jackknife(without(v)) for v in (values[:1].ravel(), values.ravel()))
    expected = float(errors(values.reshape(1, -1), 2)[0])
    assert jackknife(without(values.ravel()), 2) == pytest.approx(expected)
    assert twice < expected < once * 2


def test_the_true_strength_lies_within_the_factor() -> None:
    # Each fold's own best strengths differ, in part alike on all rungs. The last size has none.
    random, inside, n = np.random.default_rng(0), 0, 400
    for _ in range(n):
        common, own = random.normal(0, 0.2, (1, 8)), random.normal(0, 0.2, (3, 8))
        folds = np.array([[-2.0 - 0.5 * math.log10(size / 75)] for size in SIZES]) + common + own
        rungs = tuple(
            rung(size, float(each.mean()), without(each))
            for size, each in zip(SIZES, folds, strict=True)
        )
        found = Transfer("rows", rungs, 1200)
        truth = -2.0 - 0.5 * math.log10(16)
        inside += abs(math.log10(found.strength) - truth) <= math.log10(found.factor)
    assert inside / n >= 0.95


def test_a_bend_is_told_and_widens_the_interval() -> None:
    bent, straight = ladder(-2.0, -2.1, -2.5), ladder(-2.0, -2.25, -2.5)
    assert bent.bends
    assert bent.factor > straight.factor
    line = bent.sentences("alpha")[1]
    assert line.startswith("the line bends: the power is -0.33 at the smallest sizes and -1.33 at")


def test_a_bend_within_the_noise_is_not_told() -> None:
    noise = np.random.default_rng(1).normal(0, 0.5, (3, 8))
    rungs = tuple(
        rung(size, -2.0 + (0.05 if i == 1 else 0.0), -2.0 + without(noise[i]))
        for i, size in enumerate(SIZES)
    )
    assert not Transfer("rows", rungs, 600).bends


def test_a_minimum_at_the_end_of_a_range_gives_no_line() -> None:
    ats = zip(SIZES, (-2.0, -2.2, -2.4), strict=True)
    rungs = [rung(size, at, at_edge=size != 150) for size, at in ats]
    Transfer.check_ends("rows", rungs[1:2])
    said = (
        r"^transfer: must have .* got an end of it: 0\.01 with 75 units, 0\.00398 with 300 units\."
    )
    with pytest.raises(UsageError, match=said):
        Transfer.check_ends("hidden", rungs)


def test_the_strength_is_said_with_its_factor() -> None:
    (line,) = ladder(-2.0, -2.25, -2.5).sentences("weight_decay")
    assert "weight_decay = 0.001 is best for 1,200 rows, times or divided by 1 (95 %)" in line
    assert "to the power -0.83 ± 0.00, at the same number of epochs" in line


@pytest.mark.parametrize("size", [29, 3001])
def test_more_than_a_decade_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"--rows: must be at most 10 times .* 300, got {size}"):
        Transfer.check("rows", 300, size)


@pytest.mark.parametrize("size", [30, 3000])
def test_a_decade_is_allowed(size: int) -> None:
    Transfer.check("rows", 300, size)


# --- a rung


def curve(least: float, n_folds: int = 4) -> dict[float, list[float]]:
    """Values on folds whose curves are parabolas with their minima around `least` (log10)."""
    shifts = np.linspace(-0.1, 0.1, n_folds)
    return {
        10.0**at: [1.0 + 0.1 * (at - least - shift) ** 2 for shift in shifts]
        for at in np.linspace(-4, 0, 13)
    }


def finished(values: dict[float, list[float]], **more: object) -> Finished:
    n_folds = len(next(iter(values.values())))
    spec: dict[str, object] = {"replicates": {"n_folds": n_folds}}
    if "more_params" in more:
        spec["search"] = {"space": {"lr": {"low": 1e-3, "high": 1.0}}}
    return Finished.read(made_study(values, spec=spec, **more))  # type: ignore[arg-type]


def test_a_rung_is_the_minimum_of_the_fitted_curve() -> None:
    one = Rung.of(finished(curve(-1.7)), 75)
    assert one.at == pytest.approx(-1.7, abs=0.03)
    assert one.without == pytest.approx(-1.7 + without(np.linspace(-0.1, 0.1, 4)), abs=0.03)
    assert not one.at_edge


def test_a_rung_that_falls_to_its_end_says_so() -> None:
    assert Rung.of(finished(curve(1.0)), 75).at_edge


def test_a_rung_needs_folds() -> None:
    with pytest.raises(UsageError, match="must have 3 folds or more"):
        Rung.of(finished(curve(-2.0, n_folds=2)), 75)


def test_a_rung_needs_the_strength_alone() -> None:
    study = finished(curve(-2.0), more_params={"lr": 0.1})
    with pytest.raises(UsageError, match=r"search the strength alone, got 4 folds and .*lr"):
        Rung.of(study, 75)


def test_a_rung_needs_values() -> None:
    with pytest.raises(SweepError, match="three strengths with a value, got 2"):
        Rung.of(finished(dict(list(curve(-2.0).items())[:2])), 75)
