"""The chosen strength and none are trained once more, on folds that chose nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import create_trial

import sweep
from sweep.plan.plan import make_plan, on_partition
from sweep.search.confirmation import Confirmation
from tests.support.reference import Loop, Penalty, train
from tests.support.studies import tiny


def study_of(values: dict[float, float], se: float = 0.1, **attrs: Any) -> optuna.Study:
    """Make a study of trials with this value at each alpha."""
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    space: dict[str, BaseDistribution] = {"alpha": FloatDistribution(1e-6, 10.0, log=True)}
    for alpha, value in values.items():
        study.add_trial(
            create_trial(
                params={"alpha": alpha}, distributions=space, value=value,
                user_attrs={"value_se": se, "replicate_values": [value] * 4},
            )
        )  # fmt: skip
    for name, content in attrs.items():
        study.set_user_attr(name, content)
    return study


BASE = {"value": 2.0, "params": {"alpha": 0.0}}


def test_the_best_the_simplest_and_none_are_confirmed(tmp_path: Path) -> None:
    study = study_of({1e-3: 1.0, 1e-2: 1.05, 1e-1: 1.5}, baseline=BASE)
    confirmation = Confirmation(study, tiny(tmp_path), 1)
    due = {"best": {"alpha": 1e-3}, "1se": {"alpha": 1e-2}, "none": {"alpha": 0.0}}
    assert confirmation.due() == due
    for kind, params in due.items():
        confirmation.store(kind, {"value": 1.0, "params": params})
    assert confirmation.due() == {}
    assert Confirmation(study, tiny(tmp_path), 1).due() == {}  # after a restart


def test_what_is_chosen_anew_is_confirmed_anew(tmp_path: Path) -> None:
    study = study_of({1e-3: 1.0}, baseline=BASE)
    confirmation = Confirmation(study, tiny(tmp_path), 1)
    for kind, params in confirmation.due().items():
        confirmation.store(kind, {"outcome": "diverged", "params": params})
    assert confirmation.due() == {}  # a divergence is an answer
    study.add_trial(study_of({1e-4: 0.5}).trials[0])
    assert confirmation.due() == {"best": {"alpha": 1e-4}}


@pytest.mark.parametrize(
    ("overrides", "n_params", "values", "kinds"),
    [
        ({"replicates__n_folds": 2}, 1, {1e-3: 1.0, 1e-2: 1.05}, {"best", "none"}),  # no 1se
        ({}, 2, {1e-3: 1.0, 1e-2: 1.05}, {"best", "none"}),  # it lies on the line
        ({}, 1, {1e-3: 1.0, 1e-2: 1.5}, {"best", "none"}),  # it is the best
        ({}, 1, {}, set()),
    ],
)
def test_only_what_is_chosen_is_due(
    tmp_path: Path, overrides: dict[str, Any], n_params: int, values: dict[float, float],
    kinds: set[str],
) -> None:  # fmt: skip
    study = study_of(values, baseline=BASE)
    assert set(Confirmation(study, tiny(tmp_path, **overrides), n_params).due()) == kinds


def test_without_a_control_that_converged_the_best_is_confirmed_alone(tmp_path: Path) -> None:
    study = study_of({1e-3: 1.0}, baseline={"outcome": "diverged", "params": {"alpha": 0.0}})
    assert set(Confirmation(study, tiny(tmp_path), 1).due()) == {"best"}


def test_a_run_confirms_on_fresh_folds_what_a_plain_loop_measures_there(tmp_path: Path) -> None:
    spec = tiny(tmp_path)
    result = sweep.run(spec)
    kept = result.study.user_attrs["confirmation"]
    assert kept["best"]["params"] == result.study.best_params
    assert kept["none"]["params"] == {"alpha": 0.0}
    plan = on_partition(make_plan(spec), 1)
    for content in kept.values():
        penalty = Penalty(content["params"]["alpha"], 0.0)
        loop = Loop("adam", 2e-2, penalty, epochs=4, batch_size=25, seed=plan.recipe.seed)
        losses = [train(plan.problem, plan.factory, loop, r).losses[-1] for r in range(4)]
        np.testing.assert_allclose(content["replicate_values"], losses, rtol=2e-4)
    best = result.study.best_trial
    assert not np.allclose(kept["best"]["replicate_values"], best.user_attrs["replicate_values"])


def test_a_confirmation_depends_on_neither_width_nor_workers_nor_a_stop(tmp_path: Path) -> None:
    def kept(name: str, **overrides: Any) -> Any:
        folder = tmp_path / name
        folder.mkdir()
        result = sweep.run(tiny(folder, **overrides))
        return result.study.user_attrs["confirmation"]

    whole = kept("whole")
    for kind, content in kept("narrow", training__width=2).items():
        assert content["value"] == pytest.approx(whole[kind]["value"], rel=1e-5)
    assert kept("workers", training__workers=2) == whole
    stopped, calls = tmp_path / "stopped", iter(range(99))
    stopped.mkdir()
    spec = tiny(stopped)
    after = 4 * 5 + 1  # within the epochs of the confirmation
    first = sweep.run(spec, should_stop=lambda: next(calls) == after)
    if first.ending == "interrupted":
        assert "confirmation" not in first.study.user_attrs
    assert sweep.run(spec).study.user_attrs["confirmation"] == whole


def test_a_finished_study_keeps_its_width_and_is_not_confirmed_twice(tmp_path: Path) -> None:
    spec = tiny(tmp_path, training__width=16)
    first = sweep.run(spec).study
    again = sweep.run(spec).study
    assert first.user_attrs["width"] == again.user_attrs["width"] == 16
    assert first.user_attrs["confirmation"] == again.user_attrs["confirmation"]


def test_more_trials_confirm_what_they_change(tmp_path: Path) -> None:
    first = sweep.run(tiny(tmp_path)).study
    more = sweep.run(tiny(tmp_path, search__n_trials=24)).study
    assert more.user_attrs["confirmation"]["none"] == first.user_attrs["confirmation"]["none"]
    assert more.user_attrs["confirmation"]["best"]["params"] == more.best_params
