"""The design sampler: in plain Optuna, and in whole studies."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

import sweep
from sweep.errors import UsageError
from sweep.result import StudyResult
from sweep.search.curve import Curve
from sweep.search.design import DesignSampler
from sweep.search.widening import new_points
from sweep.spec.study import StudySpec
from tests.support.cases import few_fast, slow_but
from tests.support.studies import parse, refused, tiny

LOW, HIGH = 1e-6, 1e-1
SPACE = FloatDistribution(LOW, HIGH, log=True)
AT = np.linspace(-6, -1, 1001)
EXACT = ["number", "state", "value", "alpha", "train_loss", "norm", "outcome"]


def loss(alpha: float) -> float:
    """A valley at 2e-3 with a cliff beyond."""
    x = math.log10(alpha)
    return 0.6 + 0.05 * (x + 2.7) ** 2 + 0.002 * math.sin(40 * x) + 2 * (alpha > 0.03)


def optimized(n_trials: int, objective: Callable[[float], float] = loss) -> list[float]:
    study = optuna.create_study(sampler=DesignSampler())

    def value(trial: optuna.Trial) -> float:
        return objective(trial.suggest_float("alpha", LOW, HIGH, log=True))

    study.optimize(value, n_trials=n_trials)
    return [trial.params["alpha"] for trial in study.trials]


def fitted(alphas: list[float], objective: Callable[[float], float] = loss) -> Curve:
    curve = Curve.fit(np.log10(alphas), np.array([objective(alpha) for alpha in alphas]))
    assert curve
    return curve


# --- plain Optuna


def test_a_grid_then_where_most_is_expected() -> None:
    alphas = optimized(12)
    assert sorted(alphas[:8]) == pytest.approx(list(np.geomspace(LOW, HIGH, 8)))
    for number in range(8, 12):
        apart = np.abs(AT[:, None] - np.log10(alphas[:number])).min(axis=1)
        hopes = np.where(apart > 1 / number, fitted(alphas[:number]).improvement(AT), 0.0)
        assert math.log10(alphas[number]) == pytest.approx(AT[hopes.argmax()], abs=0.006)


@pytest.mark.parametrize("best", [2e-5, 1e-4, 7e-4, 1e-3, 5e-3, 2e-2])
def test_the_thirteenth_is_the_minimum_of_the_model(best: float) -> None:
    def valley(alpha: float) -> float:
        return math.log10(alpha / best) ** 2 + 0.01 * math.sin(50 * math.log(alpha))

    alphas = optimized(13, valley)
    tried = np.log10(alphas[:12])
    minimum = AT[fitted(alphas[:12], valley).mean(AT).argmin()]
    if np.abs(tried - minimum).min() > 0.03:  # else it was tried already
        assert math.log10(alphas[12]) == pytest.approx(minimum, abs=0.006)
    closest = min(alphas, key=lambda alpha: abs(math.log10(alpha) - minimum))
    assert math.log10(closest) == pytest.approx(minimum, abs=0.03)
    assert best / 1.3 < 10**minimum < best * 1.3


def test_more_trials_go_on_from_the_first_thirteen() -> None:
    assert optimized(30)[:13] == optimized(13)
    assert len(set(optimized(30))) == 30


def test_the_largest_is_found_where_the_study_maximizes() -> None:
    study = optuna.create_study(sampler=DesignSampler(), direction="maximize")
    study.optimize(
        lambda trial: -loss(trial.suggest_float("alpha", LOW, HIGH, log=True)), n_trials=13
    )
    assert [trial.params["alpha"] for trial in study.trials] == optimized(13)


def test_a_minimum_that_was_tried_is_not_tried_again() -> None:
    alphas = optimized(13, lambda alpha: math.log10(alpha))  # at the low end
    assert alphas.count(LOW) == 1 and len(set(alphas)) == 13


def test_asks_without_results_spread_over_the_gaps() -> None:
    study = optuna.create_study(sampler=DesignSampler())
    asked = [study.ask({"alpha": SPACE}).params["alpha"] for _ in range(15)]
    gaps = np.diff(np.log10(sorted(asked)))
    assert gaps == pytest.approx(5 / 14, abs=0.011)


def test_an_ask_believes_what_it_expects_of_trials_without_results() -> None:
    study = optuna.create_study(sampler=DesignSampler())
    for _ in range(8):
        trial = study.ask({"alpha": SPACE})
        study.tell(trial, loss(trial.params["alpha"]))
    known = [trial.params["alpha"] for trial in study.trials]
    first, second = np.log10([study.ask({"alpha": SPACE}).params["alpha"] for _ in range(2)])
    apart = np.abs(AT[:, None] - np.append(np.log10(known), first)).min(axis=1)
    curve = fitted(known)
    plain, believing = (
        AT[np.where(apart > 1 / 9, one.improvement(AT), 0.0).argmax()]
        for one in (curve, curve.believing(np.array([first])))
    )
    assert second == pytest.approx(believing, abs=0.006) and abs(plain - believing) > 0.02


def test_an_ask_takes_no_part_in_trials_after_it() -> None:
    study = optuna.create_study(sampler=DesignSampler())
    study.optimize(lambda t: loss(t.suggest_float("alpha", LOW, HIGH, log=True)), n_trials=13)
    asked = study.trials[12]
    for alpha in (1e-5, 2e-5):
        after = create_trial(params={"alpha": alpha}, distributions={"alpha": SPACE}, value=0.0)
        study.add_trial(after)
    again = study.sampler.sample_independent(study, asked, "alpha", SPACE)
    assert again == asked.params["alpha"]


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.FAIL])
def test_where_trials_failed_nothing_is_expected(state: TrialState) -> None:
    study = optuna.create_study(sampler=DesignSampler())
    for _ in range(13):
        trial = study.ask({"alpha": SPACE})
        alpha = trial.params["alpha"]
        if alpha > 1e-3:  # the best of `loss` is among them
            trial.report(1e-9, 1)
            study.tell(trial, state=state)
        else:
            study.tell(trial, loss(alpha))
    later = [trial.params["alpha"] for trial in study.trials[8:]]
    assert sum(alpha > 1e-3 for alpha in later) <= 1


def test_a_second_parameter_is_one_line() -> None:
    study = optuna.create_study(sampler=DesignSampler())
    trial = study.ask()
    trial.suggest_float("alpha", LOW, HIGH, log=True)
    with pytest.raises(UsageError, match=r"one parameter, got lr beside alpha\. Use TPESampler"):
        trial.suggest_float("lr", LOW, HIGH, log=True)


def test_another_scale_is_one_line() -> None:
    trial = optuna.create_study(sampler=DesignSampler()).ask()
    with pytest.raises(UsageError, match="float on a log scale, got alpha as"):
        trial.suggest_float("alpha", 0.0, 1.0)


losses = st.floats() | st.sampled_from([0.5, 0.5, 1.0])


@settings(max_examples=30)
@given(values=st.lists(losses | st.none(), min_size=16, max_size=16), ahead=st.integers(1, 12))
def test_any_values_lead_to_proposals_in_the_range(values: list[float | None], ahead: int) -> None:
    study = optuna.create_study(sampler=DesignSampler())
    waiting = []
    for value in values:
        waiting.append((study.ask({"alpha": SPACE}), value))
        if len(waiting) < ahead:
            continue
        trial, came_to = waiting.pop(0)
        if came_to is None or not math.isfinite(came_to):
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, came_to)
    asked = [trial.params["alpha"] for trial in study.trials]
    assert all(LOW <= alpha <= HIGH for alpha in asked) and len(set(asked)) == 16


# --- study files


def test_waves_know_the_waves_before_them() -> None:
    spec = parse(search={"sampler": {"type": "design"}})
    seen = [spec.last_seen(number) for number in range(20)]
    assert seen == [*[-1] * 8, *[7] * 4, *[11] * 4, 12, 13, 14, 15]
    assert spec.in_flight == 8
    spec = parse(search={"sampler": {"type": "design"}, "in_flight": 3})
    assert [spec.last_seen(number) for number in (0, 8, 12)] == [-3, 5, 9]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"search": {"space": {"lr": {}}}}, "searches alpha alone, got lr too. Remove"),
        (
            {"training": {"optimizer": "adamw"}, "search": {"space": {"lr": {}}}},
            "searches weight_decay alone, got lr too",
        ),
        ({"search": {"pruner": {"type": "median"}}}, "must be none with sampler design"),
    ],
)
def test_what_the_design_cannot_do_is_one_line(tree: dict[str, Any], message: str) -> None:
    search = {**tree["search"], "sampler": {"type": "design"}}
    assert message in refused(**{**tree, "search": search})


# --- whole studies


def spec_of(folder: Path, database: str = "studies", **overrides: Any) -> StudySpec:
    given = {
        "search__sampler__type": "design", "search__in_flight": "auto", "search__n_trials": 13,
        "storage": f"sqlite:///{folder}/{database}.db", "training__epochs": 6, **overrides,
    }  # fmt: skip
    return tiny(folder, **given)


def run(folder: Path, database: str = "studies", **overrides: Any) -> StudyResult:
    return sweep.run(spec_of(folder, database, **overrides))


def stopped_after(epochs: int, spec: StudySpec) -> StudyResult:
    calls = iter(range(10**6))
    return sweep.run(spec, should_stop=lambda: next(calls) >= epochs)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The table of twenty trials in four slots."""
    folder = tmp_path_factory.mktemp("whole")
    return run(folder, training__width=16, search__n_trials=20).trials[EXACT]


