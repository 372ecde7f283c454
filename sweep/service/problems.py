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
_LETTERS = "ASCII letters, digits, '.', '_' or '-'"
_WORDS = {  # what pydantic tells by a pattern or a length
    "name": f"{_LETTERS}, starting with a letter or digit, at most 200",
    "file": f"NAME.csv, .parquet or .npz of {_LETTERS}, at most 120",
    "prefix": f"{_LETTERS}, at most 200",
    "cursor": "the `next` of a page before",
    "target": "the name of a column, at most 1000 characters",
    "Idempotency-Key": "1 to 200 visible ASCII characters",
}
_RULES = {"json_invalid": "valid JSON"}
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
    known = (Problem, SweepError, RequestValidationError, HTTPException, ClientDisconnect)
    for kind in (*known, Exception):
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
        return Problem(422, _broken_rule(error.errors()[0]))
    if isinstance(error.__cause__, Problem):  # FastAPI calls all that goes wrong with a body 400
        return error.__cause__
    if isinstance(error, ClientDisconnect):
        return Problem(400, "body: must arrive whole, got a part of it. Send it again")
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail), error.headers)
    return Problem(500, "service: failed at this request, got a fault of its own. See its log")


def _broken_rule(first: Mapping[str, Any]) -> str:
    """Return pydantic's first finding about a request as one line."""
    place = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
    kind, got = first["type"], _short(first.get("input"))
    if kind == "extra_forbidden":
        return f"{place}: must be left out, got {got}. Mend its name"
    if kind == "missing":
        return f"{place}: must be given, got none. Add it"
    rule = _WORDS.get(place) if kind.startswith("string_") else None
    said = first["msg"].removeprefix("Input should be ").partition(", unable to")[0]
    return f"{place}: must be {rule or _RULES.get(kind) or said}, got {got}"


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
