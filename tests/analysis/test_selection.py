"""Which strength is chosen, and what is said about it."""

import math
import re
from typing import Any

import numpy as np
import optuna
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from sweep.analysis.selection import Finished, choices
from sweep.errors import SweepError, UsageError
from sweep.stats import standard_error
from tests.conftest import made, made_study


def _around(mean: float, spread: float = 1.0) -> list[float]:
    """Return three fold values of this mean, whose standard error is spread / √3."""
    return [mean - spread, mean, mean + spread]


# --- best and 1se


def test_1se_goes_towards_stronger_penalties_only() -> None:
    # A valley with its floor at 1e-2 and one point within one standard error on either side.
    curve = {1e-4: 9.0, 1e-3: 5.4, 1e-2: 5.0, 1e-1: 5.5, 1.0: 9.0}
    finished = made({alpha: _around(value) for alpha, value in curve.items()})
    assert finished.choose("best").params == {"alpha": 1e-2}
    assert finished.choose("1se").params == {"alpha": 1e-1}


def test_1se_as_worked_by_hand() -> None:
    # SE at the minimum: sd(1, 2, 3) / √3 = 0.577, so the limit is 2.577. The mean at 0.1 is
    # 2.5 and at 0.2 is 2.6; the larger standard errors of those two play no part.
    values = {0.05: [1, 2, 3], 0.1: [0, 2.5, 5], 0.2: [0, 2.6, 5.2], 0.01: [3, 3, 3]}
    chosen = made(values).choose("1se")
    assert (chosen.number, chosen.params) == (1, {"alpha": 0.1})
    assert chosen.value == pytest.approx(2.5)
    assert chosen.value_se == pytest.approx(2.5 / math.sqrt(3))


def _glmnet(values: dict[float, list[float]]) -> tuple[float, float]:
    """R/getOptcv.glmnet.R, line by line: lambda.min and lambda.1se."""
    lambdas = sorted(values, reverse=True)
    cvm = [sum(values[at]) / 3 for at in lambdas]
    cvsd = [
        math.sqrt(sum((v - m) ** 2 for v in values[at]) / 2 / 3)
        for at, m in zip(lambdas, cvm, strict=True)
    ]
    idmin = [m <= min(cvm) for m in cvm]
    lambda_min = max(at for at, chosen in zip(lambdas, idmin, strict=True) if chosen)
    place = lambdas.index(lambda_min)
    semin = cvm[place] + cvsd[place]
    return lambda_min, max(at for at, m in zip(lambdas, cvm, strict=True) if m <= semin)


@given(
    st.dictionaries(
        st.sampled_from([1e-4, 1e-3, 1e-2, 1e-1, 0.5, 1.0]),
        # Sixteenths and thrice their sums: ties are frequent, and exact.
        st.lists(st.integers(0, 4).map(lambda n: n * 3 / 16), min_size=3, max_size=3),
        min_size=1,
    )
)
def test_both_choices_are_glmnets(values: dict[float, list[float]]) -> None:
    finished = made(values)
    chosen = finished.choose("best").params["alpha"], finished.choose("1se").params["alpha"]
    assert chosen == _glmnet(values)


@pytest.mark.parametrize("order", [(1e-3, 1e-2, 1e-1), (1e-1, 1e-2, 1e-3)])
def test_of_equal_values_the_strongest_is_best(order: tuple[float, ...]) -> None:
    values = {1e-3: _around(2.0), 1e-2: _around(2.0, 3.0), 1e-1: _around(3.0)}
    finished = made({alpha: values[alpha] for alpha in order})
    assert finished.choose("best").params == {"alpha": 1e-2}


def test_a_value_exactly_at_the_limit_is_chosen() -> None:
    # 0, 0, 0, 4: mean 1, sd 2, standard error 1
    values = {1e-3: [0.0, 0.0, 0.0, 4.0], 1e-2: [2.0] * 4, 1e-1: [2.0, 2.0, 2.0, 2.001]}
    finished = made(values, spec={"replicates": {"n_folds": 4}})
    assert finished.choose("1se").params == {"alpha": 1e-2}


