"""The team of a run with Ray keeps its books right, whoever is lost, joins, is slow or silent.

Actors are the real ones in a cluster without Ray, in which chance says who works when. They train
`Lives`, trials that end when their settings say.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.engines import cohorts, crew, hello, lane_actor, ray_team
from sweep.engines.crew import Crew
from sweep.engines.ray_team import RayTeam
from sweep.engines.roster import Roster
from sweep.errors import SweepError, UsageError
from sweep.spec.files import parse_spec
from sweep.spec.resolved import Outline, Range
from sweep.spec.study import StudySpec
from sweep.training.messages import Report
from tests.engines.test_team import N_REPLICATES, NOTHING, Lives, Trial
from tests.support.fake_ray import VERSIONS, Body, Deed, FakeRay, Fault, Gone

LONG = Trial(9, False, None)
MANY = 100  # losses: no trial fails


def spec_with(**engine: Any) -> StudySpec:
    tree = {
        "study_name": "fake", "replicates": {"n_folds": N_REPLICATES}, "device": "cpu",
        "engine": {"kind": "ray", "address": "host:1", **engine},
    }  # fmt: skip
    return parse_spec(tree, "fake.yaml", Path("."))


@contextmanager
def faked(chance: Random, make: Any = None) -> Iterator[None]:
    """Have actors plan nothing and train `Lives`."""

    def planned(spec: StudySpec) -> Any:
        outline = Outline(spec, Range(1e-4, 1.0), 6, 1, "hash", {})
        return SimpleNamespace(outline=outline, dataset=np.arange(4.0))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cohorts, "planned", planned)
        patch.setattr(cohorts, "adopted", lambda outline, dataset: (outline, dataset))
        patch.setattr(cohorts, "make_cohort", make or (lambda _, width, partition: Lives(width)))
        patch.setattr(hello, "versions", VERSIONS)
        # Now and then an epoch takes longer than the patience.
        patch.setattr(lane_actor, "time", SimpleNamespace(monotonic=chance.random))
        yield


class Owner:
    """A run's owner, which trains trials on a cluster without Ray."""

    def __init__(self, ray: FakeRay, **engine: Any):
        self.ray, self.spec = ray, spec_with(**engine)
        with self.patient():
            ray.join()
            self.crew = Crew(self.spec, ray)
            self.crew.resolve()

    @contextmanager
    def patient(self) -> Iterator[None]:
        clock = SimpleNamespace(monotonic=lambda: self.ray.now)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(crew, "time", clock)
            patch.setattr(ray_team, "time", clock)
            yield

    def train(
        self, trials: Sequence[Trial], chance: Random, width: int, patience: float
    ) -> dict[Hashable, list[Report]]:
        with self.patient():
            return trained(self.team(width, patience), trials, chance)

    def team(self, width: int, patience: float) -> RayTeam:
        return RayTeam(self.crew, width, 0, patience, self.spec.engine.max_lost)


def trained(
    cohort: RayTeam, trials: Sequence[Trial], chance: Random
) -> dict[Hashable, list[Report]]:
    """Train all as a run does; return what each was reported, checking every single call."""
    waiting, running = dict(enumerate(trials)), dict[Hashable, Trial]()
    told: dict[Hashable, list[Report]] = {key: [] for key in waiting}
    while waiting or running:
        while waiting and cohort.free and (not running or chance.random() < 0.8):
            key = next(iter(waiting))
            running[key] = waiting.pop(key)
            cohort.start(key, running[key].setting)
        if chance.random() < 0.5:
            cohort.launch()
        if not running:
            continue
        reports = cohort.advance()
        keys = [report.trial for report in reports]
        order = list(running)
        assert keys == sorted(set(keys), key=order.index)  # so once each, and of none but these
        for report in reports:
            told[report.trial].append(report)
            is_stopped = report.epoch == running[report.trial].stop_at and not report.failed
            if is_stopped and not report.ended:
                cohort.stop(report.trial)
            if is_stopped or report.ended:
                del running[report.trial]
    return told


def alone(trial: Trial, key: Hashable) -> list[Report]:
    """What a trial is reported by one cohort that nothing happens to."""
    cohort, reports = Lives(N_REPLICATES), list[Report]()
    cohort.start(key, trial.setting)
    while not reports or not (reports[-1].ended or reports[-1].epoch == trial.stop_at):
        reports += cohort.advance()
    return reports


def plain(reports: list[Report]) -> list[Report]:
    """Put something that can be compared in place of arrays, which crossed processes."""
    return [replace(one, result=one.result and NOTHING) for one in reports]


