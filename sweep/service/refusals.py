"""Why a request is refused: the one line of every message, in its parts, and a status of HTTP."""

from __future__ import annotations

from typing import ClassVar

from sweep.errors import UsageError


class RefusedError(UsageError):
    """A request breaks a rule.

    Attributes:
        status: of HTTP.
        key: of the study file, or the part of the request, that is at fault.
        rule: what holds for it, and what it got.
        hint: what to do.
    """

    status: ClassVar[int] = 422

    def __init__(self, key: str, rule: str, hint: str) -> None:
        super().__init__(f"{key}: {rule}. {hint}")
        self.key, self.rule, self.hint = key, rule, hint


class UnreadableError(RefusedError):
    """The body is no plain YAML or JSON."""

    status = 400


class ForbiddenError(RefusedError):
    """The service's policy does not allow it, though a study file of one's own might have it."""

    status = 403


class TakenError(RefusedError):
    """The name stands for something else already."""

    status = 409


class TooLargeError(RefusedError):
    """The body has too many bytes."""

    status = 413


class FullError(RefusedError):
    """The disk, or the project's share of it, holds no more."""

    status = 507