def test_1se_with_two_folds_is_refused() -> None:
    finished = made({1e-3: [1.0, 2.0]}, spec={"replicates": {"n_folds": 2}})
    with pytest.raises(
        UsageError, match=r"^selection: 1se must have 3 folds or more, got 2\. Use"
    ):
        finished.choose("1se")
    assert list(choices(finished)) == ["best"]


def test_1se_with_several_params_and_no_line_is_refused() -> None:
    finished = made(
        {1e-3: _around(1.0)},
        spec={"search": {"space": {"lr": {"low": 1e-3, "high": 1e-1}}}},
        more_params={"lr": 1e-2},
    )
    with pytest.raises(UsageError, match=r"alpha alone to vary, got alpha, lr and no line"):
        finished.choose("1se")


def test_choices_are_best_and_1se() -> None:
    finished = made({1e-3: _around(1.0), 1e-2: _around(1.1)})
    assert [(name, c.at) for name, c in choices(finished).items()] == [
        ("best", 1e-3),
        ("1se", 1e-2),
    ]


def test_trials_that_did_not_end_are_no_choice() -> None:
    study = made_study({1e-2: _around(2.0)})
    pruned = optuna.trial.create_trial(
        state=optuna.trial.TrialState.PRUNED,
        params={"alpha": 1e-3},
        distributions={"alpha": optuna.distributions.FloatDistribution(1e-9, 1e3, log=True)},
        intermediate_values={1: 0.1},
        user_attrs={"outcome": "diverged"},
    )
    study.add_trial(pruned)
    assert Finished.read(study).choose("best").params == {"alpha": 1e-2}


def test_a_study_without_a_result_cannot_be_read() -> None:
    with pytest.raises(SweepError, match="must have a finished trial, got none in made") as error:
        Finished.read(made_study({}))
    assert error.value.exit_code == 1


def test_a_study_of_another_program_cannot_be_read() -> None:
    study = optuna.create_study(study_name="theirs")
    with pytest.raises(UsageError, match="must be one of sweep's, got theirs"):
        Finished.read(study)


# --- the line through the best of several params

SEVERAL = {"search": {"space": {"lr": {"low": 1e-3, "high": 1e-1}}}}


def _with_line(of: int, line: dict[float, list[float]]) -> Finished:
    points: dict[str, dict[str, Any]] = {
        f"{of}.{i}": {
            "params": {"alpha": alpha, "lr": 1e-2}, "value": sum(values) / 3,
            "value_se": standard_error(values, 3), "replicate_values": values,
        }
        for i, (alpha, values) in enumerate(line.items())
    }  # fmt: skip
    points[f"{of}.99"] = {"params": {"alpha": 0.9, "lr": 1e-2}, "outcome": "diverged"}
    return made(
        {1e-3: _around(1.0), 1.0: _around(1.1)},
        spec=SEVERAL,
        more_params={"lr": 1e-2},
        attrs={"line": {"of": of, "points": points}},
    )


def test_with_several_params_1se_is_taken_on_the_line_at_the_best_ones() -> None:
    finished = _with_line(0, {1e-4: _around(3.0), 1e-2: _around(1.5), 1e-1: _around(1.6)})
    chosen = finished.choose("1se")  # the limit is 1 + 0.577; the trial at 1.0 is not on the line
    assert chosen.number is None
    assert chosen.params == {"alpha": 1e-2, "lr": 1e-2}
    assert [point.params["alpha"] for point in finished.curve] == [1e-4, 1e-3, 1e-2, 1e-1]


def test_1se_is_the_best_trial_where_the_line_has_nothing_stronger() -> None:
    chosen = _with_line(0, {1e-4: _around(1.2), 1e-2: _around(9.0)}).choose("1se")
    assert (chosen.number, chosen.params["alpha"]) == (0, 1e-3)