DEEDS: list[Deed] = [
    "die", "die", "die answering", "die answering", "all die", "fall silent", "be slow",
    "host joins", "host ends",
]  # fmt: skip
trials_of_all_kinds = st.lists(
    st.builds(Trial, st.integers(1, 9), st.booleans(), st.none() | st.integers(1, 9)), max_size=12
)
chances = st.integers(0, 1 << 30).map(Random)
faults_of_all_kinds = st.lists(
    st.builds(Fault, st.integers(0, 60), st.sampled_from(DEEDS)), max_size=6
)
a_run = {
    "trials": trials_of_all_kinds,
    "hosts": st.lists(st.integers(1, 3), min_size=1, max_size=3),
    "actors": st.sampled_from(["auto", 1, 2, 3, {"min": 1, "max": 4}]),
    "width": st.integers(1, 12),
    "patience": st.sampled_from([0.0, 0.5, float("inf")]),
    "chance": chances,
    "faults": faults_of_all_kinds,
}


def check(
    trials: Sequence[Trial], hosts: Sequence[int], actors: Any, width: int, patience: float,
    chance: Random, faults: Sequence[Fault],
) -> None:  # fmt: skip
    """Train trials on a cluster that goes wrong, and compare what is reported of each."""
    # Where hosts end for good, one comes that stays. A silent planner is waited for.
    last = max([fault.after for fault in faults], default=0)
    early = [fault for fault in faults if fault.deed != "fall silent"]
    later = [fault for fault in faults if fault.deed == "fall silent"]
    with faked(chance):
        ray = FakeRay(Body, chance, hosts, [*early, Fault(last, "host joins")])
        owner = Owner(ray, actors=actors, max_lost=MANY, start_timeout_s=1e5, silence_s=50)
        ray.faults = sorted([*ray.faults, *later])
        told = owner.train(trials, chance, width, patience)
    for key, trial in enumerate(trials):
        assert plain(told[key]) == plain(alone(trial, key))


@given(**a_run)
@settings(max_examples=60)
def test_every_trial_is_reported_as_by_one_cohort_whatever_happens_to_actors(**run: Any) -> None:
    check(**run)


def swallow_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RayTeam, "_is_news", lambda *_: True)


def tell_all_at_once(patch: pytest.MonkeyPatch) -> None:
    def take(roster: Roster, member: int) -> list[Report] | None:
        told = roster._told[member]
        epochs = [told.popleft() for _ in range(len(told))]
        return [report for epoch in epochs for report in epoch] if epochs else None

    patch.setattr(Roster, "take", take)


def place_once(patch: pytest.MonkeyPatch) -> None:
    lose = Roster.forget

    def forget(roster: Roster, member: int) -> list[Hashable]:
        trials = lose(roster, member)
        for trial in trials:
            roster.place(trial, member)  # where nobody is any more
        return trials

    patch.setattr(Roster, "forget", forget)


def keep_what_the_lost_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RayTeam, "_lose", lambda team, member: team._made.pop(member))


@pytest.mark.parametrize(
    "plant", [swallow_nothing, tell_all_at_once, place_once, keep_what_the_lost_told]
)
def test_a_planted_fault_is_found(plant: Callable[[pytest.MonkeyPatch], None]) -> None:
    faults = [Fault(20, "die"), Fault(40, "all die")]
    check([LONG] * 5, [2], 2, 6, 0.0, Random(0), faults)
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        with pytest.raises((AssertionError, KeyError)):
            for seed in range(9):
                check([LONG] * 5, [2], 2, 6, 0.0, Random(seed), faults)


# --- one fault at a time -------------------------------------------------------------------


def test_what_was_told_before_a_loss_is_not_told_again() -> None:
    chance = Random(0)
    with faked(chance):
        owner = Owner(FakeRay(Body, chance, [1]), actors=1)
        with owner.patient():
            team = owner.team(3, patience=0.0)
            team.start("a", LONG.setting)
            reports = [report for _ in range(4) for report in team.advance()]
            owner.ray.faults = [Fault(0, "die")]
            while not reports[-1].ended:
                reports += team.advance()
    assert len([*filter(lambda actor: actor.lost, owner.ray.actors)]) == 1
    assert [report.epoch for report in reports] == [*range(1, 10)]


def test_a_trial_that_loses_too_many_actors_fails_and_those_beside_it_do_not() -> None:
    """It ends whatever actor trains it, in its third epoch."""
    chance = Random(0)

    class Deadly(Lives):
        def advance(self) -> list[Report]:
            reports = super().advance()
            if any(report.trial == 5 and report.epoch == 3 for report in reports):
                raise Gone
            return reports

    with faked(chance, make=lambda _, width, partition: Deadly(width)):
        owner = Owner(FakeRay(Body, chance, [2]), actors=2, max_lost=3)
        told = owner.train([LONG] * 12, chance, 12, patience=0.5)
    assert len([actor for actor in owner.ray.actors if actor.lost]) == 3
    *before, last = told.pop(5)
    assert [report.epoch for report in before] in ([], [1], [1, 2])
    assert last.ended and last.failed == (
        "3 actors lost while it was trained; of the last one its process has ended"
    )
    for key, reports in told.items():
        assert plain(reports) == plain(alone(LONG, key))


