"""What the results of a run come to so far."""

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from sweep.runner.progress import Standing
from sweep.search.point import Point
from tests.support.studies import parse

SPEC = parse()
SPACE = {"alpha": FloatDistribution(1e-6, 1.0, log=True)}


def study_of(*results: tuple[float, float]) -> optuna.Study:
    """Make a study with COMPLETE trials of these strengths and values."""
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
    for alpha, value in results:
        trial = create_trial(
            params={"alpha": alpha}, distributions=dict(SPACE), value=value,
            user_attrs={"value_se": 0.1},
        )  # fmt: skip
        study.add_trial(trial)
    return study


def point(number: int, alpha: float, value: float) -> Point:
    return Point(number, alpha, {"alpha": alpha}, value, {})


def test_a_study_without_results_has_no_best() -> None:
    study = study_of()
    pruned = create_trial(
        state=TrialState.PRUNED, params={"alpha": 0.1}, distributions=dict(SPACE),
        intermediate_values={1: 0.0},
    )  # fmt: skip
    study.add_trial(pruned)
    standing = Standing(study, SPEC)
    assert (standing.best, standing.curve) == (None, [])


def test_a_run_goes_on_from_the_results_of_the_runs_before() -> None:
    standing = Standing(study_of((1e-3, 2.0), (1e-2, 1.0), (1e-1, 3.0)), SPEC)
    assert standing.best == Point(1, 1e-2, {"alpha": 1e-2}, 1.0, {"value_se": 0.1})
    assert standing.curve == [(1e-3, 2.0), (1e-2, 1.0), (1e-1, 3.0)]
    standing.add(point(3, 1e-4, 1.5))
    assert standing.best.number == 1
    standing.add(point(4, 1e-4, 0.5))
    assert standing.best.number == 4
    assert standing.curve[3:] == [(1e-4, 1.5), (1e-4, 0.5)]


def test_of_equal_values_the_strongest_is_best() -> None:
    standing = Standing(study_of((1e-3, 1.0), (1e-2, 1.0)), SPEC)
    assert standing.best is not None and standing.best.number == 1
    standing.add(point(2, 5e-3, 1.0))
    assert standing.best.number == 1
