"""What a study file's search section makes of Optuna."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.errors import UsageError
from sweep.search.samplers import make_design, make_pruner, make_sampler, make_space
from sweep.spec.search import PrunerSpec, SamplerSpec
from tests.support.studies import tiny

LOW, HIGH = 1e-5, 1e-1


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


def test_a_grid_of_two_parameters_needs_the_points_of_each(tmp_path: Path) -> None:
    space = {"search__space__lr": {"low": 1e-3, "high": 1e-1}, "search__sampler__type": "grid"}
    spec = tiny(tmp_path, **space)
    with pytest.raises(UsageError, match=r"points.*alpha, lr.*points: \{alpha: 8, lr: 8\}"):
        make_design(spec, make_space(spec, LOW, HIGH))
    spec = tiny(tmp_path, **space, search__sampler__points={"alpha": 5, "lr": 3})
    design = make_design(spec, make_space(spec, LOW, HIGH))
    assert len(design) == len({tuple(p.values()) for p in design}) == 15


def test_the_sampler_s_own_options_are_passed_through() -> None:
    sampler: Any = make_sampler(
        SamplerSpec.model_validate({"type": "tpe", "n_ei_candidates": 7}), 0
    )
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
        make_sampler(SamplerSpec.model_validate(spec), 0)


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
