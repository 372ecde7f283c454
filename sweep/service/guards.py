"""What every request must pass before anything reads it: host, origin, size and time of a body.

These are plain ASGI, so that they hold for routes, pages and the dashboard alike.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sweep.service.problems import Problem
from sweep.service.serve_config import LOOPBACK, Limits

SAFE = ("GET", "HEAD", "OPTIONS")
PROBES = ("/healthz", "/readyz")  # asked by address, in clusters
LINGER_S = 5.0  # an answer waits for the rest of a body, which is thrown away
SILENCE_S = 1.0  # of it: without a byte
UPLOADS = re.compile(r"/v1/data/[^/]*")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Refuse a request for another host, from another site, or with too much or too slow a body.

    Args:
        app: what answers the others.
        origin: the service's own, as browsers name it: https://sweep.example.org.
        limits: of bodies.
    """

    def __init__(self, app: ASGIApp, origin: str, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self._origins = own_origins(origin)
        self._hosts = [urlsplit(one).netloc for one in self._origins]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        body = Body(scope, receive, self._limits)

        async def hardened(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):  # which is no secret
                    headers.setdefault("Cache-Control", "no-store")
            is_end = message["type"] == "http.response.body" and not message.get("more_body")
            if is_end and body.is_under_way:
                await send({**message, "more_body": True})
                await body.discard()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, body.receive, hardened)
        except Problem as problem:
            if not started:
                await problem.response()(scope, receive, hardened)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if scope["path"] not in PROBES and host not in self._hosts:
            raise Problem(421, f"Host: must be {self._hosts[0]}, got {host[:100]}")
        origin = headers.get("origin")
        if scope["method"] not in SAFE and origin is not None and origin not in self._origins:
            raise Problem(403, f"Origin: must be {self._origins[0]}, got {origin[:100]}")


def own_origins(origin: str) -> Sequence[str]:
    """Return the origin, and on loopback the other names of this machine."""
    url = urlsplit(origin)
    if url.hostname not in LOOPBACK:
        return [origin]
    port = f":{url.port}" if url.port else ""
    return [
        origin,
        *(f"{url.scheme}://{host}{port}" for host in ("127.0.0.1", "localhost", "[::1]")),
    ]


class Body:
    """A request's body, refused while it is read once it is too large or too slow."""

    def __init__(self, scope: Scope, receive: Receive, limits: Limits) -> None:
        upload = scope["method"] == "PUT" and UPLOADS.fullmatch(scope["path"])
        self._most = limits.upload_bytes if upload else limits.body_bytes
        self._patience_s = limits.upload_s if upload else limits.body_s
        self._ends = float("inf")  # not before it is read: until then others are to blame
        self._receive, self._size, self._whole = receive, 0, False
        headers = Headers(scope=scope)
        self._announced = headers.get("content-length", "")
        self._chunked, self._asks_first = "transfer-encoding" in headers, "expect" in headers

    async def receive(self) -> Message:
        """Return the next part; after the last one, wait for the end of the connection."""
        if self._whole:
            return await self._receive()
        if self._announced.isdecimal() and int(self._announced) > self._most:
            raise self._too_large()
        self._ends = min(self._ends, time.monotonic() + self._patience_s)
        try:
            async with asyncio.timeout(self._ends - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            line = "body: must arrive in time, got a part of it. Send it again"
            raise Problem(408, line, {"Connection": "close"}) from None
        self._size += len(message.get("body", b""))
        if self._size > self._most:
            raise self._too_large()
        self._whole = not message.get("more_body", False)
        return message

    @property
    def is_under_way(self) -> bool:
        """Whether a part of it may still arrive that nothing has read."""
        has_body = self._chunked or self._announced not in ("", "0")
        return has_body and not self._whole and not (self._asks_first and not self._size)

    async def discard(self) -> None:
        """Read on for a while and keep nothing.

        A connection that is closed on bytes not read is reset, and its client may lose the answer
        that it was sent.
        """
        ends = time.monotonic() + LINGER_S
        while (left := ends - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(min(left, SILENCE_S)):
                    message = await self._receive()
            except TimeoutError:
                return
            if not message.get("more_body", False):
                return

    def _too_large(self) -> Problem:
        line = f"body: must be at most {self._most} bytes, got more. Send less"
        return Problem(413, line, {"Connection": "close"})
