"""Who trains a study on a cluster, as its attribute `engine` keeps it, and how that is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MOST = 4  # hosts that are named


class Host(NamedTuple):
    """A host and the actors that a run has, or had, there."""

    name: str
    living: int = 0  # that train
    joining: int = 0  # that start
    lost: int = 0
    device: str = ""
    versions: Mapping[str, str] = {}


def hosts_of(facts: Any) -> list[Host]:
    """Return the hosts that an attribute `engine` tells of.

    Empty where no cluster has trained, or where another program has overwritten the attribute.
    """
    told = facts.get("hosts") if isinstance(facts, Mapping) else None
    if not isinstance(told, Mapping):
        return []
    return [_host(str(name), one) for name, one in told.items() if isinstance(one, Mapping)]


def actors_line(facts: Any) -> str:
    """Say in one line how many actors train where, and how many are lost; else an empty text."""
    hosts = hosts_of(facts)
    if not hosts:
        return ""
    named = [f"{host.name} {host.living}{_others(host)}" for host in hosts[:MOST]]
    if more := hosts[MOST:]:
        rest = _together(more)
        named.append(f"{len(more)} more hosts {rest.living}{_others(rest)}")
    return f"{_actors(sum(host.living for host in hosts))}: {', '.join(named)}"


def provenance_lines(facts: Any) -> list[str]:
    """Say of each host, in a line, what trained there: actors, device, versions."""
    lines = []
    for host in hosts_of(facts):
        versions = (f"{package} {version}" for package, version in host.versions.items())
        about = ", ".join(filter(None, (host.device, *versions)))
        actors = f"{_actors(host.living)}{_others(host._replace(joining=0))}"
        lines.append(f"{host.name}: {actors}{about and f', {about}'}")
    return lines


def _actors(n: int) -> str:
    return f"{n} actor{'s' * (n != 1)}"


def _others(host: Host) -> str:
    """Return in brackets how many actors of a host start and are lost, if any."""
    told = ", ".join(f"{n} {word}" for n, word in
                     ((host.joining, "starting"), (host.lost, "lost")) if n)  # fmt: skip
    return f" ({told})" if told else ""


def _together(hosts: Sequence[Host]) -> Host:
    return Host(
        "",
        living=sum(host.living for host in hosts),
        joining=sum(host.joining for host in hosts),
        lost=sum(host.lost for host in hosts),
    )


def _host(name: str, told: Mapping[str, Any]) -> Host:
    counts = (told.get(key, 0) for key in ("living", "joining", "lost"))
    living, joining, lost = (n if isinstance(n, int) else 0 for n in counts)
    versions = told.get("versions")
    known = versions if isinstance(versions, Mapping) else {}
    return Host(name, living, joining, lost, str(told.get("device", "")), known)
