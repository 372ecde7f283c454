"""What an actor says first, and whether it may train with the others."""

from __future__ import annotations

from dataclasses import dataclass, field

from sweep.runtime import versions


@dataclass(frozen=True)
class Hello:
    """What an actor is."""

    host: str = ""
    node: str = ""  # Ray's name of the host
    pid: int = 0
    device: str = ""  # its kind: the GPU, or the CPU and its instructions
    versions: dict[str, str] = field(default_factory=dict)


def misfit(hello: Hello, first: Hello, mixed: bool) -> str | None:
    """Say in a line why an actor may not train with the others, if so.

    Args:
        hello: its own.
        first: that of the first actor.
        mixed: whether devices may be of several kinds.
    """
    for name, here in versions("torch", "ray").items():
        there = hello.versions.get(name, "unknown")
        if _comparable(name, here) != _comparable(name, there):
            return (
                f"engine.address: every host must have {name} {here}, got {there} ({hello.host})."
                " Install the same there"
            )
    if hello.device != first.device and not mixed:
        return (
            "engine.mixed: must be true for devices of several kinds, which differ in last bits"
            f" and so may bring other trials, got {first.device} ({first.host}) and"
            f" {hello.device} ({hello.host}). Use hosts of one kind, or --set engine.mixed=true"
        )
    return None


def _comparable(name: str, version: str) -> str:
    """Leave out what may differ: the last number of Python's version."""
    return version.rpartition(".")[0] if name == "python" else version
