"""Who trains a study on a cluster, as its attribute `engine` keeps it, and how that is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

MOST = 4  # hosts that are named


class Host(NamedTuple):
    """A host, and how many actors of a run it has and has lost."""

    name: str
    living: int
    lost: int


def hosts_of(facts: Any) -> list[Host]:
    """Return the hosts that an attribute `engine` tells of.

    Empty where no cluster has trained, or where another program has overwritten the attribute.
    """
    told = _mapping(facts, "hosts")
    return [
        Host(name, _count(one, "living"), _count(one, "lost"))
        for name, one in told.items() if isinstance(one, Mapping)
    ]  # fmt: skip


def actors_line(facts: Any) -> str:
    """Say in one line how many actors train where, and how many are lost; else an empty text."""
    hosts, waiting = hosts_of(facts), _count(facts, "waiting")
    living = sum(host.living for host in hosts)
    named = [f"{host.name} {_state(host)}" for host in hosts[:MOST]]
    if more := hosts[MOST:]:
        rest = Host("", sum(host.living for host in more), sum(host.lost for host in more))
        named.append(f"{len(more)} more hosts {_state(rest)}")
    if waiting and not living:  # beside others, one that waits for room is as it should be
        named.append(f"{waiting} starting or waiting for room")
    return f"{_actors(living)}: {', '.join(named)}" if named else ""


def turned_away(facts: Any) -> list[str]:
    """Say of each host that gets no more actors why."""
    return [f"{host} gets no more actors: {why}"
            for host, why in _mapping(facts, "turned_away").items()]  # fmt: skip


def provenance(facts: Any) -> dict[str, Any]:
    """Return what has trained, for a config: hosts with their actors, devices, versions."""
    hosts = [f"{host.name}: {_actors(host.living)}{_lost(host)}" for host in hosts_of(facts)]
    if not hosts:
        return {}
    devices = facts.get("devices")
    return {
        "kind": str(facts.get("kind")),
        "hosts": hosts,
        "devices": [*map(str, devices)] if isinstance(devices, list) else [],
        "versions": {name: str(at) for name, at in _mapping(facts, "versions").items()},
    }


def provenance_line(facts: Any) -> str:
    """Say the same in a line."""
    told = provenance(facts)
    if not told:
        return ""
    versions = ", ".join(f"{name} {at}" for name, at in told["versions"].items())
    return "; ".join(filter(None, [", ".join(told["hosts"]), *told["devices"], versions]))


def _actors(n: int) -> str:
    return f"{n} actor{'s' * (n != 1)}"


def _state(host: Host) -> str:
    return f"{host.living}{_lost(host)}"


def _lost(host: Host) -> str:
    return f" ({host.lost} lost)" if host.lost else ""


def _mapping(facts: Any, key: str) -> Mapping[str, Any]:
    found = facts.get(key) if isinstance(facts, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _count(facts: Any, key: str) -> int:
    found = facts.get(key) if isinstance(facts, Mapping) else None
    return found if isinstance(found, int) else 0
