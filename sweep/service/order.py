"""What the supervisor tells the process of a study, by its stdin: nobody else can read that."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Order:
    """What a process is told to run.

    Attributes:
        database: the URL of the queue's tables.
        job_id, token: the study, and the claim on it.
        overrides: dotted keys that win over the study file, such as `storage`.
        pace: see `Claims`.
        memory_bytes: how much address space it may use; None: as much as there is.
    """

    database: str
    job_id: str
    token: str
    overrides: dict[str, Any]
    pace: dict[str, Any]
    memory_bytes: int | None = None

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))
