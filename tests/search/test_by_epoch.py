"""Losses by fold and epoch: a trial keeps them in few bytes, and readers tell what is damaged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import sweep
from sweep.analysis.rows import trial_row
from sweep.plan.plan import make_plan
from sweep.search.by_epoch import FoldCurves, stored
from tests.support import postgres
from tests.support.reference import Loop, Penalty, train
from tests.support.studies import tiny


def read(losses: np.ndarray[Any, Any], *folds: int) -> FoldCurves:
    found = FoldCurves.read({"replicate_curves": json.loads(json.dumps(stored(losses, *folds)))})
    assert found is not None
    return found


@given(arrays(np.float64, (5, 4), elements=st.floats(2.0**-7, 2.0**7)), st.sampled_from([0, 40]))
def test_what_is_kept_is_read_again_to_half_a_thousandth(
    losses: np.ndarray[Any, Any], power: int
) -> None:
    losses = losses * 2.0**power
    found = read(losses, 4)
    assert found.epochs == (1, 2, 3, 4, 5)
    np.testing.assert_allclose(found.losses, losses, rtol=5e-4)


def test_a_loss_beyond_all_others_is_kept_as_the_largest_there_is() -> None:
    losses = np.array([[1e30, 1.0], [1.0, -1e30], [1.0, 1.0]])
    assert read(losses, 2).losses.tolist() == [[65504.0, 1.0], [1.0, -65504.0], [1.0, 1.0]]
    assert not read(np.zeros((3, 2)), 2).losses.any()


def test_the_seeds_of_a_fold_are_averaged() -> None:
    found = read(np.array([[1.0, 3.0, 5.0, 7.0]]), 2)
    assert found.losses.tolist() == [[2.0, 6.0]]
    assert read(np.array([[1.0, 3.0]]), 1).losses.tolist() == [[1.0, 3.0]]  # one split: its seeds
    assert read(np.array([[1.0, 3.0, 5.0, 7.0]]), 2, 2).losses.tolist() == [[1.0, 3.0, 5.0, 7.0]]


@pytest.mark.parametrize(
    ("n_epochs", "n_folds", "first", "last", "n_kept"),
    [
        (60, 8, 1, (59, 60), 60),
        (64, 8, 1, (63, 64), 64),
        (65, 8, 2, (64, 65), 33),
        (100, 8, 2, (98, 100), 50),
        (10_000, 8, 157, (9_891, 10_000), 64),
        (60, 64, 2, (58, 60), 30),
        (60, 442, 4, (56, 60), 15),
    ],
)
def test_long_trainings_are_thinned_to_their_last_epoch(
    n_epochs: int, n_folds: int, first: int, last: tuple[int, int], n_kept: int
) -> None:
    losses = np.tile(np.linspace(1, 2, n_epochs)[:, None], n_folds)
    found = read(losses, n_folds)
    assert (found.epochs[0], found.epochs[-2:], len(found.epochs)) == (first, last, n_kept)
    np.testing.assert_allclose(found.losses, losses[np.array(found.epochs) - 1], rtol=5e-4)


def test_a_default_study_keeps_little_more_than_a_kilobyte_a_trial() -> None:
    kept = stored(np.random.default_rng(0).uniform(0.5, 2, (60, 8)), 8)
    assert len(json.dumps(kept)) < 1450


WHOLE = stored(np.ones((4, 2)), 2)


@pytest.mark.parametrize(
    "damaged",
    [
        None, 3, "text", [], {},
        {**WHOLE, "epochs": 5}, {**WHOLE, "epochs": 10**12}, {**WHOLE, "epochs": "4"},
        {**WHOLE, "every": 0}, {**WHOLE, "every": None}, {**WHOLE, "unit": "one"},
        {**WHOLE, "unit": float("nan")}, {**WHOLE, "folds": []}, {**WHOLE, "folds": ["?", "?"]},
        {**WHOLE, "folds": [WHOLE["folds"][0], "AAA="]}, {**WHOLE, "folds": ["AAAA"]},
        {**WHOLE, "folds": 7},
    ],
)  # fmt: skip
def test_what_another_program_has_changed_is_not_read(damaged: Any) -> None:
    assert FoldCurves.read({"replicate_curves": damaged}) is None
    assert FoldCurves.read({}) is None


def test_trials_and_controls_keep_what_a_plain_loop_measures_each_epoch(tmp_path: Path) -> None:
    spec = tiny(tmp_path, search__n_trials=2)
    study = sweep.run(spec).study
    plan, (first, *_) = make_plan(spec), study.get_trials()
    for alpha, attrs in (
        (first.params["alpha"], first.user_attrs), (0.0, study.user_attrs["baseline"])
    ):  # fmt: skip
        loop = Loop("adam", 2e-2, Penalty(alpha, 0.0), epochs=4, batch_size=25, seed=spec.seed)
        losses = [train(plan.problem, plan.factory, loop, r).losses for r in range(4)]
        found = FoldCurves.read(attrs)
        assert found and found.epochs == (1, 2, 3, 4)
        np.testing.assert_allclose(found.losses.T, losses, rtol=1e-3)
    assert all("replicate_curves" in each for each in study.user_attrs["confirmation"].values())


def curves_of(study: optuna.Study) -> list[Any]:
    return [trial.user_attrs.get("replicate_curves") for trial in study.get_trials()]


def test_they_depend_on_neither_width_nor_workers_nor_the_storage(tmp_path: Path) -> None:
    def kept(name: str, **overrides: Any) -> list[Any]:
        (tmp_path / name).mkdir()
        overrides.setdefault("training__width", 8)
        return curves_of(sweep.run(tiny(tmp_path / name, search__n_trials=4, **overrides)).study)

    whole = kept("whole")
    assert all(whole) and len(whole) == 4
    assert kept("workers", training__workers=2) == whole
    for narrow, wide in zip(kept("narrow", training__width=2), whole, strict=True):
        found, other = (FoldCurves.read({"replicate_curves": each}) for each in (narrow, wide))
        assert found and other
        np.testing.assert_allclose(found.losses, other.losses, rtol=1e-3)  # a step of float16
    with postgres.shared_server().database() as url:
        assert kept("postgresql", storage=url) == whole


def test_only_trials_that_ended_have_them_and_tables_leave_them_out(tmp_path: Path) -> None:
    spec = tiny(tmp_path, training__lr=1e30, training__optimizer="sgd", search__n_trials=2)
    diverged = sweep.run(spec).study
    assert curves_of(diverged) == [None, None]
    trial = optuna.trial.create_trial(value=1.0, user_attrs={"replicate_curves": WHOLE, "n": 1})
    assert "replicate_curves" not in trial_row(trial) and trial_row(trial)["n"] == 1
