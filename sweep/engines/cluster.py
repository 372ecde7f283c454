"""All that a study asks of Ray: a few calls, so that another class can stand in for it.

`RayCluster` keeps this protocol with Ray; tests keep it without (`tests/support/fake_ray.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

Actor = Any  # a process that holds one `LaneActor`
Ref = Any  # stands for a value that is there, or to come; can be a key


class LostError(Exception):
    """An actor is gone for good, with all that it was asked; the text says why, in one clause."""


class Cluster(Protocol):
    """A cluster of hosts, on which a study has actors that are all alike.

    One thread calls it. Actors work side by side. Each does what it is called for in order, one
    call at a time, and never twice. Nothing here waits but `ready` (and `join` and `leave`, for
    seconds). An actor that is hired may have to wait for room: what it is called for waits too.

    An actor's methods are those of `lane_actor.LaneActor`. They return what can be pickled, and
    errors instead of raising them. An actor may be lost at any moment: the host, the process, or
    the way to it. It never comes back, and no call is tried again.
    """

    def join(self) -> None:
        """Connect to the cluster, or start one on this machine.

        Raises:
            UsageError: there is none at the address, it is of another version, or no Ray here.
        """

    def hire(self, avoid: Collection[str] = ()) -> Actor:
        """Ask for another actor, on none of the hosts of these node ids; return it at once."""

    def call(self, actor: Actor, method: str, *args: Any) -> Ref:
        """Have an actor do something; return at once what will stand for the returned value.

        A `Ref` among `args` becomes its value on the way; arrays in it are not copied, and
        cannot be written to. A lost actor takes calls too: their `get` raises.
        """

    def put(self, value: Any) -> Ref:
        """Keep a value in the cluster, on behalf of this process: no actor's end loses it."""

    def ready(self, refs: Sequence[Ref], timeout_s: float) -> list[Ref]:
        """Wait until `get` would not wait for at least one of them, or until the time is over.

        Returns:
            Those that are ready, a lost actor's too, in the order of `refs`; none when the time
            is over, as it is in the end where there are no `refs`.
        """

    def get(self, ref: Ref) -> Any:
        """Return the value that a ready one stands for.

        Raises:
            LostError: the actor was lost before.
            UsageError: an actor cannot start: a file or a package is missing on its host.
        """

    def kill(self, actor: Actor) -> None:
        """End an actor without a word, if it is not gone: calls that it has not done are lost."""

    def room(self) -> int:
        """Return how many actors would find room now, those that wait for it among them."""

    def leave(self) -> None:
        """End all actors and the connection, and the cluster if `join` has started it.

        May be called in any state, and again.
        """
