"""One line of the log and one count for every request, whatever becomes of it."""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sweep.service.logs import LOGGER, log
from sweep.service.metrics import Metrics
from sweep.service.problems import as_problem

STREAM = b"text/event-stream"
PROBES = ("/healthz", "/readyz", "/metrics")


class Observed:
    """The outermost layer: gives requests an id, logs and counts them, answers 500 for a fault."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        began, request_id = time.monotonic(), secrets.token_hex(8)
        answer = {"status": 0, "stream": False}

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                answer["status"] = message["status"]
                answer["stream"] = headers.get("content-type", "").encode().startswith(STREAM)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            LOGGER.error("fault", exc_info=True, extra={"about": {"request_id": request_id}})
            if not answer["status"]:
                await as_problem(error).response()(scope, receive, noted)
        finally:
            self._note(scope, request_id, answer, time.monotonic() - began)

    def _note(self, scope: Scope, request_id: str, answer: dict[str, Any], seconds: float) -> None:
        route, status = route_of(scope), answer["status"] or 499  # left before the answer
        self._metrics.count(route, status, None if answer["stream"] else seconds)
        if route in PROBES and status < 400:
            return  # every few seconds, for ever
        identity = scope["state"].get("identity")
        log(
            level=logging.INFO if status < 500 else logging.ERROR,
            request_id=request_id,
            user=identity.user if identity else None,
            project=identity.project if identity else None,
            study=(scope.get("path_params") or {}).get("name"),
            route=f"{scope['method']} {route}",
            status=status,
            ms=round(1000 * seconds, 1),
        )


def route_of(scope: Scope) -> str:
    """Return the pattern that a request's path has met: few texts, however many the paths."""
    prefix = scope.get("root_path", "")
    path = getattr(scope.get("route"), "path", None)
    return "other" if path is None or path == prefix else f"{prefix}{path}"
