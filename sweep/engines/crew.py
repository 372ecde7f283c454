"""The actors of a run with Ray, from their hiring to their loss: who is there, and can train.

An actor is hired, says hello, makes the plan or adopts it, and is ready. What it does then is its
team's to say. One call of an actor is in flight at a time. As many are hired as there is room for,
within the bounds of the study file, at the beginning and later on.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from sweep.engines.cluster import Actor, Cluster, LostError, Ref
from sweep.engines.hello import Hello, misfit
from sweep.engines.shipping import size_bytes
from sweep.errors import SweepError, UsageError
from sweep.runtime import impatient
from sweep.spec.resolved import Outline
from sweep.spec.study import StudySpec

LOOK_S = 10.0  # between two looks for more room
FREED_S = 1.0  # after which what a lost actor had is free again
SLICE_S = 0.5  # of waiting, between two looks at the clock
BAD_HOST = 3  # losses in a row, after which a host gets no more actors where there are others
ENVIRONMENT = ("OMP_NUM_THREADS",)  # which Ray sets in its processes; it decides on threads

Doing = Literal["joining", "planning", "adopting", "waiting", "ready"]


@dataclass
class Member:
    """One actor."""

    number: int
    actor: Actor
    flight: Ref | None  # what it is at
    since: float
    doing: Doing = "joining"
    hello: Hello = field(default_factory=Hello)


class Heard(NamedTuple):
    """What a ready member has answered."""

    member: int
    content: Any


class Crew:
    """All actors of a run.

    Args:
        spec: the study, as actors need it: its folder and its device are theirs.
        cluster: where they are; joined and left by who made it.
    """

    def __init__(self, spec: StudySpec, cluster: Cluster):
        self._spec, self._cluster, self._engine = spec, cluster, spec.engine
        self.members: dict[int, Member] = {}
        self.outline: Outline | None = None
        self.shipped_bytes = 0  # of files and rows, once
        self.gone: dict[int, Hello] = {}  # members that were lost
        self.turned_away: dict[str, str] = {}  # hosts of which none is hired any more: why
        self.why = ""  # the last one was lost
        self.changes = 0  # of all this, counted
        self.first: Hello | None = None  # whom all others must equal
        self._parts: Ref | None = None
        self._n_hired = self._n_early = 0
        self._avoided: set[str] = set()  # names of hosts, as Ray knows them
        self._in_a_row: Counter[str] = Counter()  # losses since a trial ended there, by host
        self._look_at = 0.0
        self._seen_ready = time.monotonic()

    # --- who is there

    @property
    def ready(self) -> list[int]:
        """Members that have the plan."""
        return [number for number, one in self.members.items() if one.doing == "ready"]

    def host(self, member: int) -> str:
        """Name the host of a member."""
        return self.members[member].hello.host

    def resolve(self) -> Outline:
        """Hire the first ones, and wait until one has planned the study.

        Raises:
            UsageError: the study cannot be planned, or hosts do not fit together.
            SweepError: none has done it in time.
        """
        with impatient():
            while self.outline is None:
                self.listen(SLICE_S)
        return self.outline

    # --- talking to them

    def ask(self, member: int, method: str, *args: Any) -> None:
        """Have a ready member do something; an earlier answer that is still due is not heard."""
        self._call(self.members[member], method, *args)

    def listen(self, timeout_s: float) -> list[Heard]:
        """Hear what members have done, and look after those that are not ready yet.

        Members that are lost are no longer among `members`.

        Args:
            timeout_s: how long to wait, where no answer is there.

        Raises:
            UsageError: see `resolve`.
            SweepError: for too long no member has been ready.
        """
        self._grow()
        flights = {one.flight: one for one in self.members.values() if one.flight is not None}
        heard: list[Heard] = []
        ready = self._cluster.ready([*flights], timeout_s)
        for ref in ready:
            one = flights[ref]
            one.flight = None
            try:
                content = self._cluster.get(ref)
            except LostError as error:
                self.lose(one.number, str(error))
                continue
            if one.doing == "ready":
                heard.append(Heard(one.number, content))
            else:
                self._welcome(one, content)
        self._look_at_the_clock()
        return heard

    def lose(self, number: int, why: str) -> None:
        """Give a member up: its process is ended, if it is not gone."""
        one = self.members.pop(number)
        self._cluster.kill(one.actor)
        self.why, self.changes = why, self.changes + 1
        if one.doing == "planning":
            self._instruct()  # another one
        if one.doing == "joining":  # it has no host yet
            return
        self.gone[number] = one.hello
        if one.doing == "ready":
            short = len(self.members) < self._engine.bounds[0]
            self._look_at = min(self._look_at, time.monotonic() + FREED_S * (not short))

    def praise(self, number: int) -> None:
        """Note that a trial has ended at a member: its host is fit to train."""
        self._in_a_row.pop(self.members[number].hello.node, None)

    def blame(self, number: int) -> None:
        """Note that a lost member is its host's fault, as far as one can tell."""
        hello = self.gone[number]
        self._in_a_row[hello.node] += 1
        if self._in_a_row[hello.node] >= BAD_HOST:
            self._turn_away(hello, f"{BAD_HOST} actors in a row were lost there: {self.why}")

    def dismiss(self) -> None:
        """End all members."""
        for one in self.members.values():
            self._cluster.kill(one.actor)
        self.members.clear()

    # --- hiring

    def _grow(self) -> None:
        """Hire as many as there is room for; on others' clusters one more, which waits for it."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_S
        least, most = self._engine.bounds
        living = sum(one.doing != "joining" for one in self.members.values())
        spare = 0 if self._engine.address == "local" else 1
        room = self._cluster.room() if most > least else 0
        wanted = min(most, max(least, living + room, living + spare))
        while len(self.members) < wanted:
            self._hire()
        if not self.outline:
            self._n_early = self._n_hired

    def _hire(self) -> None:
        actor = self._cluster.hire(self._avoided)
        one = Member(self._n_hired, actor, None, time.monotonic())
        self._n_hired += 1
        self.members[one.number] = one
        self.changes += 1
        device = "cuda" if self._spec.device == "cuda" else "cpu"
        self._call(one, "hello", {name: os.environ.get(name) for name in ENVIRONMENT}, device)

    def _call(self, one: Member, method: str, *args: Any) -> None:
        one.flight, one.since = self._cluster.call(one.actor, method, *args), time.monotonic()

    # --- from its hello to its first lanes

    def _welcome(self, one: Member, content: Any) -> None:
        """Take the answer of a member that is not ready yet, and go on with it."""
        self.changes += 1
        if isinstance(content, Exception):
            error = _with_a_way_out(content, self._engine.address)
            if one.doing == "planning":
                raise error
            self._refuse(one, error)
            return
        if one.doing == "joining":
            one.hello = content
            self.first = self.first or content
            if why := misfit(content, self.first, self._engine.mixed):
                self._refuse(one, UsageError(why))
                return
        elif one.doing == "planning":
            self.outline, parts = content
            self.shipped_bytes += size_bytes(parts)
            self._parts = self._cluster.put(parts)
        one.doing = "ready" if one.doing in ("planning", "adopting") else "waiting"
        self._instruct()

    def _instruct(self) -> None:
        """Have those that wait plan the study, or adopt the plan once there is one."""
        waiting = [one for one in self.members.values() if one.doing == "waiting"]
        if self.outline:
            for one in waiting:
                one.doing = "adopting"
                self._call(one, "adopt", self.outline, self._parts)
        elif waiting and not any(one.doing == "planning" for one in self.members.values()):
            waiting[0].doing = "planning"
            self._call(waiting[0], "plan", self._spec)

    def _refuse(self, one: Member, error: Exception) -> None:
        """Do without a member that cannot train; raise where it was there from the beginning."""
        if one.number < self._n_early:
            raise error
        self._cluster.kill(one.actor)
        del self.members[one.number]
        self._turn_away(one.hello, str(error))

    def _turn_away(self, hello: Hello, why: str) -> None:
        """Hire no more on a host, if others have members."""
        hosts = {one.hello.node for one in self.members.values() if one.doing != "joining"}
        if hosts - {hello.node}:
            self._avoided.add(hello.node)
            self.changes += 1
            self.turned_away[hello.host] = why

    # --- the clock

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        for one in [*self.members.values()]:
            silent = one.flight is not None and now - one.since > self._engine.silence_s
            if silent and one.doing in ("adopting", "ready"):
                self.lose(one.number, f"nothing was heard of it for {self._engine.silence_s:g} s")
        if self.ready:
            self._seen_ready = now
        elif now - self._seen_ready > self._engine.start_timeout_s:
            got = "none" if self.first or self.why else "none that has found room and started"
            last = f"; of the last one {self.why}" if self.why else ""
            is_local = self._engine.address == "local"
            look = "Try --engine local, to see why" if is_local else "Look at `ray status`"
            raise SweepError(
                f"engine.start_timeout_s: in {self._engine.start_timeout_s:g} s an actor must be"
                f" ready, got {got}{last}. {look}, and run again to resume"
            )


def _with_a_way_out(error: Exception, address: str) -> Exception:
    """Say what to do where an actor's host is without a module: it may be there at the owner's."""
    rule, _, _ = str(error).rpartition(". ")
    if address == "local" or "ModuleNotFoundError" not in rule:
        return error
    return UsageError(f"{rule}. Name its file in engine.ship, or install it on every host")
