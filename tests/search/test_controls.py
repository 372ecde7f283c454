"""What is trained beside the trials: the control, and the line through the best."""

from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

import sweep
from sweep.result import StudyResult
from sweep.search.controls import Controls
from sweep.spec.attributes import BASELINE, CONTROLS, LINE, Beside
from sweep.spec.resolved import Range
from tests.support.studies import tiny

SPAN = Range(1e-4, 1e-1)
SEVERAL = {"search__space__lr": {"low": 1e-3, "high": 1e-1, "log": True}}


def study_of(values: list[float]) -> optuna.Study:
    """Make a study whose trial i has this value, alpha = 1e-3 and lr = (i + 1) / 100."""
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    space = {name: FloatDistribution(1e-6, 10.0, log=True) for name in ("alpha", "lr")}
    for number, value in enumerate(values):
        params = {"alpha": 1e-3, "lr": (number + 1) / 100}
        study.add_trial(create_trial(params=params, distributions=space, value=value))  # type: ignore[arg-type]
    return study


def content(value: float, **params: float) -> dict[str, Any]:
    return {"value": value, "params": params}


def test_with_the_strength_alone_one_control_is_due_at_once(tmp_path: Path) -> None:
    study = study_of([])
    controls = Controls(study, tiny(tmp_path), 1)
    assert controls.due(SPAN, True, {}) == {Beside(BASELINE): {"alpha": 0.0}}
    assert controls.due(SPAN, True, {Beside(BASELINE)}) == {}
    controls.store(Beside(BASELINE), content(1.0, alpha=0.0))
    assert controls.due(SPAN, True, {}) == {}
    assert study.user_attrs["baseline"] == controls.baseline == content(1.0, alpha=0.0)
    assert Controls(study, tiny(tmp_path), 1).due(SPAN, True, {}) == {}  # after a restart


def test_with_more_params_the_controls_wait_for_the_search(tmp_path: Path) -> None:
    study = study_of([7.0, 3.0, 5.0, 1.0, 9.0, 2.0, 8.0])
    controls = Controls(study, tiny(tmp_path, **SEVERAL), 2)
    assert controls.due(SPAN, True, {}) == {}
    due = controls.due(SPAN, False, {})
    wanted = {Beside(CONTROLS, n): {"alpha": 0.0, "lr": (n + 1) / 100} for n in (3, 5, 1, 2, 0)}
    assert {key: params for key, params in due.items() if key.kind == CONTROLS} == wanted
    line = [params for key, params in due.items() if key[:2] == (LINE, 3)]
    assert len(line) == 12 and {params["lr"] for params in line} == {0.04}
    assert [line[0]["alpha"], line[-1]["alpha"]] == [SPAN.low, SPAN.high]


def test_the_best_of_the_controls_is_the_level(tmp_path: Path) -> None:
    study = study_of([5.0, 1.0, 3.0])
    controls = Controls(study, tiny(tmp_path, **SEVERAL), 2)
    controls.store(Beside(CONTROLS, 1), content(4.0, lr=0.02))
    controls.store(Beside(CONTROLS, 0), content(2.0, lr=0.01))
    assert "baseline" not in study.user_attrs  # not before all are in
    controls.store(Beside(CONTROLS, 2), {"outcome": "diverged", "params": {"lr": 0.03}})
    assert study.user_attrs["baseline"] == content(2.0, lr=0.01)
    assert set(controls.due(SPAN, False, {})) == {Beside(LINE, 1, i) for i in range(12)}


def test_where_all_controls_diverge_so_does_the_level(tmp_path: Path) -> None:
    study = study_of([5.0])
    diverged = {"outcome": "diverged", "params": {"lr": 0.01}}
    Controls(study, tiny(tmp_path, **SEVERAL), 2).store(Beside(CONTROLS, 0), diverged)
    assert study.user_attrs["baseline"] == diverged


def test_a_new_best_trial_has_a_line_of_its_own(tmp_path: Path) -> None:
    study = study_of([5.0, 1.0])
    controls = Controls(study, tiny(tmp_path, **SEVERAL), 2)
    for key, params in controls.due(SPAN, False, {}).items():
        controls.store(key, content(2.0, **params))
    assert controls.due(SPAN, False, {}) == {}
    assert study.user_attrs["line"]["of"] == 1
    again = Controls(study, tiny(tmp_path, **SEVERAL), 2)
    assert again.due(SPAN, False, {}) == {}
    space = {name: FloatDistribution(1e-6, 10.0, log=True) for name in ("alpha", "lr")}
    better = {"alpha": 1e-2, "lr": 0.5}
    study.add_trial(create_trial(params=better, distributions=space, value=0.5))  # type: ignore[arg-type]
    due = again.due(SPAN, False, {})
    assert set(due) == {Beside(CONTROLS, 2), *(Beside(LINE, 2, i) for i in range(12))}
    first = Beside(LINE, 2, 0)
    again.store(first, content(1.0, **due[first]))
    assert list(study.user_attrs["line"]["points"]) == ["2.0"]


