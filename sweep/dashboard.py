"""optuna-dashboard on a storage: on loopback, read-only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from sweep.database import open_storage
from sweep.errors import UsageError

HOST = "127.0.0.1"
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the page polls every few seconds."""


def serve(url: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve the dashboard until interrupted.

    Args:
        url: the storage.
        port: 0 takes a free one.
        announce: told the address once it answers.

    Raises:
        UsageError: the storage cannot be opened, or the port is taken.
    """
    app = read_only(dashboard_app(url))
    try:
        server = make_server(HOST, port, app, server_class=_Server, handler_class=_Quiet)
    except OSError as error:
        raise UsageError(
            f"--port: must be free, got {port}: {error.strerror}. Use --port 0"
        ) from None
    announce(f"http://{HOST}:{server.server_port}/")
    with server:
        server.serve_forever()


def dashboard_app(url: str) -> App:
    """Return optuna-dashboard's WSGI application on a storage."""
    import optuna
    from optuna_dashboard import wsgi

    return wsgi(optuna.storages.get_storage(open_storage(url, create=False)))  # type: ignore[no-any-return]


def read_only(app: App) -> App:
    """Let only GET and HEAD pass, and only when asked for by a loopback name.

    Another site's page in the same browser could otherwise reach the dashboard, which has no
    authentication, through a name of its own that points here (DNS rebinding).
    """

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        host = re.sub(r":\d*$", "", environ.get("HTTP_HOST", "")).lower()
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD")])
            return [b"read-only"]
        if host not in ("127.0.0.1", "localhost", "[::1]"):
            start_response("403 Forbidden", [])
            return [b"unknown host"]
        return app(environ, start_response)

    return guarded
