"""Routes of the queue: hand studies in, list them, look at one, change, cancel and resume it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Path, Query
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from sweep.service.admission import admit, admit_changes, checked, form_of
from sweep.service.answers import (
    Accepted,
    Changes,
    Links,
    Plan,
    StateAnswer,
    StudyAnswer,
    StudyList,
    StudyRow,
)
from sweep.service.auth import Reader, Submitter
from sweep.service.job import KEY, Job, State
from sweep.service.outcomes import finite, plan_of, summary
from sweep.service.policy import Format
from sweep.service.problems import Problem, responses
from sweep.service.service import Service
from sweep.service.tokens import Identity

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Name = Annotated[str, Path(pattern=NAME, max_length=200, description="The study's name.")]
BODY = {
    "required": True,
    "content": {
        "application/yaml": {"schema": {"type": "string"}},
        "application/json": {"schema": {"$ref": "#/components/schemas/StudySpec"}},
    },
}  # fmt: skip

router = APIRouter(tags=["studies"])


def service_of(request: Request) -> Service:
    """Return the service that a request is for."""
    found: Service = request.app.state.service
    return found


Serving = Annotated[Service, Depends(service_of)]


def found(service: Serving, identity: Reader, name: Name) -> Job:
    """Return the study of a route; raises 404, also for another project's."""
    return service.queue.find(identity.project, name)


Found = Annotated[Job, Depends(found)]


@router.post(
    "/studies",
    status_code=201,
    response_model=Accepted,
    openapi_extra={"requestBody": BODY},
    responses={
        200: {"model": Accepted, "description": "It was submitted before."},
        **responses(400, 408, 409, 413, 415, 507),
    },
)
async def submit(
    request: Request,
    response: Response,
    service: Serving,
    identity: Submitter,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=f"^{KEY}$",
            description="A name for this very submission: sent again, it is the same study.",
        ),
    ] = None,
) -> Accepted:
    """Queue a study: a study file as YAML or JSON."""  # fmt: skip
    form = form_of(request.headers.get("content-type", ""))
    body = await request.body()
    job, new, position = await to_thread.run_sync(_submit, service, identity, body, form, key)
    links = Links.of(job.study_name)
    response.status_code = 201 if new else 200
    response.headers["Location"] = links.study
    return Accepted(
        name=job.study_name, id=job.id, state=job.state, position=position, links=links
    )


def _submit(
    service: Service, identity: Identity, body: bytes, form: Format, key: str | None
) -> tuple[Job, bool, int | None]:
    if service.disk_is_full():
        raise Problem(507, "disk: must have room for another study, got too little. Try later")
    job, new = service.queue.submit(admit(service, identity, body, form, key))
    return job, new, service.queue.position(job)


@router.post(
    "/validate",
    response_model=Plan,
    openapi_extra={"requestBody": BODY},
    responses=responses(400, 408, 413, 415, 504),
)
async def validate(request: Request, service: Serving, identity: Submitter) -> Response:
    """Tell what a study comes to, without training: its range, lanes, memory, steps."""
    form = form_of(request.headers.get("content-type", ""))
    body = await request.body()
    plan = await to_thread.run_sync(_plan, service, identity, body, form)
    return Response(plan, media_type="application/json")


def _plan(service: Service, identity: Identity, body: bytes, form: Format) -> str:
    sent = checked(service, identity, body, form)
    policy, setup = service.policy(identity.project), service.setup
    plan = json.loads(plan_of(sent, policy, service.config.device, setup.memory_bytes))
    return json.dumps({**plan, "spec": _without_machine(plan["spec"])})


@router.get("/studies", response_model=StudyList)
def studies(
    service: Serving,
    identity: Reader,
    state: Annotated[list[State], Query(description="In one of these states.")] = [],  # noqa: B006
    prefix: Annotated[str, Query(pattern=r"^[A-Za-z0-9._-]*$", max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,18}$")] = None,
) -> StudyList:
    """List the studies of the project, the newest first."""
    page = service.queue.list(identity.project, state, prefix, limit, cursor)
    return StudyList(items=[StudyRow.of(job) for job in page.items], next=page.next)


@router.get(
    "/studies/{name}",
    response_model=StudyAnswer,
    responses={
        200: {"headers": {"ETag": {"schema": {"type": "string"}}}},
        304: {"description": "It is as it was: the `If-None-Match` of the request holds."},
        **responses(404),
    },
)
def study(
    service: Serving,
    identity: Reader,
    job: Found,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Tell everything about one study."""
    told = summary(service.storage_of(job), job.study_name) or {}
    answer = StudyAnswer.of(
        job,
        spec=_shown(job),
        position=service.queue.position(job),
        host=job.host,
        best=told.get("best"),
        best_params=finite(told.get("best_params")),
        verdict=told.get("verdict"),
        trials=told.get("trials", {}),
        eta_s=told.get("eta_s"),
    ).model_dump_json()
    tag = f'"{hashlib.sha256(answer.encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and tag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(answer, headers=headers, media_type="application/json")


def _shown(job: Job) -> dict[str, Any]:
    """Return a study's spec without what is the service's own."""
    return _without_machine(job.spec.model_dump(mode="json"))


def _without_machine(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in ("storage", "device")}


async def sent_changes(request: Request, identity: Submitter) -> Changes:
    """Read the body of a change; that who asks may do so is known by then."""
    try:
        return Changes.model_validate_json(await request.body())
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in found]) from None


@router.patch(
    "/studies/{name}",
    response_model=StudyRow,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {
        "schema": {"$ref": "#/components/schemas/Changes"}}}}},
    responses=responses(400, 404, 408, 409, 413),
)  # fmt: skip
def change(
    service: Serving,
    identity: Submitter,
    job: Found,
    changes: Annotated[Changes, Depends(sent_changes)],
) -> StudyRow:
    """Change what may change of a study; its run goes by it when it is begun next."""
    given = changes.model_dump(exclude_none=True)
    admit_changes(service, identity, job, given)
    return StudyRow.of(service.queue.change(identity.project, job.study_name, given))


@router.post(
    "/studies/{name}/cancel",
    status_code=202,
    response_model=StateAnswer,
    responses={200: {"model": StateAnswer, "description": "It was so before."},
               **responses(404, 409)},
)  # fmt: skip
def cancel(
    service: Serving, identity: Submitter, job: Found, response: Response
) -> StateAnswer:  # fmt: skip
    """Stop a study for good: at once where it waits, else after its epoch, 30 s at the most."""
    return _state(response, *service.queue.cancel(identity.project, job.study_name))


@router.post(
    "/studies/{name}/resume",
    status_code=202,
    response_model=StateAnswer,
    responses={200: {"model": StateAnswer, "description": "It was so before."},
               **responses(404, 409)},
)  # fmt: skip
def resume(service: Serving, identity: Submitter, job: Found, response: Response) -> StateAnswer:
    """Queue a study that was cancelled, has failed or timed out: it goes on where it stopped."""
    return _state(response, *service.queue.resume(identity.project, job.study_name))


def _state(response: Response, job: Job, new: bool) -> StateAnswer:
    response.status_code = 202 if new else 200
    return StateAnswer(name=job.study_name, state=job.state, stopping=job.stopping)