def test_the_line_through_an_earlier_best_trial_does_not_count() -> None:
    with pytest.raises(UsageError, match="no line through the best trial yet"):
        _with_line(1, {1e-2: _around(1.0)}).choose("1se")


# --- the interval


def test_the_interval_as_worked_by_hand() -> None:
    # t(2, 0.975) = 4.3027. Differences to the best, fold by fold, and their standard errors:
    best = [1.0, 2.0, 3.0]
    values = {
        1e-4: [2.0, 3.0, 4.001],  # 1.0003 at 0.0003: told apart
        1e-3: [1.0, 2.5, 4.0],  # 0.5 at 0.289: not
        1e-2: best,
        1e-1: [2.0, 2.0, 3.2],  # 0.4 at 0.306: not
        1.0: [2.0, 3.5, 4.5],  # 1.333 at 0.167: eight standard errors
    }
    finished = made(values)
    # 1e-3 to 1e-1 are alike; each end reaches half way to the next strength.
    reaches = pytest.approx((10**-3.5, 10**-0.5))
    assert finished.interval(finished.choose("best")) == reaches


def test_the_interval_is_scipys_paired_t_test() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        folds = generator.normal(size=5)
        values = {
            float(alpha): list(folds + generator.normal(0.4 * np.log10(alpha / 1e-2) ** 2, 0.5, 5))
            for alpha in np.geomspace(1e-4, 1, 9)
        }
        finished = made(values, spec={"replicates": {"n_folds": 5}})
        best = finished.choose("best")
        own = best.replicate_values
        alike = [
            alpha
            for alpha, other in values.items()
            if alpha == best.params["alpha"]
            or scipy.stats.ttest_rel(other, own, alternative="greater").pvalue >= 0.025
        ]
        tried = sorted(values)
        before = tried[max(tried.index(min(alike)) - 1, 0)]
        after = tried[min(tried.index(max(alike)) + 1, len(tried) - 1)]
        reaches = (math.sqrt(before * min(alike)), math.sqrt(after * max(alike)))
        assert finished.interval(best) == pytest.approx(reaches)


def test_an_interval_needs_three_folds() -> None:
    finished = made({1e-3: [1.0, 2.0]}, spec={"replicates": {"n_folds": 2}})
    with pytest.raises(UsageError, match=r"^interval must have 3 folds or more, got 2\."):
        finished.interval(finished.choose("best"))


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ({}, "(2 diverged). Lower training.lr"),
        (
            {"reason": "validation loss inf at epoch 3 (fold 0, seed 0)"},
            "(2 diverged, the last with validation loss inf at epoch 3). Lower training.lr",
        ),
        (
            {"reason": "metric nan at the end of training (fold 0, seed 0)"},
            "(2 diverged, the last with metric nan at the end of training). Mend objective.metric",
        ),
    ],
)
def test_where_every_trial_diverged_there_is_nothing_to_choose(
    reason: dict[str, str], line: str
) -> None:
    study = made_study({})
    for _ in range(2):
        diverged = optuna.trial.create_trial(
            state=optuna.trial.TrialState.FAIL, user_attrs={"outcome": "diverged", **reason}
        )
        study.add_trial(diverged)
    with pytest.raises(SweepError, match=re.escape(f"got none of 2 in made {line}")):
        Finished.read(study)


def test_a_study_of_another_version_cannot_be_read() -> None:
    study = made_study({1e-2: _around(1.0)})
    spec = study.user_attrs["spec"]
    study.set_user_attr("spec", {**spec, "search": {**spec["search"], "later": 1}})
    with pytest.raises(
        UsageError, match=r"^study: must be of this version .*search\.later: extra"
    ):
        Finished.read(study)


# --- gain


def assert_gain(finished: Finished, by: float, error: float) -> None:
    gain = finished.gain(finished.choose("best"))
    assert gain and (gain.by, gain.se) == pytest.approx((by, error), rel=1e-12)
    assert not gain.fresh and gain.told is None  # the folds that chose claim nothing


