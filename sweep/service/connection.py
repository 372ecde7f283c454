"""Requests to a service: repeated where the connection is lost, each mistake one line.

Every request here may be sent twice: a study goes with its Idempotency-Key, a file is the same
under its name, to cancel or to resume is to ask for a state.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple

from sweep.errors import SweepError, UsageError
from sweep.service.credentials import is_loopback

SILENCE_S = 45.0  # of a stream that sends a comment every 15 s
FIRST_PATIENCE_S = 5.0  # for a service that has not answered yet: perhaps the address is wrong
LONGEST_PAUSE_S = 5.0
MOST_BYTES = 1 << 28  # of an answer
AGAIN = (429, 502, 503, 504)
SERVICE_FAILED = 500  # from here on, it is no fault of the request


class LostError(SweepError):
    """Report a service that does not answer, perhaps for now.

    Attributes:
        pause_s: for which the service asks.
    """

    def __init__(self, message: str, pause_s: float = 0.0) -> None:
        super().__init__(message)
        self.pause_s = pause_s


class GoneError(UsageError):
    """Report events that the service has deleted."""


class Answer(NamedTuple):
    """What came back.

    Attributes:
        status: of HTTP, below 400.
        headers: by their names in small letters.
        body: whole.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as plain data."""
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes to the host that it was meant for, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


class Connection:
    """The way to a service; threads may share it.

    Args:
        url: as `credentials.find_url` returns it.
        token: or None, where the service asks for none.
        timeout_s: how long one answer is waited for.
        patience_s: how long a lost connection is tried again.
    """

    def __init__(self, url: str, token: str | None, timeout_s: float, patience_s: float) -> None:
        self.url, self._token = url, token
        self._timeout_s, self._patience_s = timeout_s, patience_s
        self._answered = False
        # A proxy of the environment is for other hosts than this machine.
        proxies = urllib.request.ProxyHandler({} if is_loopback(url) else None)
        self._opener = urllib.request.build_opener(proxies, _NoRedirect)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] = {},
    ) -> Answer:
        """Send a request, again where the connection is lost, and return the answer.

        Raises:
            UsageError: the service refuses it.
            SweepError: the service fails, or does not answer.
        """
        began = time.monotonic()
        for attempt in range(1000):
            try:
                return self._once(method, path, body, headers)
            except LostError as error:
                patience_s = self._patience_s if self._answered else FIRST_PATIENCE_S
                pause_s = max(error.pause_s, min(0.1 * 2**attempt, LONGEST_PAUSE_S))
                if time.monotonic() + pause_s > began + max(patience_s, error.pause_s):
                    raise
                time.sleep(pause_s)
        raise AssertionError("patience ends sooner")

    def _once(
        self, method: str, path: str, body: bytes | IO[bytes] | None, headers: Mapping[str, str]
    ) -> Answer:
        if body is not None and not isinstance(body, bytes):
            body.seek(0)
        with self._open(method, path, body, headers, self._timeout_s) as response:
            try:
                content = response.read(MOST_BYTES)
                if response.length:  # a body that was cut off is no error to `read`
                    raise http.client.IncompleteRead(content, response.length)
            except (OSError, http.client.HTTPException) as error:
                raise self._lost(error) from None
            named = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, named, content)

    def lines(self, path: str, headers: Mapping[str, str]) -> Iterator[str]:
        """Give the lines of a stream as they come, until the service ends it.

        Raises:
            LostError: the connection is lost, or silent for longer than such a stream is.
            UsageError, SweepError: as `ask`.
        """
        with self._open("GET", path, None, headers, SILENCE_S) as response:
            while True:
                try:
                    line = response.readline(MOST_BYTES)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    raise self._lost(error) from None
                if not line.endswith(b"\n"):
                    return
                yield line.decode("utf-8", "replace").rstrip("\r\n")

    def _open(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> Any:
        own = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(
            self.url + path, data=body, headers={**own, **headers}, method=method
        )
        try:
            response = self._opener.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            self._answered = True
            with error:
                raise self._refused(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error) from None
        self._answered = True
        return response

    def _lost(self, error: Exception) -> SweepError:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return UsageError(
                f"url: must have a certificate to trust, got {reason.verify_message} ({self.url})."
                " Ask who runs the service"
            )
        got = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return LostError(printable(f"service: must answer, got {got} ({self.url}). Is it up?"))

    def _refused(self, error: urllib.error.HTTPError) -> SweepError:
        line = self._line(error)
        if error.code == 410:
            return GoneError(line)
        if error.code in AGAIN:
            told = error.headers.get("Retry-After", "")
            return LostError(line, float(told) if told.isdecimal() else 0.0)
        return SweepError(line) if error.code >= SERVICE_FAILED else UsageError(line)

    def _line(self, error: urllib.error.HTTPError) -> str:
        """Return the one line that the service has split, or what it is instead."""
        try:
            told = json.loads(error.read(1 << 16))
            key, detail, hint = told.get("key"), told["detail"], told.get("hint")
        except (OSError, http.client.HTTPException, ValueError, KeyError, AttributeError):
            got = f"{error.code} {error.reason}"
            hint = "Set SWEEP_URL to its own address" if error.code < 400 else "Try later"
            return f"service: must answer as `sweep serve` does, got {got} ({self.url}). {hint}"
        line = f"{key}: {detail}" if key else str(detail)
        return printable(f"{line}. {hint}" if hint else line)


def printable(text: str) -> str:
    """Return a service's text as one line without what would steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
