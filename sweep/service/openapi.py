"""The OpenAPI document: every route, with every answer that it may give."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from sweep.service.problems import ProblemBody, responses

OPEN = {"/session"}  # without a token
ALWAYS = (401, 403, 421, 422, 429, 500, 503)
UNLIKELY = (401, 429)  # where no token is asked for


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an application's routes, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes,
            servers=[{"url": "/v1"}],
        )  # fmt: skip
        _complete(made)
        app.openapi_schema = made
    return app.openapi_schema


def _complete(made: dict[str, Any]) -> None:
    schemas = made["components"].setdefault("schemas", {})
    place = "#/components/schemas/{model}"
    schemas["ProblemBody"] = ProblemBody.model_json_schema(ref_template=place)
    schemas |= _study_schemas()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for methods in made["paths"].values():
        for operation in methods.values():
            always = {str(status): told for status, told in responses(*ALWAYS).items()}
            operation["responses"] = {**always, **operation["responses"], "422": always["422"]}


def _study_schemas() -> dict[str, Any]:
    """Return the schemas of a study file, with references that hold inside the document."""
    text = files("sweep.spec").joinpath("study.schema.json").read_text(encoding="utf-8")
    tree = json.loads(text.replace("#/$defs/", "#/components/schemas/"))
    parts = tree.pop("$defs", {})
    tree.pop("$schema", None)
    return {**parts, "StudySpec": tree}
