from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from sweep.search.ask_tell import Search
from sweep.search.samplers import make_sampler, make_space
from sweep.spec.study import StudySpec
from sweep.storage.mirror import MirroredStorage
from tests.support.studies import tiny

LOW, HIGH = 1e-5, 1e-1


def search(spec: StudySpec) -> Search:
    storage = MirroredStorage.open(spec.storage, spec.study_name)
    study = optuna.create_study(
        storage=storage,
        study_name=spec.study_name,
        sampler=make_sampler(spec.search.sampler, spec.seed),
        load_if_exists=True,
    )
    return Search(storage, study, spec, make_space(spec, LOW, HIGH), epochs=4)


def tell(asking: Search, number: int, value: float) -> None:
    asking.tell(number, TrialState.COMPLETE, value, {"outcome": "ok"})


def test_a_grid_is_log_spaced_over_all_trials(tmp_path: Path) -> None:
    asking = search(tiny(tmp_path, search__sampler__type="grid"))
    asked = [asking.ask()[1]["alpha"] for _ in range(14)]
    assert sorted(asked) == pytest.approx(list(np.geomspace(LOW, HIGH, 14)))
    assert not asking.ready


def test_an_ask_waits_for_the_results_it_depends_on(tmp_path: Path) -> None:
    asking = search(tiny(tmp_path))
    for number in range(4):
        assert asking.ready and asking.ask()[0] == number
    assert not asking.ready
    for number in (3, 1, 2):
        tell(asking, number, 1.0)
        assert not asking.ready  # trial 4 needs trial 0
    tell(asking, 0, 1.0)
    assert asking.ready


@pytest.mark.parametrize("in_flight", [1, 4])
def test_an_ask_may_know_all_trials_but_the_last_in_flight(tmp_path: Path, in_flight: int) -> None:
    asking = search(tiny(tmp_path, search__in_flight=in_flight))
    for number in range(6):
        known = [trial.number for trial in asking.known_to(number)]
        assert known == list(range(max(0, number - in_flight + 1)))
        asking.ask()
        tell(asking, number, 1.0)


def test_an_ask_does_not_see_results_that_came_early(tmp_path: Path) -> None:
    asked = []
    for name, order in (("a", [0, 1, 2, 3]), ("b", [3, 2, 1, 0])):
        asking = search(tiny(tmp_path, study_name=name))
        for _ in range(4):
            asking.ask()
        values = {0: 4.0, 1: 1.0, 2: 3.0, 3: 0.5}
        for number in order:
            tell(asking, number, values[number])
            if asking.ready and number == order[-1]:
                break
        asked.append([asking.ask()[1] for _ in range(4)])
    assert asked[0] == asked[1]


def test_asks_depend_on_results(tmp_path: Path) -> None:
    asked = []
    for name, best in (("low", LOW), ("high", HIGH)):
        asking = search(tiny(tmp_path, study_name=name, search__n_trials=40))
        alphas = []
        while asking.ready:
            number, params = asking.ask()
            tell(asking, number, abs(np.log(params["alpha"] / best)))
            alphas.append(params["alpha"])
        asked.append(np.median(alphas[20:]))
    assert asked[0] < 1e-4 < 1e-2 < asked[1]


def test_long_trainings_store_at_most_a_hundred_losses(tmp_path: Path) -> None:
    spec = tiny(tmp_path)
    storage = MirroredStorage.open(spec.storage, spec.study_name)
    study = optuna.create_study(storage=storage, study_name=spec.study_name)
    asking = Search(storage, study, spec, make_space(spec, LOW, HIGH), epochs=950)
    number, _ = asking.ask()
    for epoch in range(1, 951):
        asking.report(number, epoch, 1.0)
    steps = list(study.trials[0].intermediate_values)
    assert len(steps) <= 100 and steps[-1] == 950
