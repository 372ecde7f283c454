"""Where the range of the strength begins, and when it grows."""

import math
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import torch
from optuna.trial import FrozenTrial

import sweep
from sweep.errors import UsageError
from sweep.plan.plan import make_plan
from sweep.plan.range import stability_cap
from sweep.result import StudyResult
from sweep.search.widening import new_points, widened
from sweep.spec.resolved import Range
from sweep.spec.study import StudySpec
from tests.conftest import made_study
from tests.support.studies import tiny


def test_the_range_ends_where_the_network_collapses(tmp_path: Path) -> None:
    plan = make_plan(tiny(tmp_path))
    assert plan.span.alpha_max is not None
    assert plan.span.high == plan.span.alpha_max
    assert plan.span.low == pytest.approx(plan.span.alpha_max * 1e-4)


def test_without_a_formula_the_range_is_wide(tmp_path: Path) -> None:
    plan = make_plan(tiny(tmp_path, model__hidden=[8, 8]))
    assert plan.span.alpha_max is None
    assert (plan.span.low, plan.span.high) == (1e-6, 1e-1)


@pytest.mark.parametrize("key", ["exempt", "include"])
def test_where_not_the_weights_alone_are_penalised_no_formula_holds(
    tmp_path: Path, key: str
) -> None:
    named = {"exempt": ["layers.0.weight"], "include": ["*.bias"]}[key]
    assert make_plan(tiny(tmp_path, **{f"penalty__{key}": named})).span.alpha_max is None


def test_one_end_may_be_given(tmp_path: Path) -> None:
    plan = make_plan(tiny(tmp_path, search__space__alpha={"low": 1e-3}))
    assert plan.span.low == 1e-3 and plan.span.high == plan.span.alpha_max


def test_a_low_end_above_the_automatic_high_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"search\.space\.alpha\.low: must be < high"):
        make_plan(tiny(tmp_path, search__space__alpha={"low": 10.0}))


@pytest.mark.parametrize(
    ("training", "alpha", "stable"),
    [
        ({"momentum": 0.0}, 0.97, True),
        ({"momentum": 0.0}, 1.03, False),
        ({"momentum": 0.9}, 0.97, True),
        ({"momentum": 0.9}, 1.03, False),
        ({"momentum": 0.9, "dampening": 0.5}, 0.97, True),
        ({"momentum": 0.9, "dampening": 0.5}, 1.03, False),
        ({"momentum": 0.9, "nesterov": True}, 0.97, True),
        ({"momentum": 0.9, "nesterov": True}, 1.03, False),
    ],
)
def test_the_cap_is_where_sgd_on_the_penalty_alone_stops_converging(
    tmp_path: Path, training: dict[str, float | bool], alpha: float, stable: bool
) -> None:
    spec = tiny(tmp_path, training={"optimizer": "sgd", "lr": 0.1, **training})
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    strength = alpha * (stability_cap(spec) or math.inf) / 0.99
    options = {"weight_decay": 2 * strength, "lr": 0.1, **training}
    sgd = torch.optim.SGD([weight], **options)  # type: ignore[arg-type]
    for _ in range(3000):
        weight.grad = torch.zeros_like(weight)
        sgd.step()
    assert (float(weight.detach().abs()) < 1) == stable


def fold_values(mean: float, spread: float = 0.1) -> list[float]:
    return [mean - spread, mean, mean + spread]


def trials_of(values: dict[float, float]) -> list[FrozenTrial]:
    return made_study({alpha: fold_values(mean) for alpha, mean in values.items()}).trials


