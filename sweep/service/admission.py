"""The one place where a study that was sent is checked before anything else reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweep.service.job import Submission
from sweep.service.problems import Problem
from sweep.service.service import Service
from sweep.service.tokens import Identity

FORMS = {
    "application/yaml": "yaml", "application/x-yaml": "yaml", "text/yaml": "yaml",
    "application/json": "json",
}  # fmt: skip


def form_of(content_type: str) -> str:
    """Return `yaml` or `json`; raises Problem 415."""
    media = content_type.partition(";")[0].strip().lower()
    if media not in FORMS:
        line = f"Content-Type: must be application/yaml or application/json, got {media[:80]!r}"
        raise Problem(415, f"{line}. Say which it is")
    return FORMS[media]


def admit(
    service: Service, identity: Identity, body: bytes, form: str, key: str | None
) -> Submission:
    """Return what may be queued; `form`: yaml or json.

    Raises:
        UsageError: the study breaks a rule; its status is that of the answer.
    """
    return Submission.read(identity.project, identity.user, body.decode(), key=key)


def admit_changes(service: Service, identity: Identity, changes: Mapping[str, Any]) -> None:
    """Refuse changes that the policy does not allow.

    Raises:
        UsageError: its status is that of the answer.
    """
