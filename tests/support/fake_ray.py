"""A cluster without Ray, in this process: chance says who works when, and faults strike on time.

It keeps the protocol `sweep.engines.cluster.Cluster` as a hostile Ray would: answers come in any
order, actors are lost between two calls or with an answer under way, fall silent, or are slow.
Values cross by pickling, as they do in Ray. Time is a clock of its own, which passes while actors
work and jumps while its owner waits in vain, so that a timeout costs nothing.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, Literal, NamedTuple

from sweep.engines.cluster import LostError
from sweep.engines.hello import Hello
from sweep.engines.lane_actor import LaneActor
from sweep.runtime import versions

Deed = Literal[
    "die", "die answering", "all die", "fall silent", "be slow", "host joins", "host ends"
]
VERSIONS = cache(versions)  # reading them takes milliseconds
Sent = list[bytes]  # a pickle, and the memory of arrays in it
ENDLESS = 5_000  # so often nobody waits: whoever does hangs


class Gone(BaseException):
    """Raised by what an actor does, it ends the actor's process."""


class Fault(NamedTuple):
    """What happens when actors have done so many calls, all together."""

    after: int
    deed: Deed


@dataclass(eq=False)
class Host:
    """A machine with room for some actors."""

    name: str
    room: int


@dataclass(eq=False)
class FakeActor:
    """An actor: it waits for room, then does what it is called for."""

    number: int
    avoid: frozenset[str]
    host: Host | None = None
    body: Any = None
    calls: deque[tuple[FakeRef, str, tuple[Any, ...]]] = field(default_factory=deque)
    answered: list[FakeRef] = field(default_factory=list)
    lost: str = ""  # why
    n_done: int = 0
    silent: bool = False
    slow: bool = False


@dataclass(eq=False)
class FakeRef:
    """What a call will return, or a value that was put."""

    actor: FakeActor | None = None
    answer: Sent | None = None

    @property
    def is_ready(self) -> bool:
        return self.answer is not None or (self.actor is not None and bool(self.actor.lost))


