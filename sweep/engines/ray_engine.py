"""The engine of Ray's actors: on this machine, or on the hosts of a cluster."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweep.engines.cluster import Cluster
from sweep.engines.crew import Crew
from sweep.engines.ray_cluster import RayCluster
from sweep.engines.ray_team import REPORT_S, RayTeam
from sweep.engines.shipping import files_to_ship, package
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec


class RayEngine:
    """Actors that plan and train a study; keeps the protocol of an `Engine`.

    Args:
        spec: the study.
        cluster: where its actors are; Ray's, if it is not given.
    """

    def __init__(self, spec: StudySpec, cluster: Cluster | None = None):
        self._spec, self._given = spec, cluster
        self._open = ExitStack()
        self._crew: Crew | None = None
        self._outline: Outline | None = None
        self._lanes = 0  # of each actor, once they are made
        self._facts: dict[str, Any] = {}
        self._changes = -1  # of the crew, that the facts tell of

    def begin(self) -> None:
        """Join the cluster, and ask for the first actors, which start meanwhile.

        Raises:
            UsageError: there is no such cluster, or a file that actors need is not there.
        """
        files = files_to_ship(self._spec)
        with package(self._spec) as folder:  # of which Ray makes a copy
            cluster = self._given or RayCluster(self._spec.engine, gpus(self._spec), folder)
            self._open.callback(cluster.leave)
            cluster.join()
        self._crew = Crew(_for_actors(self._spec, bool(files)), cluster)
        self._crew.shipped_bytes = sum((self._spec.folder / file).stat().st_size for file in files)
        self._crew.listen(0)

    def resolve(self) -> Outline:
        """Wait for the plan that the first actor makes."""
        if self._outline is None:
            assert self._crew, "it is begun first"
            outline, lanes = self._crew.resolve(), self._spec.engine.lanes
            width = outline.width if lanes == "auto" else lanes
            self._outline = replace(outline, spec=self._spec, width=width)
        return self._outline

    def cohort(self, width: int, partition: int = 0) -> RayTeam:
        """Make a team of all actors, of those too that join later; `width` is that of each."""
        assert self._crew, "it is begun first"
        patience = 0.0 if self._spec.search.pruner.type != "none" else REPORT_S
        team = RayTeam(self._crew, width, partition, patience, self._spec.engine.max_lost)
        if not partition:  # which may do with fewer
            self._lanes, self._changes = team.width, -1
        return team

    def facts(self) -> dict[str, Any]:
        """Say who trains: actors by host, living and lost, and what they are."""
        crew = self._crew
        if crew and crew.changes != self._changes:
            self._changes = crew.changes
            self._facts = _told_of(crew, self._spec, self._lanes)
        return self._facts

    def pids(self) -> list[int]:
        """Return the processes of the actors that have started, each on its own host."""
        members = self._crew.members.values() if self._crew else ()
        return [one.hello.pid for one in members if one.hello.pid]

    def dismiss(self) -> None:
        """End all actors."""
        if self._crew:
            self._crew.dismiss()

    def end(self) -> None:
        """Leave the cluster; nothing that was started is left."""
        self._open.close()


def gpus(spec: StudySpec) -> float:
    """Return the share of a GPU that each actor keeps to itself."""
    asked = spec.engine.gpus
    return float(spec.device == "cuda") if asked == "auto" else asked


def _for_actors(spec: StudySpec, is_shipped: bool) -> StudySpec:
    """Return the study as actors read it: shipped files lie in their working folder."""
    theirs = spec.model_copy(update={"device": "cuda" if gpus(spec) else "cpu"})
    theirs._folder = Path() if is_shipped else spec.folder.absolute()
    return theirs


def _told_of(crew: Crew, spec: StudySpec, lanes: int) -> dict[str, Any]:
    """Return what the study's attribute `engine` holds; `spec/actors` reads it.

    Actors that have not started yet, perhaps for want of room, are of the host without a name.
    """
    hosts: dict[str, dict[str, Any]] = {}
    known = [(one.hello, "living" if one.doing == "ready" else "joining")
             for one in crew.members.values()]  # fmt: skip
    for hello, what in [*known, *((hello, "lost") for hello in crew.gone.values())]:
        host = hosts.setdefault(hello.host, {"living": 0, "joining": 0, "lost": 0})
        host[what] += 1
        if hello.host:
            host |= {"device": hello.device, "versions": hello.versions}
    return {
        "kind": "ray",
        "address": spec.engine.address,
        "lanes": lanes,
        "shipped_bytes": crew.shipped_bytes,
        "hosts": dict(sorted(hosts.items())),
        "turned_away": dict(crew.turned_away),
        "last_loss": crew.why,
    }
