"""Routes about the service itself: who one is, what may be asked, the login of browsers."""

from __future__ import annotations

import json
import time
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from sweep.service import pages
from sweep.service.answers import Login, Me
from sweep.service.auth import UNKNOWN, Reader
from sweep.service.openapi import document
from sweep.service.problems import Problem, responses
from sweep.service.routes_studies import Serving

router = APIRouter(tags=["about"])


@router.get("/me", response_model=Me)
def me(service: Serving, identity: Reader) -> Me:
    """Tell whose token this is, and what the service allows."""
    return service.me(identity)


@router.get("/schema", response_model=dict[str, Any])
def schema(identity: Reader) -> Response:
    """Return the JSON Schema of study files."""
    text = files("sweep.spec").joinpath("study.schema.json").read_text(encoding="utf-8")
    return Response(text, media_type="application/json")


@router.get("/openapi.json", response_model=dict[str, Any])
def openapi(request: Request, identity: Reader) -> Response:
    """Return this very interface as an OpenAPI document."""
    return Response(json.dumps(document(request.app)), media_type="application/json")


@router.get(
    "/docs",
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}},
                     "description": "A page."}},
)  # fmt: skip
def docs(identity: Reader) -> Response:
    """Show the OpenAPI document as a page."""
    return pages.page("docs.html")


@router.post("/session", response_model=Me, responses=responses(400, 408, 413))
def log_in(request: Request, service: Serving, login: Login, response: Response) -> Me:
    """Give a browser its cookie for a token, which then stands in no page and no address."""
    if "origin" not in request.headers:
        raise Problem(403, "Origin: must be given to log in, got none")
    identity = service.door.tokens.check(login.token.strip())
    if identity is None:
        raise Problem(401, UNKNOWN.format("one that is unknown, expired or revoked"))
    service.door.rates.take(identity.caller)
    service.door.remember(response, login.token.strip(), identity, time.time())
    return service.me(identity)


@router.delete("/session", status_code=204)
def log_out(service: Serving, response: Response) -> None:
    """Take a browser's cookie away; the token itself stays good."""
    service.door.forget(response)