class FakeRay:
    """Keeps the protocol of a `Cluster`.

    Args:
        make_actor: makes what an actor holds, given the name of its host.
        chance: what is drawn from.
        hosts: room on each.
        faults: what goes wrong.
    """

    def __init__(
        self,
        make_actor: Callable[[str], Any],
        chance: Random,
        hosts: Sequence[int] = (2,),
        faults: Sequence[Fault] = (),
    ):
        self._make_actor, self._chance = make_actor, chance
        self.hosts = [Host(f"host-{n}", room) for n, room in enumerate(hosts)]
        self.faults = sorted(faults)  # yet to come
        self.actors: list[FakeActor] = []
        self.now = 1000.0
        self.n_done = 0  # calls
        self.n_struck = 0  # faults that hit something
        self._waits = 0
        self.joined = False

    # --- the protocol

    def join(self) -> None:
        self.joined = True

    def hire(self, avoid: Collection[str] = ()) -> FakeActor:
        assert self.joined
        actor = FakeActor(len(self.actors), frozenset(avoid))
        self.actors.append(actor)
        return actor

    def call(self, actor: FakeActor, method: str, *args: Any) -> FakeRef:
        ref = FakeRef(actor)
        assert not any(isinstance(arg, FakeActor) for arg in args)
        given = tuple(arg if isinstance(arg, FakeRef) else _sent(arg) for arg in args)
        if not actor.lost:
            actor.calls.append((ref, method, given))
        return ref

    def put(self, value: Any) -> FakeRef:
        return FakeRef(answer=_sent(value))

    def ready(self, refs: Sequence[FakeRef], timeout_s: float) -> list[FakeRef]:
        assert timeout_s >= 0
        self._waits += 1
        assert self._waits < ENDLESS, "waits for ever"
        deadline = self.now + timeout_s
        for _ in range(self._chance.choice((0, 0, 1, 3))):  # others work meanwhile
            self._work(timeout_s / 4)
        while not any(ref.is_ready for ref in refs) and self.now < deadline:
            if not self._work(timeout_s / 4):
                self.now = deadline
        return [ref for ref in refs if ref.is_ready]

    def get(self, ref: FakeRef) -> Any:
        assert ref.is_ready, "would wait"
        if ref.answer is None:
            assert ref.actor is not None
            raise LostError(ref.actor.lost)
        return _received(ref.answer)

    def kill(self, actor: FakeActor) -> None:
        self._lose(actor, "it was killed")

    def room(self) -> int:
        self._settle()
        waiting = sum(actor.host is None and not actor.lost for actor in self.actors)
        unseen = waiting if self._chance.random() < 0.5 else 0  # Ray may not know of them
        return max(0, sum(map(self._free, self.hosts)) - unseen)

    def leave(self) -> None:
        for actor in self.actors:
            self._lose(actor, "the run has ended")
        self.joined = False

    # --- what a test sees

    @property
    def living(self) -> list[FakeActor]:
        """Actors that have room and are not lost."""
        return [actor for actor in self.actors if actor.host and not actor.lost]

    # --- how it goes on

    def _work(self, most_s: float) -> bool:
        """Let one actor do one call, and time pass; tell whether any could."""
        self._settle()
        self._strike()
        able = [actor for actor in self.living if actor.calls and not actor.silent]
        if not able:  # what is to happen does so then, however little was done
            self.n_done = max([self.n_done, *(fault.after for fault in self.faults[:1])])
            return False
        quick = [actor for actor in able if not actor.slow or self._chance.random() < 0.1]
        self.now += min(self._chance.choice((0.001, 0.01, 0.1)), max(most_s, 0.0))
        if quick:
            self._do(self._chance.choice(quick))
        return True

    def _do(self, actor: FakeActor) -> None:
        ref, method, args = actor.calls.popleft()
        values = [self.get(arg) if isinstance(arg, FakeRef) else _received(arg) for arg in args]
        self.n_done += 1
        actor.n_done += 1
        try:
            answer = _sent(getattr(actor.body, method)(*values))
        except Gone:
            self._lose(actor, "its process has ended")
            return
        self._strike(actor)
        if not actor.lost:  # or the answer never arrives
            ref.answer = answer
            actor.answered.append(ref)

    def _settle(self) -> None:
        """Give room to actors that wait for it."""
        for actor in self.actors:
            if actor.host is None and not actor.lost:
                fit = [h for h in self.hosts if self._free(h) > 0 and h.name not in actor.avoid]
                if fit:
                    actor.host = self._chance.choice(fit)
                    actor.body = self._make_actor(actor.host.name)

    def _free(self, host: Host) -> int:
        return host.room - sum(actor.host is host for actor in self.living)

    def _strike(self, answering: FakeActor | None = None) -> None:
        """Do the faults that are due."""
        while self.faults and self.faults[0].after <= self.n_done:
            self._suffer(self.faults.pop(0).deed, answering)

    def _suffer(self, deed: Deed, answering: FakeActor | None) -> None:
        self.n_struck += bool(self.living)
        one = self._chance.choice(self.living) if self.living else None
        if deed == "die answering":
            one = answering or one
        match deed:
            case "host joins":
                self.hosts.append(Host(f"host-{len(self.hosts)}", self._chance.choice((1, 2))))
            case "all die":
                for actor in self.living:
                    self._lose(actor, "its process has ended")
            case _ if one is None:
                pass
            case "die" | "die answering":
                self._lose(one, "its process has ended")
            case "fall silent":
                # One that has never spoken cannot be told from one that waits for room.
                one.silent = one.n_done > 0
            case "be slow":
                one.slow = True
            case "host ends":
                host = one.host
                assert host is not None
                host.room = 0
                for actor in [actor for actor in self.living if actor.host is host]:
                    self._lose(actor, "its host is gone")
                    for ref in actor.answered:  # what nobody has fetched is gone too
                        ref.answer = ref.answer if self._chance.random() < 0.5 else None

    def _lose(self, actor: FakeActor, why: str) -> None:
        if not actor.lost:
            actor.lost = why
            actor.calls.clear()


class Body:
    """A `LaneActor` that says of itself what it is told to; all else is the real one's."""

    def __init__(self, host: str, device: str = "cpu"):
        self._lanes, self._host, self._device = LaneActor(), host, device

    def hello(self, environment: Mapping[str, str | None], device: str) -> Hello:
        return Hello(self._host, self._host, id(self), self._device, VERSIONS("torch", "ray"))

    def __getattr__(self, method: str) -> Any:
        return getattr(self._lanes, method)


def _sent(value: Any) -> Sent:
    """Take a value apart as for another process."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return [head, *(bytes(buffer) for buffer in buffers)]


def _received(sent: Sent) -> Any:
    """Put it together again; arrays cannot be written to, as in Ray."""
    return pickle.loads(sent[0], buffers=sent[1:])