@pytest.mark.parametrize(
    ("best", "control", "expected"),
    [
        (1e-2, None, None),  # in the middle
        (0.57, None, (1e-4, 10.0)),  # within a quarter decade of the upper end
        (0.55, None, None),
        (1.7e-4, [2.0, 2.1, 2.2], (1e-5, 1.0)),  # the control is worse by more than its error
        (1.9e-4, [2.0, 2.1, 2.2], None),
        (1.7e-4, [1.0, 1.1, 1.2], (1e-5, 1.0)),  # 0.1 ± 0: any lead counts, however small
        (1.7e-4, [0.7, 1.0, 1.3], None),  # told apart by nothing
        (1.7e-4, [0.9, 0.9, 0.91], None),  # worse than no penalty by 1.5 errors
        (1.7e-4, [0.5, 0.6, 0.71], (1e-5, 1.0)),  # by many: all of the range is too strong
        (1.7e-4, None, None),  # without a control nobody can say
    ],
)
def test_the_end_at_which_the_best_strength_lies_moves(
    tmp_path: Path, best: float, control: list[float] | None, expected: tuple[float, float] | None
) -> None:
    trials = trials_of({best: 1.0, 3e-3: 1.5, 3e-2: 1.4})
    baseline = None if control is None else {"value": 0.0, "replicate_values": control}
    wider = widened(tiny(tmp_path, replicates__n_folds=3), Range(1e-4, 1.0), trials, baseline)
    found = None if wider is None else (wider.low, wider.high)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("alpha_max", "cap", "high"),
    [(5.0, None, 5.0), (None, 3.0, 3.0), (5.0, 3.0, 3.0), (1.0, None, None), (None, 1.0, None)],
)
def test_the_upper_end_stops_where_strengths_make_no_sense(
    tmp_path: Path, alpha_max: float | None, cap: float | None, high: float | None
) -> None:
    now = Range(1e-4, 1.0, alpha_max, cap)
    wider = widened(tiny(tmp_path), now, trials_of({0.9: 1.0}), None)
    assert (wider and wider.high) == high


def test_without_results_nothing_moves(tmp_path: Path) -> None:
    assert widened(tiny(tmp_path), Range(1e-4, 1.0), [], None) is None


@pytest.mark.parametrize(
    ("before", "after"), [([1e-3, 1e-1], [1e-3, 1.0]), ([1e-3, 1e-1], [1e-4, 1e-1])]
)
def test_a_new_decade_is_looked_at_from_its_end(before: list[float], after: list[float]) -> None:
    points = new_points(before, after)
    gained = (before[1], after[1]) if after[1] > before[1] else (after[0], before[0])
    assert all(gained[0] <= point <= gained[1] for point in points)
    assert points[0] in after and len(set(points)) == 3


# --- whole studies


def run(tmp_path: Path, low: float, high: float, **overrides: Any) -> StudyResult:
    given = {
        "training__epochs": 30, "search__n_trials": 30,
        "search__space__alpha": {"low": low, "high": high}, **overrides,
    }  # fmt: skip
    return sweep.run(tiny(tmp_path, **given))


def is_relative(result: StudyResult) -> bool:
    """Tell whether a TPE sampler, seeing the study anew, models alpha."""
    trial = result.study.get_trials(deepcopy=False)[-1]
    space = optuna.samplers.TPESampler().infer_relative_search_space(result.study, trial)
    return set(space) == {"alpha"}


@pytest.mark.parametrize(
    ("low", "high", "moves"),
    [(3e-5, 3e-4, "upwards"), pytest.param(0.03, 0.1, "downwards", marks=pytest.mark.slow)],
)
def test_an_optimum_outside_the_range_is_found(
    tmp_path: Path, low: float, high: float, moves: str
) -> None:
    result = run(tmp_path, low, high)
    strength = result.best.params["alpha"]
    assert 1e-3 < strength < 3e-2
    assert (strength > high) if moves == "upwards" else (strength < low)
    (span,) = {
        (t.distributions["alpha"].low, t.distributions["alpha"].high)  # type: ignore[attr-defined]
        for t in result.study.trials
    }
    assert span == result.finished.alpha_range
    assert is_relative(result)
    assert "The range was widened " in result.verdict
    first = result.study.user_attrs["widenings"][0]
    asked = [t.params["alpha"] for t in result.study.trials[first["at"] : first["at"] + 3]]
    assert asked == new_points(first["before"], first["after"])


