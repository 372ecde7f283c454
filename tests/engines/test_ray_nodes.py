"""Real Ray whose nodes, head or owner are lost, or come: the table stays that of one process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from sweep.engines.reaper import SHORT
from tests.support.clustered import Study, assert_done, assert_one_line
from tests.support.clusters import IMPATIENT, Keeper, keeper, listeners, parent_of, until
from tests.support.tables import Table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]


@pytest.fixture(scope="module")
def ray() -> Iterator[Keeper]:
    """A cluster that soon notices what is gone; its head does not train."""
    with keeper() as made:
        made.start_head(0, **IMPATIENT)
        yield made


@pytest.fixture(scope="module")
def whole(ray: Keeper, tmp_path_factory: pytest.TempPathFactory) -> Table:
    return Study(tmp_path_factory.mktemp("whole")).run_locally(ray)


class Nodes:
    """The nodes of one test, each with room for one actor, by the processes of their raylets."""

    def __init__(self, ray: Keeper):
        self._ray, self.pids = ray, list[int]()

    def add(self) -> int:
        self.pids.append(self._ray.add_node(1))
        return self.pids[-1]

    def training(self) -> set[int]:
        """Return those on which an actor lives."""
        return {parent_of(pid) for pid in self._ray.actors()}

    def remove(self) -> None:
        # An actor may outlive its raylet.
        _send((*self.pids, *self._ray.actors()), signal.SIGKILL)
        until(lambda: not {*self._ray.actors(), *self.pids} & {*self._ray.processes()})


@pytest.fixture
def nodes(ray: Keeper) -> Iterator[Nodes]:
    made = Nodes(ray)
    try:
        yield made
    finally:
        made.remove()


@contextmanager
def held(ray: Keeper) -> Iterator[list[int]]:
    """Stop all actors amid their work for the time of the block; a run cannot end meanwhile."""
    actors = until(partial(_stopped, ray))
    try:
        yield actors
    finally:
        _send(actors, signal.SIGCONT)


def _stopped(ray: Keeper) -> list[int] | None:
    actors = ray.actors()
    _send(actors, signal.SIGSTOP)
    if actors and {*actors} <= {*ray.named("LaneActor.step")}:
        return actors
    _send(actors, signal.SIGCONT)
    return None


def _send(pids: Collection[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_node_that_is_lost_and_one_that_joins_change_nothing(
    ray: Keeper, nodes: Nodes, whole: Table, tmp_path: Path, how: str
) -> None:
    first, second = nodes.add(), nodes.add()
    study = Study(tmp_path / "study")
    run = study.start(ray, actors=2)
    run.until(lambda: study.n_ended and nodes.training() == {first, second})
    with held(ray) as actors:
        lost = [pid for pid in actors if parent_of(pid) == first]
        if how == "killed":
            _send([first, *lost], signal.SIGKILL)
        else:  # as where the host hangs, or nothing reaches it
            _send([first], signal.SIGSTOP)
        third = nodes.add()
        run.until(lambda: third in nodes.training())
        _send(lost, signal.SIGKILL)
    assert_done(run.outcome())
    assert study.table() == whole


def test_a_study_over_two_nodes_has_the_table_of_one_process(
    ray: Keeper, nodes: Nodes, whole: Table, tmp_path: Path
) -> None:
    first = nodes.add()
    study = Study(tmp_path / "study")
    run = study.start(ray)
    run.until(lambda: study.n_ended)
    with held(ray):
        second = nodes.add()
        run.until(lambda: nodes.training() == {first, second})
    assert_done(run.outcome())
    assert study.table() == whole


def test_an_actor_that_falls_silent_is_given_up(
    ray: Keeper, nodes: Nodes, whole: Table, tmp_path: Path
) -> None:
    nodes.add(), nodes.add()
    study = Study(tmp_path / "study")
    run = study.start(ray, actors=2, silence_s=20, max_lost=100)
    run.until(lambda: study.n_ended and len(ray.actors()) == 2)
    with held(ray) as (silent, other):
        _send([other], signal.SIGCONT)
        assert_done(run.outcome())  # it does not wait for the one that is silent
        until(lambda: silent not in ray.actors())
    assert study.table() == whole


def test_a_run_whose_actors_are_all_gone_ends_and_goes_on_later(
    ray: Keeper, nodes: Nodes, whole: Table, tmp_path: Path
) -> None:
    first = nodes.add()
    study = Study(tmp_path / "study")
    run = study.start(ray, start_timeout_s=40)
    run.until(lambda: study.n_ended)
    _send([first, *ray.actors()], signal.SIGKILL)
    assert_one_line(run.outcome(), "engine", "resume")
    assert study.doctor(ray) == ""
    nodes.add()
    assert study.run(ray) == whole


def test_a_head_that_is_killed_ends_the_run_and_nothing_is_lost(
    whole: Table, tmp_path: Path
) -> None:
    study = Study(tmp_path / "study")
    with keeper() as ray:
        ray.start_head(2)
        run = study.start(ray, actors=2)
        run.until(lambda: study.n_ended)
        (head,) = ray.named("gcs_server")
        os.kill(head, signal.SIGKILL)
        assert run.outcome().code == 1
        assert study.doctor(ray) == ""
        assert study.run_locally(ray) == whole


def test_a_ray_of_the_run_s_own_listens_on_loopback_alone(tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    with keeper() as here:
        run = study.start(here, actors=2)
        run.until(lambda: study.n_ended)
        names = here.processes()
        found = listeners(names)
        assert {names[one.pid] for one in found if not one.is_on_loopback} == set()
        assert len({one.pid for one in found}) > 3  # Ray's, and ours among them
        os.kill(run.pid, signal.SIGINT)  # it removes its files itself
        assert run.outcome().code == 130


def test_a_ray_of_the_run_s_own_has_files_that_no_other_user_reaches(tmp_path: Path) -> None:
    before = set(SHORT.glob("sweep-ray-*"))
    study = Study(tmp_path / "study")
    with keeper() as here:
        run = study.start(here, actors=1)
        run.until(lambda: study.n_ended)
        folders = set(SHORT.glob("sweep-ray-*")) - before
        assert folders and {one.stat().st_mode & 0o777 for one in folders} == {0o700}
        os.kill(run.pid, signal.SIGINT)  # it removes them itself
        assert run.outcome().code == 130
        assert not any(one.exists() for one in folders)


def test_where_actors_need_a_gpu_and_this_machine_has_none_it_is_told_at_once(
    tmp_path: Path,
) -> None:
    with keeper() as here:
        run = Study(tmp_path / "study").start(here, "device=cuda")
        assert_one_line(run.outcome(), "engine.gpus: this machine must have a GPU", code=2)


# In a cluster: what Ray cannot be told to do without, in its processes and in ours.
EVERYWHERE = ("gcs_server", "raylet", "monitor.py", "ray::", "sweep")


def test_in_a_cluster_no_other_socket_is_open_to_all_than_those_that_ray_opens(
    ray: Keeper, nodes: Nodes, tmp_path: Path
) -> None:
    nodes.add()
    study = Study(tmp_path / "study")
    run = study.start(ray)
    run.until(lambda: study.n_ended)
    names = ray.processes()
    found = [one for one in listeners(names) if not one.is_on_loopback]
    assert [one for one in found if not any(word in names[one.pid] for word in EVERYWHERE)] == []
    assert sum(one.pid == run.pid for one in found) <= 1  # to which actors answer
    for actor in ray.actors():
        assert sum(one.pid == actor for one in found) == 1


def test_an_owner_that_is_killed_leaves_no_process(whole: Table, tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    with keeper() as here:
        run = study.start(here, actors=2)
        run.until(lambda: study.n_ended)
        os.kill(run.pid, signal.SIGKILL)
        until(lambda: not here.processes(), here.processes, 5)
        assert study.doctor(here) == ""
        assert study.run_locally(here) == whole


def test_a_run_that_is_interrupted_leaves_no_process(whole: Table, tmp_path: Path) -> None:
    study = Study(tmp_path / "study")
    with keeper() as here:
        run = study.start(here, actors=2)
        run.until(lambda: study.n_ended)
        os.kill(run.pid, signal.SIGINT)
        assert run.outcome().code == 130
        until(lambda: not here.processes(), here.processes, 5)
        assert study.run_locally(here) == whole
