"""Routes of what a study comes to: its events, trials, config, report and log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sweep.service.answers import TrialsPage
from sweep.service.auth import Reader
from sweep.service.outcomes import (
    PAGE,
    SUFFIXES,
    as_csv,
    config_of,
    log_tail,
    report_of,
    trials_page,
)
from sweep.service.problems import Problem, responses
from sweep.service.routes_studies import Found, Serving
from sweep.service.service import Service
from sweep.service.stream import RETRY_MS, as_text

router = APIRouter(tags=["results"])
# A report is one file with its scripts inside; in a sandbox these reach neither cookie nor routes.
REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline';"
    " style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'self'"
)
TEXT = {"schema": {"type": "string"}}


@router.get(
    "/studies/{name}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": TEXT}, "description": "Events as they come."},
        **responses(404, 410),
    },
)
async def events(
    request: Request,
    service: Serving,
    identity: Reader,
    job: Found,
    last: Annotated[
        int, Header(alias="Last-Event-ID", ge=0, le=2**53, description="Go on after this one.")
    ] = 0,
) -> Response:
    """Follow a study: `state`, `progress`, `trial`, `log`, `end`, each with the id of its row."""
    await to_thread.run_sync(service.watch.events.since, job.id, last, 1)  # 410 while it can be
    service.door.rates.open_stream(identity.caller)
    return EventStream(service, identity.caller, _stream(service, request, job.id, last))


class EventStream(StreamingResponse):
    """A stream that is counted as long as it is open, however it ends."""

    def __init__(self, service: Service, caller: str, text: AsyncIterator[str]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(text, headers=headers, media_type="text/event-stream")
        self._rates, self._caller = service.door.rates, caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._rates.close_stream(self._caller)


async def _stream(
    service: Service, request: Request, job_id: str, last: int
) -> AsyncIterator[str]:
    try:
        yield f"retry: {RETRY_MS}\n\n"
        async for events in service.watch.follow(job_id, last):
            if not events:  # now and then: is the token still good?
                await to_thread.run_sync(service.door.identify, request)
            yield as_text(events)
    except Problem:
        return  # it is not


@router.get(
    "/studies/{name}/trials",
    response_model=TrialsPage,
    responses={200: {"content": {"text/csv": TEXT}}, **responses(404)},
)
def trials(
    service: Serving,
    identity: Reader,
    job: Found,
    after: Annotated[int, Query(ge=-1, le=2**31, description="The last number seen.")] = -1,
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> TrialsPage | Response:
    """Return trials by number, 1,000 at the most; `Link` or `next` leads to the page after."""
    rows = trials_page(service.storage_of(job), job.study_name, after)
    more = rows[-1]["number"] if len(rows) == PAGE else None
    if format == "json":
        return TrialsPage(items=rows, next=more)
    url = f"/v1/studies/{job.study_name}/trials?format=csv&after={more}"
    headers = {"Link": f'<{url}>; rel="next"'} if more is not None else {}
    return Response(as_csv(rows), headers=headers, media_type="text/csv; charset=utf-8")


@router.get(
    "/studies/{name}/config",
    response_class=Response,
    responses={
        200: {"content": {media: TEXT if media != "application/json" else
                          {"schema": {"type": "object"}} for media in SUFFIXES},
              "description": "The file that `sweep export` writes."},
        **responses(404, 406, 409),
    },
)  # fmt: skip
def config(
    request: Request,
    service: Serving,
    identity: Reader,
    job: Found,
    select: Annotated[Literal["best", "1se"] | None, Query()] = None,
    format: Annotated[
        Literal["yaml", "toml", "json"] | None, Query(description="Wins over Accept.")
    ] = None,
) -> Response:
    """Return the config of the chosen strength, as the header `Accept` asks; YAML by default."""
    media = f"application/{format}" if format else _media(request.headers.get("accept", "*/*"))
    url = service.storage_of(job)
    text = config_of(url, job.study_name, select, media)
    name = f"{job.study_name}{SUFFIXES[media]}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept"}
    return Response(text, headers=headers, media_type=media)


def _media(accept: str) -> str:
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    for one in wanted:
        if one in SUFFIXES:
            return one
    if any(one in ("*/*", "application/*", "text/html", "") for one in wanted):
        return next(iter(SUFFIXES))
    raise Problem(406, f"Accept: must be one of {', '.join(SUFFIXES)}, got {accept[:80]!r}")


@router.get(
    "/studies/{name}/report",
    response_class=Response,
    responses={200: {"content": {"text/html": TEXT}, "description": "The report: one page."},
               **responses(404, 409)},
)  # fmt: skip
def report(service: Serving, identity: Reader, job: Found) -> Response:
    """Return the report, drawn anew where trials have ended since it was drawn."""
    url = service.storage_of(job)
    page = report_of(url, job.study_name, service.reports / identity.project)
    headers = {"Content-Security-Policy": REPORT_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return Response(page, headers=headers, media_type="text/html; charset=utf-8")


@router.get(
    "/studies/{name}/log",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": TEXT}, "description": "Its last lines."},
               **responses(404)},
)  # fmt: skip
def log(
    service: Serving,
    identity: Reader,
    job: Found,
    tail: Annotated[int, Query(ge=1, le=10_000, description="Lines.")] = 200,
) -> Response:
    """Return the last lines that the study's process has written."""
    lines = log_tail(service.setup.log_of(job), tail)
    return PlainTextResponse("".join(f"{line}\n" for line in lines))