def test_the_gain_is_paired_by_fold() -> None:
    finished = made({1e-2: [4.0, 7.0, 1.0]}, baseline=[5.0, 9.0, 4.0])  # differences 1, 2, 3
    assert_gain(finished, 2.0, 1 / math.sqrt(3))


def test_seeds_are_averaged_before_the_gain_is_paired() -> None:
    finished = made(
        {1e-2: [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]},
        baseline=[0.0, 2.0, 1.0, 3.0, 2.0, 4.0],
        spec={"replicates": {"n_folds": 3, "n_seeds": 2}},
    )
    assert_gain(finished, 2.0, 1 / math.sqrt(3))


@pytest.mark.parametrize(
    ("base", "told"),
    [([5.0, 9.0, 4.0], None), ([8.0, 11.1, 5.0], "better"), ([0.0, 3.1, -3.0], "worse")],
)
def test_fresh_folds_tell_what_is_better(base: list[float], told: str | None) -> None:
    finished = made({1e-2: [4.0, 7.0, 1.0]}, baseline=base, confirmed=True)
    gain = finished.gain(finished.choose("best"))
    assert gain and gain.fresh and gain.told == told


def test_equal_differences_of_a_loss_claim_nothing() -> None:
    finished = made({1e-2: [1.0, 2.0, 3.0]}, baseline=[2.0, 3.0, 4.0], confirmed=True)
    gain = finished.gain(finished.choose("best"))
    assert gain and gain.se == 0 and gain.told is None


def test_shares_of_rows_have_the_error_of_their_rows_at_least() -> None:
    """Two folds of 20 rows, one row less wrong in each: an error of 0 would claim it."""
    finished = made(
        {1e-2: [0.10, 0.15]}, [0.15, 0.20], confirmed=True,
        spec={"replicates": {"n_folds": 2}, "objective": {"metric": "val_error"}},
        attrs={"problem": {"n_val_rows": 40}},
    )  # fmt: skip
    gain = finished.gain(finished.choose("best"))
    assert gain and gain.told is None
    assert gain.se == pytest.approx(math.sqrt(0.05 / 40))


def test_one_split_has_no_error_over_rows() -> None:
    finished = made(
        {1e-2: [1.0, 1.1, 1.2]}, [2.0, 2.1, 2.2], confirmed=True,
        spec={"replicates": {"n_folds": 1, "n_seeds": 3}},
    )  # fmt: skip
    gain = finished.gain(finished.choose("best"))
    assert gain and gain.se is None and gain.told is None


def test_without_a_control_there_is_no_gain() -> None:
    finished = made({1e-2: _around(1.0)}, baseline=None)
    assert finished.gain(finished.choose("best")) is None


@pytest.mark.parametrize(("alpha", "edge"), [(1.7e-4, "low"), (1.8e-4, None),
                                             (0.56, None), (0.57, "high")])  # fmt: skip
def test_an_end_is_a_quarter_of_a_decade_wide(alpha: float, edge: str | None) -> None:
    finished = made({alpha: _around(1.0)}, _around(1.0))
    assert finished.at_edge(finished.choose("best")) == edge


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("baseline", 7), ("baseline", {"params": {"alpha": 0.0}, "value": "x"}),
        ("baseline", {"params": {"alpha": 0.0}, "value": "0.5"}),
        ("confirmation", {"best": 1}), ("alpha_range", "x"), ("alpha_range", [1.0]),
        ("alpha_max", "x"), ("widenings", 3), ("line", 1), ("problem", []), ("remarks", "x"),
        ("remarks", [1]), ("controls", 5), ("transfer", "x"),
    ],
)  # fmt: skip
def test_an_attribute_that_another_program_overwrote_is_named(name: str, value: Any) -> None:
    study = made_study({1e-2: [1.0, 2.0, 3.0]}, [2.0, 3.0, 4.0])
    study.set_user_attr(name, value)
    with pytest.raises(UsageError, match=f"its attribute {name} must be as sweep stored it, got"):
        Finished.read(study)
