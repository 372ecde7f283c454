"""Routes that the pages ask beside the others: curves to draw, outcomes to list, a first guess."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from sweep.analysis.status import overview
from sweep.service.auth import Reader, Submitter
from sweep.service.curve import Curve, Outcome, curve_of
from sweep.service.guessing import guess_of
from sweep.service.outcomes import finite
from sweep.service.problems import responses
from sweep.service.routes_data import FileName
from sweep.service.routes_studies import Found, Serving

router = APIRouter(tags=["pages"])


class Outcomes(BaseModel):
    """What the studies of the project have found, by name."""

    studies: dict[str, Outcome]


class Entry(BaseModel):
    """What a study may say of a column; `sure` where it needs to."""

    name: str
    value: str | dict[str, Any]
    why: str
    sure: bool


class Guess(BaseModel):
    """A first study for a file, and why it is so; `problem` is the line that refuses it as it is.

    `study` is the study file as plain data, `text` the same with comments.
    """

    source: str
    n_rows: int
    n_features: int
    target: str | None
    why_target: str
    task: str
    why_task: str
    others: list[str]
    columns: list[Entry]
    groups: list[Entry]
    remarks: list[str]
    problem: str | None
    study: dict[str, Any]
    text: str


@router.get("/studies/{name}/curve", response_model=Curve, responses=responses(404))
def curve(service: Serving, identity: Reader, job: Found) -> Curve:
    """Return what there is to draw of a study: value against strength, trials in training."""
    return curve_of(service.storage_of(job), job.study_name, job.spec)


@router.get("/outcomes", response_model=Outcomes)
def outcomes(service: Serving, identity: Reader) -> Outcomes:
    """Return what the studies of the project have found so far: best strength and verdict."""
    rows = {row["study"]: row for row in overview(service.storage(identity.project))}
    return Outcomes(studies={name: Outcome(**finite(_shown(row))) for name, row in rows.items()})


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row.get(key) for key in Outcome.model_fields}


@router.get("/data/{file}/guess", response_model=Guess, responses=responses(404))
def guess(
    service: Serving,
    identity: Submitter,
    file: FileName,
    target: Annotated[
        str | None, Query(min_length=1, max_length=1000, description="The column to predict.")
    ] = None,
) -> dict[str, Any]:
    """Guess a first study for an uploaded file, as `sweep init --from` does."""
    folders = service.policy(identity.project).folders
    return guess_of(file, target, folders, service.config.limits.memory_bytes)
