"""Who trains a study on a cluster, as its attribute `engine` keeps it, and how that is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

MOST = 4  # hosts that are named


class Host(NamedTuple):
    """A host, and how many actors of a run it has and has lost."""

    name: str
    living: int  # that train
    joining: int  # that start
    lost: int
    device: str = ""
    versions: Mapping[str, Any] = {}


def hosts_of(facts: Any) -> list[Host]:
    """Return the hosts that an attribute `engine` tells of.

    Empty where no cluster has trained, or where another program has overwritten the attribute.
    """
    told = _mapping(facts, "hosts")
    return [_host(name, told[name]) for name in told if name and isinstance(told[name], Mapping)]


def actors_line(facts: Any) -> str:
    """Say in one line how many actors train where, and how many are lost; else an empty text."""
    hosts, homeless = hosts_of(facts), _mapping(facts, "hosts").get("")
    living, waiting = sum(host.living for host in hosts), _count(homeless, "joining")
    named = [f"{host.name} {host.living}{_others(host)}" for host in hosts[:MOST]]
    if more := hosts[MOST:]:
        living_there, joining, lost = (
            sum(getattr(host, key) for host in more) for key in ("living", "joining", "lost")
        )
        rest = Host("", living_there, joining, lost)
        named.append(f"{len(more)} more hosts {rest.living}{_others(rest)}")
    if waiting and not living:  # beside others, one that waits for room is as it should be
        named.append(f"{waiting} starting or waiting for room")
    return f"{_actors(living)}: {', '.join(named)}" if named else ""


def turned_away(facts: Any) -> list[str]:
    """Say of each host that gets no more actors why."""
    return [f"{host} gets no more actors: {why}"
            for host, why in _mapping(facts, "turned_away").items()]  # fmt: skip


def provenance(facts: Any) -> dict[str, Any]:
    """Return what has trained, for a config: hosts with their actors, devices, versions.

    Of a package that is not the same on all hosts every version is named.
    """
    hosts = hosts_of(facts)
    if not hosts:
        return {}
    versions: dict[str, list[str]] = {}
    for host in hosts:
        for package, version in host.versions.items():
            versions.setdefault(package, []).append(str(version))
    return {
        "kind": str(facts.get("kind")),
        "hosts": [
            f"{host.name}: {_actors(host.living)}{_others(host._replace(joining=0))}"
            for host in hosts
        ],
        "devices": sorted({host.device for host in hosts if host.device}),
        "versions": {name: ", ".join(dict.fromkeys(found)) for name, found in versions.items()},
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


def _others(host: Host) -> str:
    """Return in brackets how many actors of a host start and are lost, if any."""
    counts = ((host.joining, "starting"), (host.lost, "lost"))
    told = ", ".join(f"{n} {word}" for n, word in counts if n)
    return f" ({told})" if told else ""


def _host(name: str, told: Mapping[str, Any]) -> Host:
    living, joining, lost = (_count(told, key) for key in ("living", "joining", "lost"))
    return Host(name, living, joining, lost, str(told.get("device", "")),
                _mapping(told, "versions"))  # fmt: skip


def _mapping(facts: Any, key: str) -> Mapping[str, Any]:
    found = facts.get(key) if isinstance(facts, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _count(facts: Any, key: str) -> int:
    found = facts.get(key) if isinstance(facts, Mapping) else None
    return found if isinstance(found, int) else 0
