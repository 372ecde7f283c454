"""One record of a trial, of the control and of the line: what a strength came to."""

from __future__ import annotations

from sweep.search.point import Point
from tests.conftest import made_study
from tests.support.studies import parse


def test_a_trial_and_what_is_stored_beside_it_make_points_alike() -> None:
    (trial,) = made_study({1e-2: [1.0, 2.0, 3.0]}, [2.0, 3.0, 4.0]).trials
    content = {**trial.user_attrs, "params": trial.params, "value": trial.value}
    spec = parse()
    point, beside = Point.of(trial, spec), Point.stored(content, spec)
    assert (point.number, beside.number) == (0, None)
    for one in (point, beside):
        assert (one.at, one.value, one.params) == (1e-2, 2.0, {"alpha": 1e-2})
        assert one.replicate_values == [1.0, 2.0, 3.0]
        assert one.value_se == trial.user_attrs["value_se"]


def test_of_equal_values_the_strongest_ranks_first() -> None:
    weak, strong, worse = (Point(0, at, {}, value, {}) for at, value in [(1, 2), (3, 2), (9, 4)])
    assert sorted([worse, weak, strong], key=lambda point: point.rank) == [strong, weak, worse]