@pytest.mark.parametrize(
    ("width", "workers"),
    slow_but({(8, 1), (16, 2)}, [(4, 1), (8, 1), (36, 1), (128, 1), (16, 2), (36, 2)]),
)
def test_the_table_is_the_same_at_any_width_and_with_workers(
    tmp_path: Path, whole: pd.DataFrame, width: int, workers: int
) -> None:
    other = run(
        tmp_path, search__n_trials=20, training__width=width, training__workers=workers
    ).trials[EXACT]
    pd.testing.assert_frame_equal(other, whole, rtol=2e-4)
    assert list(other["alpha"]) == list(whole["alpha"])


def test_the_first_thirteen_stay_when_trials_are_raised(
    tmp_path: Path, whole: pd.DataFrame
) -> None:
    first = run(tmp_path, training__width=16).trials[EXACT]
    raised = run(tmp_path, training__width=16, search__n_trials=20).trials[EXACT]
    pd.testing.assert_frame_equal(first, whole[:13], check_exact=True)
    pd.testing.assert_frame_equal(raised, whole, check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [0, 3, 12, 17, 20, 29])
def test_a_stopped_study_resumes_to_the_same_table(
    tmp_path: Path, whole: pd.DataFrame, epochs: int
) -> None:
    spec = spec_of(tmp_path, training__width=16, search__n_trials=20)
    assert stopped_after(epochs, spec).ending == "interrupted"
    pd.testing.assert_frame_equal(sweep.run(spec).trials[EXACT], whole, check_exact=True)


