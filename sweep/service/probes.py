"""What monitors and orchestrators ask: alive, ready, metrics."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sweep.service.metrics import MEDIA
from sweep.service.problems import Problem
from sweep.service.serve_config import LOOPBACK
from sweep.service.service import Service


async def healthz(_: Request) -> Response:
    """Answer 200 while the process answers at all."""
    return JSONResponse({"status": "ok", "failing": {}})


async def readyz(request: Request) -> Response:
    """Answer 200 where studies are accepted and run, else 503 with the parts that fail."""
    service: Service = request.app.state.service
    failing = await to_thread.run_sync(service.failing)
    status = "failing" if failing else "ok"
    return JSONResponse({"status": status, "failing": failing}, 503 if failing else 200)


async def metrics(request: Request) -> Response:
    """Answer with all metrics: to a token of the role metrics or admin, or on this machine."""
    service: Service = request.app.state.service
    if not _is_local(request):
        identity = await to_thread.run_sync(service.door.identify, request)
        if identity.role not in ("metrics", "admin"):
            raise Problem(403, f"role: must be metrics, got {identity.role}. Ask for such a token")
    text = await to_thread.run_sync(service.metrics.text)
    return Response(text, media_type=MEDIA)


def _is_local(request: Request) -> bool:
    """Tell whether a process of this machine asks, and no proxy for someone else."""
    client = request.client.host if request.client else ""
    proxied = {"x-forwarded-for", "forwarded", "via", "x-real-ip"} & {*request.headers.keys()}
    return client in LOOPBACK and request.url.hostname in LOOPBACK and not proxied
