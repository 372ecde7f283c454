"""The whole application: routes below /v1, health, metrics, pages, and the dashboard behind."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from sweep import __version__
from sweep.service import (
    pages,
    probes,
    problems,
    routes_about,
    routes_data,
    routes_pages,
    routes_results,
    routes_studies,
)
from sweep.service.guards import Guard
from sweep.service.mounted import Dashboards
from sweep.service.observed import Observed
from sweep.service.service import Service

ABOUT = (
    "Hand in studies of how strong a network's weight penalty should be, watch them, take the"
    " config. Errors are `application/problem+json`. Times are seconds since 1970."
)
ROUTERS = (
    routes_studies.router,
    routes_results.router,
    routes_data.router,
    routes_pages.router,
    routes_about.router,
)


SUPERVISOR_S = 3.0  # for its last round; what it leaves undone the next one does


def make_app(service: Service, supervised: bool = True) -> ASGIApp:
    """Return the application of a service; `supervised`: whether its studies run."""
    dashboards = Dashboards(service)
    outer = Starlette(
        routes=[
            Mount("/v1", make_api(service)),
            Route("/healthz", probes.healthz),
            Route("/readyz", probes.readyz),
            Route("/metrics", probes.metrics),
            Route("/", _start),
            Route("/studies", _start),
            Route("/studies/{name}", _study),
            Route("/static/{file}", _asset),
            Mount("/", dashboards),
        ],
        lifespan=_lifespan,
    )
    outer.state.service, outer.state.dashboards = service, dashboards
    outer.state.supervised = supervised
    problems.install(outer)
    return Observed(Guard(outer, service.origin, service.config.limits), service.metrics)


def make_api(service: Service) -> FastAPI:
    """Return the routes below /v1."""
    api = FastAPI(
        title="sweep", version=__version__, description=ABOUT, openapi_url=None, docs_url=None,
        redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    api.state.service, api.state.routers = service, ROUTERS
    for router in ROUTERS:
        api.include_router(router)
    problems.install(api)
    return api


@asynccontextmanager
async def _lifespan(outer: Starlette) -> AsyncIterator[None]:
    service: Service = outer.state.service
    service.watch.start()
    ended = threading.Event()
    minding = threading.Thread(target=service.supervisor.run, args=(ended.wait,), daemon=True)
    if outer.state.supervised:
        minding.start()
    yield
    ended.set()
    await service.watch.stop()
    if outer.state.supervised:
        await to_thread.run_sync(minding.join, SUPERVISOR_S)


async def _start(_: Request) -> Response:
    return pages.page("start.html")


async def _study(_: Request) -> Response:
    return pages.page("study.html")


async def _asset(request: Request) -> ASGIApp:
    """Return a file of the pages; others of this folder are the dashboard's."""
    return pages.asset(request.path_params["file"]) or request.app.state.dashboards