def test_a_range_that_has_grown_since_has_a_new_line(tmp_path: Path) -> None:
    study = study_of([5.0])
    controls = Controls(study, tiny(tmp_path, **SEVERAL), 2)
    for key, params in controls.due(SPAN, False, {}).items():
        controls.store(key, content(2.0, **params))
    due = controls.due(Range(1e-4, 1.0), False, {})
    assert [params["alpha"] for params in due.values()][-1] == 1.0
    assert len(due) == 11  # the lower end is the same


def test_of_equal_values_the_largest_strength_has_the_line(tmp_path: Path) -> None:
    study = study_of([5.0])
    space = {name: FloatDistribution(1e-6, 10.0, log=True) for name in ("alpha", "lr")}
    stronger = {"alpha": 1e-2, "lr": 0.5}
    study.add_trial(create_trial(params=stronger, distributions=space, value=5.0))  # type: ignore[arg-type]
    due = Controls(study, tiny(tmp_path, **SEVERAL), 2).due(SPAN, False, {})
    assert any(key[:2] == (LINE, 1) for key in due)
    assert not any(key[:2] == (LINE, 0) for key in due)


@pytest.mark.parametrize(("folds", "points"), [(2, 0), (3, 12)])
def test_a_line_needs_folds_to_choose_by(tmp_path: Path, folds: int, points: int) -> None:
    spec = tiny(tmp_path, replicates__n_folds=folds, **SEVERAL)
    due = Controls(study_of([1.0]), spec, 2).due(SPAN, False, {})
    assert sum(key.kind == LINE for key in due) == points


# --- in a run


def searched(tmp_path: Path, **overrides: Any) -> StudyResult:
    return sweep.run(tiny(tmp_path, search__n_trials=8, **SEVERAL, **overrides))


def test_a_run_trains_controls_and_line_at_the_best_params(tmp_path: Path) -> None:
    result = searched(tmp_path)
    best = sorted(result.study.trials, key=lambda trial: trial.value or 0.0)
    attrs = result.study.user_attrs
    assert set(attrs["controls"]) == {str(trial.number) for trial in best[:5]}
    values = {number: control["value"] for number, control in attrs["controls"].items()}
    assert attrs["baseline"]["value"] == min(values.values())
    line = attrs["line"]["points"].values()
    assert {point["params"]["lr"] for point in line} == {best[0].params["lr"]}
    assert all(len(point["replicate_values"]) == 4 for point in line)
    chosen = result.choice("1se")
    assert chosen.params["lr"] == best[0].params["lr"]
    assert chosen.params["alpha"] >= result.best.params["alpha"]
    assert f"alpha = 0 at lr {attrs['baseline']['params']['lr']:.3g} has" in result.verdict


def test_a_run_stopped_among_its_controls_goes_on_with_the_rest(tmp_path: Path) -> None:
    calls = iter(range(10**6))
    # Two slots: eight trials take 16 epochs, 17 controls and points of the line 36 more.
    width = {"training__width": 8}
    stopped = sweep.run(
        tiny(tmp_path, search__n_trials=8, **SEVERAL, **width),
        should_stop=lambda: next(calls) >= 30,
    )
    assert 0 < len(stopped.study.user_attrs["controls"]) + len(
        stopped.study.user_attrs.get("line", {}).get("points", {})
    ) < 17  # fmt: skip
    resumed = searched(tmp_path, **width)
    whole = searched(tmp_path, storage=f"sqlite:///{tmp_path}/whole.db", **width)
    for name in ("baseline", "controls", "line"):
        assert resumed.study.user_attrs[name] == whole.study.user_attrs[name]


def test_where_a_study_was_stopped_before_plays_no_part_in_its_range(tmp_path: Path) -> None:
    """Controls of an earlier, shorter search are known to the later one: it must not matter."""
    given = {
        "search__space__alpha": {"low": 0.02, "high": 1.0}, "training__epochs": 10,
        "search__space__lr": {"low": 1e-2, "high": 1e-1, "log": True}, "training__width": 20,
    }  # fmt: skip
    sweep.run(tiny(tmp_path, search__n_trials=13, **given))
    raised = sweep.run(tiny(tmp_path, search__n_trials=18, **given))
    straight = sweep.run(
        tiny(tmp_path, storage=f"sqlite:///{tmp_path}/s.db", search__n_trials=18, **given)
    )
    columns = ["number", "alpha", "lr", "value"]
    pd.testing.assert_frame_equal(
        raised.trials[columns], straight.trials[columns], check_exact=True
    )