def test_where_no_penalty_helps_nothing_is_widened(tmp_path: Path) -> None:
    result = run(tmp_path, 1e-6, 1e-3, training__epochs=4, data__label_noise=0.0)
    assert "widenings" not in result.study.user_attrs
    assert "a penalty is not shown to help" in result.verdict


@pytest.mark.parametrize(
    "overrides",
    [
        {"search__widenings": 0},
        {"search__sampler": {"type": "grid"}},
        {"search__sampler": {"type": "random"}, "search__in_flight": "auto"},  # knows no results
    ],
)
def test_a_range_that_is_its_users_alone_stays(tmp_path: Path, overrides: dict[str, Any]) -> None:
    result = run(tmp_path, 3e-5, 3e-4, search__n_trials=16, training__epochs=10, **overrides)
    assert result.finished.alpha_range == (3e-5, 3e-4)


def test_widening_stops_at_its_number(tmp_path: Path) -> None:
    result = run(tmp_path, 3e-5, 3e-4, search__widenings=1)
    assert result.finished.alpha_range == pytest.approx((3e-5, 3e-3))


@pytest.mark.slow
def test_no_end_moves_before_a_wave_of_results_is_known(tmp_path: Path) -> None:
    moves = 0
    for seed in range(50):
        result = run(
            tmp_path, 1e-4, 3e-3, study_name=f"seed-{seed}", seed=seed, search__in_flight=12,
            training__epochs=12, search__n_trials=27,
        )  # fmt: skip
        known = result.study.get_trials(deepcopy=False)[:12]
        best = min(known, key=lambda trial: trial.value or math.inf).params["alpha"]
        for move in result.study.user_attrs.get("widenings", [])[:1]:
            assert move["at"] in (23, 24)
            end = move["before"][1 if move["after"][1] > move["before"][1] else 0]
            assert end / 2 < best < end * 2
            moves += 1
    assert 0 < moves < 50


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [35, 95, 98, 130])
def test_a_widened_study_resumes_to_the_table_of_an_uninterrupted_one(
    tmp_path: Path, epochs: int
) -> None:
    calls = iter(range(10**6))
    spec = tiny(
        tmp_path, training__epochs=10, search__n_trials=30,
        search__space__alpha={"low": 3e-5, "high": 3e-4},
    )  # fmt: skip
    stopped = sweep.run(spec, should_stop=lambda: next(calls) >= epochs // 3)
    assert stopped.ending == "interrupted"
    resumed = sweep.run(spec)
    whole = sweep.run(
        tiny(
            tmp_path, storage=f"sqlite:///{tmp_path}/whole.db", training__epochs=10,
            training__width=8, search__n_trials=30,
            search__space__alpha={"low": 3e-5, "high": 3e-4},
        )
    )  # fmt: skip
    columns = ["number", "state", "alpha"]
    assert resumed.study.user_attrs["widenings"] == whole.study.user_attrs["widenings"]
    pd.testing.assert_frame_equal(resumed.trials[columns], whole.trials[columns], rtol=2e-4)


@pytest.mark.parametrize(
    "name", ["widenings", pytest.param("alpha_range", marks=pytest.mark.slow)]
)
def test_a_run_interrupted_at_once_while_it_widens_resumes_to_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def spec(database: str) -> StudySpec:
        return tiny(
            tmp_path, storage=f"sqlite:///{tmp_path}/{database}.db", training__epochs=10,
            search__n_trials=18, search__space__alpha={"low": 3e-5, "high": 3e-4},
        )  # fmt: skip

    whole = sweep.run(spec("whole"))
    assert whole.study.user_attrs["widenings"]
    set_attr = optuna.Study.set_user_attr

    def interrupted(study: optuna.Study, key: str, value: Any) -> None:
        set_attr(study, key, value)
        if key == name and "widenings" in study.user_attrs:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "set_user_attr", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep.run(spec("cut"))
    resumed = sweep.run(spec("cut"))
    columns = ["number", "state", "alpha", "value"]
    pd.testing.assert_frame_equal(resumed.trials[columns], whole.trials[columns], check_exact=True)
    assert [t.distributions for t in resumed.study.trials] == [
        t.distributions for t in whole.study.trials
    ]
