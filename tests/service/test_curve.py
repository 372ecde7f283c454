"""What the page of a study draws is what the storage holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from sweep.service.curve import curve_of
from sweep.spec.files import parse_spec
from tests.support.pictured import BEST, LOSSES, STRENGTHS, pictured

TREE = {"study_name": "made", "search": {"sampler": {"type": "tpe"}}}
SPEC = parse_spec(TREE, "made", Path("."))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/studies.db"


def running(study: optuna.Study, values: Mapping[int, float]) -> None:
    space = optuna.distributions.FloatDistribution(1e-9, 1e3, log=True)
    trial = create_trial(
        state=TrialState.RUNNING, params={"alpha": 0.01}, distributions={"alpha": space},
        intermediate_values=dict(values),
    )  # fmt: skip
    study.add_trial(trial)


def test_a_study_that_has_not_begun_has_an_empty_curve(url: str) -> None:
    curve = curve_of(url, "made", SPEC)
    assert (curve.strength, curve.points, curve.best, curve.span) == ("alpha", [], None, None)
    assert (curve.optimizer, curve.n_epochs) == ("adam", 60)


def test_trials_control_and_choices_are_drawn(url: str) -> None:
    pictured(storage=url)
    curve = curve_of(url, "made", SPEC)
    drawn = {spot.at: (spot.value, spot.se) for spot in curve.points}
    assert drawn == {at: (loss, 0.2) for at, loss in zip(STRENGTHS, LOSSES, strict=True)}
    assert curve.none is not None and (curve.none.number, curve.none.value) == (None, 2.2)
    assert curve.best is not None and curve.best.number == BEST
    assert curve.simple is not None and curve.simple.at >= curve.best.at
    assert curve.span == (1e-4, 1.0)


def test_trials_in_training_are_lines_without_what_is_not_finite(url: str) -> None:
    running(pictured(storage=url), {1: 3.0, 2: math.inf, 3: 2.0})
    (line,) = curve_of(url, "made", SPEC).training
    assert (line.at, line.epochs, line.values) == (0.01, [1, 3], [3.0, 2.0])


def test_decoupled_decay_is_drawn_against_its_own_strength(url: str) -> None:
    pictured(storage=url, spec={"training": {"optimizer": "adamw"}})
    curve = curve_of(url, "made", SPEC)
    assert (curve.strength, curve.optimizer, len(curve.points)) == ("weight_decay", "adamw", 4)


def test_a_study_of_another_program_has_nothing_to_draw(url: str) -> None:
    other = optuna.create_study(storage=url, study_name="made")
    other.optimize(lambda trial: trial.suggest_float("alpha", 0, 1), n_trials=2)
    curve = curve_of(url, "made", SPEC)
    assert (curve.points, curve.best) == ([], None)
