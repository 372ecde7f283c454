"""The OpenAPI document: every route, with every answer that it may give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from sweep.service.answers import Changes
from sweep.service.auth import Needs
from sweep.service.problems import ProblemBody, responses
from sweep.service.tokens import RANKS

ALWAYS = (401, 403, 421, 422, 429, 500, 503)


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an application's routes, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes,
            servers=[{"url": "/v1"}],
        )  # fmt: skip
        _complete(made)
        for router in app.state.routers:
            for route in router.routes:
                _tell_role(made, route)
        app.openapi_schema = made
    return app.openapi_schema


def _complete(made: dict[str, Any]) -> None:
    schemas = made["components"].setdefault("schemas", {})
    place = "#/components/schemas/{model}"
    for model in (ProblemBody, Changes):  # which FastAPI does not see in a route
        schemas[model.__name__] = model.model_json_schema(ref_template=place)
    schemas |= _study_schemas()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for methods in made["paths"].values():
        for operation in methods.values():
            always = {str(status): told for status, told in responses(*ALWAYS).items()}
            operation["responses"] = {**always, **operation["responses"], "422": always["422"]}


def _tell_role(made: dict[str, Any], route: APIRoute) -> None:
    """Say which role a route needs, as `x-role`; one that is open to all says nothing."""
    roles = [call.role for call in _calls(route.dependant) if isinstance(call, Needs)]
    for method in route.methods or ():
        operation = made["paths"][route.path][method.lower()]
        if roles:
            operation["x-role"] = max(roles, key=RANKS.__getitem__)


def _calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for part in dependant.dependencies:
        yield from _calls(part)


def _study_schemas() -> dict[str, Any]:
    """Return the schemas of a study file, with references that hold inside the document."""
    text = files("sweep.spec").joinpath("study.schema.json").read_text(encoding="utf-8")
    tree = json.loads(text.replace("#/$defs/", "#/components/schemas/"))
    parts = tree.pop("$defs", {})
    tree.pop("$schema", None)
    return {**parts, "StudySpec": tree}
