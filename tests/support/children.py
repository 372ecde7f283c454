"""The processes that a process has forked (Linux)."""

from __future__ import annotations

from pathlib import Path


def of(pid: int) -> list[int]:
    """Return the processes that a process, and those that it has forked, have forked."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    children = [int(child) for child in path.read_text().split()] if path.exists() else []
    return [*children, *(one for child in children for one in of(child))]
