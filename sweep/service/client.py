"""A service that runs studies, from Python: hand studies in, list them, send their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sweep.errors import UsageError
from sweep.service.connection import Connection
from sweep.service.credentials import find_token, find_url
from sweep.service.job import KEY
from sweep.service.parcel import Rows, pack
from sweep.service.remote import RemoteStudy


class Client:
    """A service that runs studies.

    Args:
        url: where it is; None: SWEEP_URL.
        token: None: SWEEP_TOKEN, or the file ~/.config/sweep/token, which only its user may read.
        timeout_s: how long one answer is waited for.
        patience_s: how long a service that does not answer is tried again.

    Raises:
        UsageError: there is no address, or the token could be read by others.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout_s: float = 60.0,
        patience_s: float = 60.0,
    ) -> None:
        self.url = find_url(url)
        self._way = Connection(self.url, find_token(self.url, token), timeout_s, patience_s)

    def __repr__(self) -> str:
        """Name the service; not the token."""
        return f"Client({self.url!r})"

    def submit(
        self,
        study: str | Path | Mapping[str, Any],
        key: str | None = None,
        overrides: Mapping[str, Any] | Iterable[str] = (),
    ) -> RemoteStudy:
        """Hand in a study; the file of its rows goes with it, named by its hash.

        Args:
            study: a study file, or what stands in one.
            key: a name for this very submission. One that comes twice is one study; None: the
                study's hash, so that the same study is not handed in twice by mistake.
            overrides: dotted keys to values, as in `load_spec`; only with a study file.

        Raises:
            UsageError: the study breaks a rule, or the service's policy.
            SweepError: the service fails, or does not answer.
        """
        if key is not None and not re.fullmatch(KEY, key):
            got = f"got {key[:40]!r}"
            raise UsageError(f"key: must be 1 to 200 ASCII signs without spaces, {got}. Mend it")
        parcel = pack(study, overrides)
        if parcel.rows is not None:
            self.upload(parcel.rows)
        headers = {
            "Content-Type": "application/json", "Idempotency-Key": key or parcel.key,
        }  # fmt: skip
        answer = self._way.ask("POST", "/v1/studies", parcel.body, headers)
        return self.study(answer.json["name"])

    def upload(self, rows: Rows) -> None:
        """Send a file of rows, unless it is there already.

        Raises:
            UsageError: it is too large, or cannot be read.
        """
        there = {file["name"] for file in self.files()}
        if rows.name in there:
            return
        most = self.me()["limits"]["upload_bytes"]
        try:
            size = rows.path.stat().st_size
            if size > most:
                raise UsageError(
                    f"data.source: must be at most {most:.0f} bytes, got {size} ({rows.path})."
                    " Leave out columns or rows"
                )
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
            with rows.path.open("rb") as file:
                self._way.ask("PUT", f"/v1/data/{quote(rows.name)}", file, headers)
        except OSError as error:
            raise UsageError(
                f"data.source: must be readable, got {error.strerror} ({rows.path}). Mend it"
            ) from None

    def study(self, name: str) -> RemoteStudy:
        """Return the study of a name; whether there is one shows when it is asked for more."""
        return RemoteStudy(name, self._way)

    def jobs(
        self, state: str | Iterable[str] = (), prefix: str = "", limit: int | None = None
    ) -> list[dict[str, Any]]:
        """List the studies of the project, the newest first.

        Args:
            state: only those in this state, or in one of these.
            prefix: only those whose name begins so.
            limit: at most so many; None: all.
        """
        states = [state] if isinstance(state, str) else [*state]
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            asked = [("state", one) for one in states]
            asked += [("prefix", prefix)] if prefix else []
            asked += [("cursor", cursor)] if cursor else []
            asked += [("limit", str(min(1000, limit - len(found) if limit else 1000)))]
            page = self._way.ask("GET", f"/v1/studies?{urlencode(asked)}").json
            found += page["items"]
            cursor = page["next"]
            if cursor is None or (limit is not None and len(found) >= limit):
                return found

    def files(self) -> list[dict[str, Any]]:
        """List the files that studies may name as `data.source`."""
        listed: list[dict[str, Any]] = self._way.ask("GET", "/v1/data").json["items"]
        return listed

    def me(self) -> dict[str, Any]:
        """Tell whose token this is, and what the service allows."""
        told: dict[str, Any] = self._way.ask("GET", "/v1/me").json
        return told