def test_another_seed_gives_another_table_and_the_same_one_twice(tmp_path: Path) -> None:
    first, again, other = (
        run(tmp_path, name, seed=seed).trials[EXACT]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not first["value"].equals(other["value"])


@pytest.mark.parametrize(("low", "high"), few_fast([(3e-5, 3e-4), (0.03, 0.1)], 2))
def test_an_end_with_the_best_strength_moves_after_the_first_wave(
    tmp_path: Path, low: float, high: float
) -> None:
    ends = {"low": low, "high": high}
    result = run(tmp_path, search__space__alpha=ends, training__epochs=30)
    (move,) = result.study.user_attrs["widenings"]
    assert move["at"] == 8 and move["before"] == [low, high] != move["after"]
    alphas = list(result.trials["alpha"])
    assert alphas[8:11] == new_points(move["before"], move["after"])
    assert not low <= result.best.params["alpha"] <= high


@pytest.fixture(scope="module")
def widened(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The table of a study whose range moves twice, all at once."""
    result = run(tmp_path_factory.mktemp("widened"), **MOVES, training__width=40)
    assert [move["at"] for move in result.study.user_attrs["widenings"]] == [8, 13]
    return result.trials[EXACT]


MOVES: dict[str, Any] = {
    "search__n_trials": 18, "training__epochs": 10,
    "search__space__alpha": {"low": 3e-5, "high": 3e-4},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [9, 10, 19, 25, 31])
def test_a_widened_study_resumes_to_the_same_table(
    tmp_path: Path, widened: pd.DataFrame, epochs: int
) -> None:
    spec = spec_of(tmp_path, **MOVES, training__width=40)
    assert stopped_after(epochs, spec).ending == "interrupted"
    pd.testing.assert_frame_equal(sweep.run(spec).trials[EXACT], widened, check_exact=True)


@pytest.mark.slow
def test_a_widened_study_is_the_same_in_one_slot(tmp_path: Path, widened: pd.DataFrame) -> None:
    other = run(tmp_path, **MOVES, training__width=4).trials[EXACT]
    assert list(other["alpha"]) == list(widened["alpha"])


def test_no_move_takes_the_place_of_the_model_s_minimum(tmp_path: Path) -> None:
    """Here the best lies at the end again after the second wave: that waits for trial 13."""
    result = run(tmp_path, **{**MOVES, "search__n_trials": 13})
    assert [move["at"] for move in result.study.user_attrs["widenings"]] == [8]


def test_a_study_in_which_all_diverge_covers_the_range(tmp_path: Path) -> None:
    sgd = {"optimizer": "sgd", "lr": 1e12, "batch_size": 25, "epochs": 3}
    result = run(tmp_path, training=sgd, search__space__alpha={"low": 1e-17, "high": 1e-13})
    trials = result.study.trials
    assert {trial.user_attrs["outcome"] for trial in trials} == {"diverged"}
    gaps = np.diff(np.log10(sorted(trial.params["alpha"] for trial in trials)))
    assert len(trials) == 13 and gaps.max() < 4 / 7 + 0.01 and gaps.min() > 4 / 15


def test_weight_decay_is_searched_as_alpha_is(tmp_path: Path) -> None:
    result = run(tmp_path, training={"optimizer": "adamw", "lr": 1e-2, "epochs": 4})
    assert len(set(result.trials["weight_decay"])) == 13
