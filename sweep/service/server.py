"""Runs the application until a signal ends it: streams first, then requests, in seconds."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from sweep.errors import UsageError
from sweep.service.app import make_app
from sweep.service.serve_config import ServeConfig
from sweep.service.service import Service

GRACE_S = 3  # for requests under way when the service ends
CONNECTIONS = 1000  # open at once, streams among them; more are answered 503
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(config: ServeConfig, announce: Callable[[Service], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        config: what was asked for.
        announce: called once the service answers.

    Raises:
        UsageError: the port is taken, or the database will not do.
    """
    listener = listen(config)
    try:
        service = Service.open(config, listener.getsockname()[1])
        try:
            Server(service, announce).run([listener])
        finally:
            service.close()
    finally:
        listener.close()


def listen(config: ServeConfig) -> socket.socket:
    """Return a socket on the host and port; raises UsageError where they are not free."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=512)
    except OSError as error:
        raise UsageError(
            f"port: must be free on {config.host}, got {config.port}: {error.strerror}."
            " Use --port 0"
        ) from None


class Server(uvicorn.Server):
    """uvicorn's server, which by itself waits for open streams and raises the signal anew."""

    def __init__(
        self, service: Service, announce: Callable[[Service], None], supervised: bool = True
    ) -> None:
        options = uvicorn.Config(
            make_app(service, supervised), log_config=None, access_log=False, server_header=False,
            proxy_headers=False, lifespan="on", ws="none", http="h11",
            timeout_graceful_shutdown=GRACE_S, timeout_keep_alive=15,
            h11_max_incomplete_event_size=2**15, limit_concurrency=CONNECTIONS,
        )  # fmt: skip
        super().__init__(options)
        self._service, self._announce = service, announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._announce(self._service)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the streams, then the rest."""
        self._service.watch.close_streams()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Let a signal end the service; once it has, the signal has had its effect."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
