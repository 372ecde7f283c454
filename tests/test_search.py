from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from sweep.errors import UsageError
from sweep.search import Search, make_design, make_pruner, make_sampler, make_space
from sweep.spec import PrunerSpec, SamplerSpec, StudySpec
from sweep.storage import MirroredStorage
from tests.studies import tiny

LOW, HIGH = 1e-5, 1e-1


def search(spec: StudySpec) -> Search:
    storage = MirroredStorage.open(spec.storage, spec.study_name)
    study = optuna.create_study(
        storage=storage,
        study_name=spec.study_name,
        sampler=make_sampler(spec.search.sampler),
        load_if_exists=True,
    )
    return Search(storage, study, spec, make_space(spec, LOW, HIGH), epochs=4)


def tell(asking: Search, number: int, value: float) -> None:
    asking.tell(number, TrialState.COMPLETE, value, {"outcome": "ok"})


def test_the_first_wave_is_a_log_grid_that_covers_the_range_early(tmp_path: Path) -> None:
    spec = tiny(tmp_path, search__in_flight="auto")
    design = [p["alpha"] for p in make_design(spec, make_space(spec, LOW, HIGH))]
    assert len(design) == 12
    assert sorted(design) == pytest.approx(list(np.geomspace(LOW, HIGH, 12)))
    assert min(design) == LOW and max(design) == HIGH
    # the first four already lie in each third of the decades
    thirds = {int(np.log(a / LOW) / np.log(HIGH / LOW) * 2.999) for a in design[:4]}
    assert thirds == {0, 1, 2}


@pytest.mark.parametrize("kind", ["random", "qmc"])
def test_samplers_that_are_designs_themselves_get_none(tmp_path: Path, kind: str) -> None:
    spec = tiny(tmp_path, search__sampler__type=kind)
    assert make_design(spec, make_space(spec, LOW, HIGH)) == []


def test_a_grid_is_log_spaced_over_all_trials(tmp_path: Path) -> None:
    asking = search(tiny(tmp_path, search__sampler__type="grid"))
    asked = [asking.ask()[1]["alpha"] for _ in range(14)]
    assert sorted(asked) == pytest.approx(list(np.geomspace(LOW, HIGH, 14)))
    assert not asking.ready


def test_a_grid_of_two_parameters_needs_the_points_of_each(tmp_path: Path) -> None:
    space = {"search__space__lr": {"low": 1e-3, "high": 1e-1}, "search__sampler__type": "grid"}
    spec = tiny(tmp_path, **space)
    with pytest.raises(UsageError, match=r"points.*alpha, lr.*points: \{alpha: 8, lr: 8\}"):
        make_design(spec, make_space(spec, LOW, HIGH))
    spec = tiny(tmp_path, **space, search__sampler__points={"alpha": 5, "lr": 3})
    design = make_design(spec, make_space(spec, LOW, HIGH))
    assert len(design) == len({tuple(p.values()) for p in design}) == 15


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


def test_the_sampler_s_own_options_are_passed_through() -> None:
    sampler: Any = make_sampler(SamplerSpec.model_validate({"type": "tpe", "n_ei_candidates": 7}))
    assert sampler._n_ei_candidates == 7


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "tpe", "n_startup_trails": 3}, r"n_startup_trails.*Did you mean n_startup"),
        ({"type": "random", "n_startup_trials": 3}, r"n_startup_trials: unknown key"),
        ({"type": "qmc", "qmc_type": "sobel"}, r"QMCSampler refuses its options.*sobel"),
    ],
)
def test_options_that_the_sampler_does_not_have_are_refused(
    spec: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        make_sampler(SamplerSpec.model_validate(spec))


def test_pruners_begin_at_half_of_training_unless_told_otherwise() -> None:
    median: Any = make_pruner(PrunerSpec(type="median"), 60)
    assert median._n_warmup_steps == 30
    earlier = PrunerSpec.model_validate({"type": "median", "n_warmup_steps": 3})
    assert make_pruner(earlier, 60)._n_warmup_steps == 3  # type: ignore[attr-defined]
    hyperband: Any = make_pruner(PrunerSpec(type="hyperband"), 60)
    assert (hyperband._min_resource, hyperband._max_resource) == (30, 60)


def test_a_pruner_s_unknown_option_is_refused() -> None:
    with pytest.raises(UsageError, match=r"search\.pruner\.warmup: MedianPruner has no such"):
        make_pruner(PrunerSpec.model_validate({"type": "median", "warmup": 3}), 60)


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
