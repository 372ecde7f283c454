"""Mistakes as answers: `application/problem+json` (RFC 9457), made in this one place.

A problem is sweep's line of an error, split: its key, its rule with what was got, what to do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from sweep.errors import OwnedElsewhereError, StorageError, SweepError, UsageError
from sweep.service.database import DatabaseAwayError, DiskFullError
from sweep.service.events import EventsGoneError
from sweep.service.job import (
    KeyReusedError,
    NameTakenError,
    QueueFullError,
    UnknownJobError,
    WrongStateError,
)

MEDIA = "application/problem+json"
_KEY = re.compile(r"([\w.\[\]@ -]{1,100}?): (.*)", re.DOTALL)
_HINT = re.compile(r"(.*)\. ([A-Z`].*)", re.DOTALL)
_STATUSES: Mapping[type[BaseException], int] = {
    UnknownJobError: 404,
    NameTakenError: 409,
    WrongStateError: 409,
    OwnedElsewhereError: 409,
    EventsGoneError: 410,
    KeyReusedError: 422,
    QueueFullError: 429,
    DatabaseAwayError: 503,
    DiskFullError: 507,
    StorageError: 503,
    UsageError: 422,
    SweepError: 409,
}
_LATER_S = {429: "30", 503: "5"}  # the header Retry-After


class ProblemBody(BaseModel):
    """What an error answers."""

    type: str
    title: str
    status: int
    detail: str
    key: str | None = None
    hint: str | None = None


class Problem(Exception):
    """Answer a request with an error.

    Args:
        status: of HTTP.
        line: the error as one line: `key: rule, got X. what to do`.
        headers: of the answer, such as `Retry-After`.
        more: further members of the body, such as the differences between two studies.
    """

    def __init__(
        self,
        status: int,
        line: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(line)
        self.status = status
        self.headers = dict(headers or {})
        self.body = {**split(status, line), **(more or {})}

    def response(self) -> Response:
        """Return the answer."""
        content = json.dumps(self.body, ensure_ascii=False, default=str)
        return Response(content, self.status, self.headers, MEDIA)


def split(status: int, line: str) -> dict[str, Any]:
    """Return the members of a problem: key and hint are None where the line has none."""
    key, rest = found.groups() if (found := _KEY.fullmatch(line)) else (None, line)
    detail, hint = found.groups() if (found := _HINT.fullmatch(rest)) else (rest, None)
    title = HTTPStatus(status).phrase
    kind = "about:blank"
    return {
        "type": kind, "title": title, "status": status, "detail": detail, "key": key, "hint": hint,
    }  # fmt: skip


def of_error(error: SweepError) -> Problem:
    """Return the problem that an error of the package is: its own status, or its kind's."""
    kind = next(kind for kind in type(error).__mro__ if kind in _STATUSES)
    status = getattr(error, "status", _STATUSES[kind])
    headers = {"Retry-After": _LATER_S[status]} if status in _LATER_S else {}
    return Problem(status, str(error), headers, _more(error))


def _more(error: SweepError) -> dict[str, Any]:
    if not isinstance(error, NameTakenError):
        return {}
    return {"differences": [
        {"key": key, "there": there, "sent": sent} for key, there, sent in error.differences
    ]}  # fmt: skip


def install(app: Starlette) -> None:
    """Have an application answer every error as a problem."""
    for kind in (Problem, SweepError, RequestValidationError, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, _answer)


async def _answer(_: Request, error: Exception) -> Response:
    return as_problem(error).response()


def as_problem(error: Exception) -> Problem:
    """Return what an error answers; one of no known kind is a fault of the service."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, SweepError):
        return of_error(error)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        rule = first["msg"].removeprefix("Input should be ")
        return Problem(422, f"{place}: must be {rule}, got {_short(first.get('input'))}")
    if isinstance(error.__cause__, Problem):  # FastAPI calls all that goes wrong with a body 400
        return error.__cause__
    if isinstance(error, ClientDisconnect):
        return Problem(400, "body: must arrive whole, got a part of it. Send it again")
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail), error.headers)
    return Problem(500, "service: failed at this request, got a fault of its own. See its log")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says of errors, for a route that answers with these."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemBody"}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA: schema}}
        for status in sorted(statuses)
    }
