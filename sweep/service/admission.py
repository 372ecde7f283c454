"""The one place where a study that was sent is checked before anything else reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sweep.service.job import Job, Submission
from sweep.service.jobs import CHANGES
from sweep.service.policy import Format, Role, SentStudy, check_study
from sweep.service.problems import Problem
from sweep.service.service import Service
from sweep.service.tokens import Identity
from sweep.spec.tree import set_key
from sweep.spec.yaml import read_yaml

FORMS: Mapping[str, Format] = {
    "application/yaml": "yaml", "application/x-yaml": "yaml", "text/yaml": "yaml",
    "application/json": "json",
}  # fmt: skip


def form_of(content_type: str) -> Format:
    """Return the format of a body; raises Problem 415."""
    media = content_type.partition(";")[0].strip().lower()
    if media not in FORMS:
        line = f"Content-Type: must be application/yaml or application/json, got {media[:80]!r}"
        raise Problem(415, f"{line}. Say which it is")
    return FORMS[media]


def admit(
    service: Service, identity: Identity, body: bytes, form: Format, key: str | None
) -> Submission:
    """Return what may be queued.

    Raises:
        UsageError: the study breaks a rule; its status is that of the answer.
    """
    sent = checked(service, identity, body, form)
    return Submission(identity.project, identity.user, sent.text, sent.spec, key)


def checked(service: Service, identity: Identity, body: bytes, form: Format) -> SentStudy:
    """Return what the policy allows; raises as `admit` does."""
    return check_study(body, service.policy(identity.project), _role(identity), form)


def _role(identity: Identity) -> Role:
    return "admin" if identity.may("admin") else "submit"


def admit_changes(
    service: Service, identity: Identity, job: Job, changes: Mapping[str, Any]
) -> None:
    """Refuse changes that the policy would not have allowed from the start.

    Raises:
        UsageError: its status is that of the answer.
    """
    tree = read_yaml(job.body)
    given = {dotted: changes[key] for key, dotted in CHANGES.items() if key in changes and dotted}
    for dotted, value in given.items():
        set_key(tree, dotted, value)
    body = json.dumps(tree).encode()
    check_study(body, service.policy(identity.project), _role(identity), "json", sized=[*given])
