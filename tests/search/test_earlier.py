"""An earlier end of training is looked for among all trials and epochs, where that is right."""

from typing import Any

import numpy as np
import pytest

from sweep.search.confirmation import Confirmation
from sweep.search.earlier import Earlier, earlier
from sweep.search.point import Point
from tests.search.test_confirmation import BASE, study_of
from tests.support.courses import losses_of, points_of
from tests.support.studies import parse

RISING = losses_of(lambda at: -3 - at, rise=0.3)


def found(points: list[Point], **tree: Any) -> Earlier | None:
    spec = parse(**{"replicates": {"n_folds": 8}, **tree})
    return earlier(points, min(points, key=lambda point: point.rank), spec)


def test_the_least_loss_before_the_end_is_found() -> None:
    sooner = found(points_of(RISING))
    assert sooner is not None
    least = np.unravel_index(RISING.mean(2)[:, :45].argmin(), (13, 45))
    assert (sooner.point.number, sooner.epoch) == (least[0], least[1] + 1)
    assert abs(sooner.epoch - 30) < 4


@pytest.mark.parametrize(
    "tree",
    [
        {"training": {"schedule": "cosine"}},
        {"objective": {"metric": "val_error"}},
        {"replicates": {"n_folds": 2}},
        {"replicates": {"n_folds": 1, "n_seeds": 8}},
    ],
)
def test_it_is_not_looked_for_where_it_would_tell_nothing(tree: dict[str, Any]) -> None:
    assert found(points_of(RISING), **tree) is None


def test_what_is_no_better_on_its_own_folds_is_not_trained_again() -> None:
    assert found(points_of(losses_of(lambda at: -3 - at, rise=-0.3))) is None
    bare = [Point(p.number, p.at, p.params, p.value, {}) for p in points_of(RISING)]
    assert found(bare) is None


def test_the_last_quarter_of_training_is_no_earlier_end() -> None:
    late = RISING.copy()
    late[:, 50] -= 1.0
    sooner = found(points_of(late))
    assert sooner and sooner.epoch <= 45


def test_it_is_confirmed_once_beside_the_choices() -> None:
    points = points_of(RISING)
    study = study_of({point.at: point.value for point in points}, baseline=BASE)
    trials = study.get_trials()
    again = study_of({}, baseline=BASE)
    for trial, point in zip(trials, points, strict=True):
        trial.user_attrs = dict(point.attrs)
        again.add_trial(trial)
    confirmation = Confirmation(again, parse(replicates={"n_folds": 8}), 1)
    sooner = found(points)
    assert sooner and confirmation.due()["earlier"] == sooner.point.params
    for kind, params in confirmation.due().items():
        confirmation.store(kind, {"value": 1.0, "params": params})
    assert confirmation.due() == {}