def test_a_network_that_ends_every_actor_ends_the_run() -> None:
    chance = Random(0)

    class Deadly(Lives):
        def advance(self) -> list[Report]:
            raise Gone

    with faked(chance, make=lambda _, width, partition: Deadly(width)):
        owner = Owner(FakeRay(Body, chance, [2]), actors=2)
        with pytest.raises(SweepError, match=r"engine\.max_lost: .* in a row") as error:
            owner.train([LONG] * 30, chance, 6, patience=0.5)
    assert "\n" not in str(error.value)


def test_an_actor_that_falls_silent_is_given_up_in_time() -> None:
    chance = Random(0)
    with faked(chance):
        owner = Owner(FakeRay(Body, chance, [1]), actors=1, silence_s=30)
        owner.ray.faults = [Fault(5, "fall silent")]
        began = owner.ray.now
        told = owner.train([LONG] * 3, chance, 6, patience=0.0)
    assert [actor.lost for actor in owner.ray.actors] == ["it was killed", ""]
    assert 30 < owner.ray.now - began < 60
    assert [report.epoch for report in told[2]] == [*range(1, 10)]


@pytest.mark.parametrize("moment", ["planning", "training"])
def test_a_run_without_any_actor_waits_and_then_ends_in_one_line(moment: str) -> None:
    chance = Random(0)
    with faked(chance):
        ray = FakeRay(Body, chance, [2], [Fault(0, "host ends")] * (moment == "planning"))
        with pytest.raises(SweepError, match=r"engine\.start_timeout_s: .* resume$") as error:
            owner = Owner(ray, actors=2, start_timeout_s=40)
            ray.faults = [Fault(8, "host ends")]
            owner.train([LONG] * 12, chance, 6, patience=0.0)
    assert "\n" not in str(error.value)
    assert 1040 <= ray.now < 1060


@pytest.mark.parametrize(
    ("address", "advice"),
    [("local", "Try --engine local, to see why,"), ("10.0.0.1:6379", "Look at `ray status`,")],
)
def test_where_no_actor_starts_a_user_is_sent_to_what_is_there(address: str, advice: str) -> None:
    chance = Random(0)
    with faked(chance):
        ray = FakeRay(Body, chance, [2], [Fault(0, "host ends")])
        with pytest.raises(SweepError, match=advice):
            Owner(ray, actors=2, start_timeout_s=40, address=address)


def test_another_actor_plans_where_the_first_is_lost_while_it_does() -> None:
    chance = Random(0)
    with faked(chance):
        hosts = [1, 1]
        ray = FakeRay(Body, chance, hosts)
        planned = cohorts.planned

        def dying(spec: StudySpec) -> Any:
            if len(ray.living) == 2:
                ray.faults = [Fault(0, "die answering")]
                for host in ray.hosts:
                    host.room = 0  # none can be hired again
            return planned(spec)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cohorts, "planned", dying)
            owner = Owner(ray, actors=2, start_timeout_s=40)
    assert len(ray.living) == 1 and owner.crew.outline


@pytest.mark.parametrize(
    ("address", "way_out"),
    [
        ("host:1", "Name its file in engine.ship, or install it on every host"),
        ("local", "Put own.py beside the study file"),
    ],
)
def test_a_module_that_hosts_are_without_is_one_line_with_a_way_out(
    address: str, way_out: str
) -> None:
    def planned(spec: StudySpec) -> Any:
        raise UsageError(
            "model.source: module own must import, got ModuleNotFoundError: No module named 'own'"
            " (python:own:make, own.py). Put own.py beside the study file"
        )

    chance = Random(0)
    with faked(chance), pytest.MonkeyPatch.context() as patch:
        patch.setattr(cohorts, "planned", planned)
        with pytest.raises(UsageError) as error:
            Owner(FakeRay(Body, chance, [1]), actors=1, address=address)
    rule = "model.source: module own must import, got ModuleNotFoundError: No module named 'own'"
    assert str(error.value) == f"{rule} (python:own:make, own.py). {way_out}"


def test_lanes_for_which_there_is_no_memory_are_an_error_and_fewer_train_on() -> None:
    chance, memory = Random(0), iter([*[True] * 7, False])
    with faked(chance, make=lambda _, width, partition: Lives(width, memory)):
        owner = Owner(FakeRay(Body, chance, [2]), actors=2)
        with pytest.raises(MemoryError, match="no room"):
            owner.train([LONG] * 6, chance, 6, patience=0.0)
        told = owner.train([LONG] * 6, chance, 3, patience=0.0)
    assert not any(actor.lost for actor in owner.ray.actors)
    for key, reports in told.items():
        assert plain(reports) == plain(alone(LONG, key))


def test_a_host_that_joins_gets_trials() -> None:
    chance = Random(0)
    with faked(chance):
        owner = Owner(FakeRay(Body, chance, [1]))
        owner.ray.faults = [Fault(20, "host joins")]
        told = owner.train([LONG] * 100, chance, 3, patience=0.0)
    assert len(told) == 100 and {actor.host.name for actor in owner.ray.living if actor.host} == {
        "host-0", "host-1",
    }  # fmt: skip
    assert all(actor.n_done > 9 for actor in owner.ray.living)
