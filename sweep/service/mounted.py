"""optuna-dashboard of the user's project, read-only, on all paths that are not the service's."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import Receive, Scope, Send

from sweep.errors import SweepError
from sweep.service.problems import Problem

if TYPE_CHECKING:
    from sweep.service.service import Service

WORKERS = 8  # threads of each project's dashboard
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Dashboards:
    """The dashboards of all projects: each is made when someone first looks at it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[str, Any] = {}
        self._making = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with the dashboard of whoever asks, and of no other project."""
        request = Request(scope, receive)
        try:
            identity = await to_thread.run_sync(self._service.door.identify, request)
            if not identity.may("read"):
                raise Problem(403, f"role: must be read for this, got {identity.role}")
            scope.setdefault("state", {})["identity"] = identity
            app = await to_thread.run_sync(self._of, identity.project)
        except Problem as problem:
            is_page = "text/html" in request.headers.get("accept", "")
            login = RedirectResponse("/", 303) if is_page and problem.status == 401 else None
            await (login or problem.response())(scope, receive, send)
            return
        await app(scope, receive, send)

    def _of(self, project: str) -> App:
        with self._making:
            if project not in self._made:
                self._made[project] = _dashboard(self._service.storage(project))
            found: App = self._made[project]
            return found


def _dashboard(url: str) -> Any:
    from a2wsgi import WSGIMiddleware

    from sweep.dashboard.server import Dashboard, guarded  # pandas and more: not at the start

    try:
        app: Any = guarded(Dashboard(url), any_host=True)
    except SweepError:
        line = "dashboard: must have a study that has begun, got none in this project"
        raise Problem(404, f"{line}. Look again once one runs") from None
    return WSGIMiddleware(app, workers=WORKERS)
