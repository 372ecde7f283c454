"""A whole study that actors train, in a cluster without Ray, is the one that a process trains."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from sweep.engines import crew, lane_actor, ray_team
from sweep.engines.local import ThisProcess
from sweep.engines.ray_engine import RayEngine
from sweep.errors import SweepError
from sweep.runner.run import run_study
from sweep.spec.study import StudySpec
from tests.support.cases import few_fast
from tests.support.fake_ray import Body, FakeRay, Fault
from tests.support.studies import tiny
from tests.support.tables import Table, table

STUDIES: dict[str, dict[str, Any]] = {
    "default": {},
    "median": {
        "search__pruner": {"type": "median", "n_startup_trials": 2, "n_warmup_steps": 1},
        "training__epochs": 6,
    },
    "alpha × lr": {"search__space__lr": {"low": 1e-3, "high": 1e-1}},
    "design": {"search__sampler__type": "design", "search__in_flight": "auto"},
}  # fmt: skip
FAULTS = [
    Fault(12, "die"), Fault(20, "die answering"), Fault(30, "all die"), Fault(34, "host joins"),
    Fault(40, "be slow"), Fault(45, "fall silent"), Fault(60, "die"),
]  # fmt: skip


def spec_of(folder: Path, kind: str) -> StudySpec:
    folder.mkdir(exist_ok=True)
    return tiny(folder, device="cpu", engine__kind="ray", engine__max_lost=99, **STUDIES[kind])


def train(spec: StudySpec, ray: FakeRay) -> None:
    """Train a study on a cluster without Ray, by its clock."""
    clock = SimpleNamespace(monotonic=lambda: ray.now)
    engine = RayEngine(spec, ray)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crew, "time", clock)
        patch.setattr(ray_team, "time", clock)
        # Every epoch takes a second, so that a member tells of each by itself.
        patch.setattr(lane_actor, "time", SimpleNamespace(monotonic=count().__next__))
        try:
            engine.begin()
            run_study(spec, engine=engine)
        finally:
            engine.end()
    assert not ray.living and not ray.joined


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    known: dict[str, Table] = {}

    def of(kind: str) -> Table:
        if kind not in known:
            folder = tmp_path_factory.mktemp("whole")
            spec = spec_of(folder, kind)
            run_study(spec, engine=ThisProcess(spec))
            known[kind] = table(folder / "studies.db")
        return known[kind]

    return of


@pytest.mark.parametrize("kind", few_fast(STUDIES, 2))
@pytest.mark.parametrize(
    "faults",
    [pytest.param([], marks=pytest.mark.slow), FAULTS],
    ids=["all well", "all wrong"],
)
def test_the_table_is_that_of_one_process(
    whole: Any, tmp_path: Path, kind: str, faults: list[Fault]
) -> None:
    spec = spec_of(tmp_path, kind)
    ray = FakeRay(Body, Random(kind), [2, 1], faults)
    train(spec, ray)
    assert table(tmp_path / "studies.db") == whole(kind)
    assert not ray.faults and len(ray.actors) > 2 + 2 * bool(faults)


def test_a_run_that_is_left_without_actors_goes_on_later(whole: Any, tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "default")
    with pytest.raises(SweepError, match=r"engine\.start_timeout_s"):
        train(spec, FakeRay(Body, Random(0), [2], [Fault(25, "host ends")]))
    train(spec, FakeRay(Body, Random(1), [1]))
    assert table(tmp_path / "studies.db") == whole("default")
