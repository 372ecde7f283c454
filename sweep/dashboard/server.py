"""optuna-dashboard on a storage: read-only, and only for users of this machine (loopback)."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyModel
from optuna_dashboard import wsgi
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from waitress import create_server, wasyncore

from sweep.errors import UsageError
from sweep.spec.attributes import OTHERS
from sweep.storage.engine import open_storage
from sweep.storage.schema import STUDY_USER_ATTRS, TRIALS

HOST = "127.0.0.1"
ARTIFACTS = Path("studies/out/artifacts")  # for a storage that is no file
LIMITS = {"threads": 8, "max_request_header_size": 2**15, "max_request_body_size": 2**10}
POLICY = "Content-Security-Policy"
# Anybody may have made an artifact. Opened as a page, its scripts would run with the dashboard's
# rights. So an answer without a policy of its own gets one: no scripts, no network, no origin.
# Pictures and plain HTML still work; a film needs an origin, so films keep theirs.
STILL = (
    "default-src 'none'; img-src 'self' data:; media-src 'self' data:; "
    "style-src 'unsafe-inline'; frame-ancestors 'self'"
)
SANDBOX = f"sandbox; {STILL}"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Header = tuple[str, str]


def serve(url: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve the dashboard until interrupted.

    Args:
        url: the storage.
        port: 0 takes a free one.
        announce: called with the address when the server answers.

    Raises:
        UsageError: the storage cannot be opened, or the port is taken.
    """
    app = guarded(Dashboard(url))
    try:
        listener = socket.create_server((HOST, port))
    except OSError as error:
        raise UsageError(
            f"--port: must be free, got {port}: {error.strerror}. Use --port 0"
        ) from None
    # waitress warns of every request that waits for a thread, and of busy threads at the end.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    sockets: dict[int, Any] = {}
    server = create_server(app, sockets=[listener], map=sockets, ident=None, **LIMITS)
    try:
        announce(f"http://{HOST}:{listener.getsockname()[1]}/")
        wasyncore.loop(timeout=1, map=sockets)  # its own `run` would swallow Ctrl-C
    finally:
        server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(sockets)


class Dashboard:
    """optuna-dashboard's WSGI application, made anew when its cache is wrong.

    The application caches names and trials by study id for ever. But `sweep run --fresh` gives an
    id another name, SQLite reuses the id of a deleted last study, and trials that other programs
    wrote are put aside.
    """

    def __init__(self, url: str) -> None:
        """Open a storage for reading.

        Artifacts are Optuna's, from the folder `artifacts` beside the SQLite file.

        Raises:
            StorageError: the storage cannot be opened, or holds no studies' tables.
        """
        self._storage = open_storage(url, read_only=True)
        engine_url = self._storage.engine.url
        beside = Path(str(engine_url.database).removeprefix("file:")).with_name("artifacts")
        self._artifacts = beside if engine_url.get_backend_name() == "sqlite" else ARTIFACTS
        self._known: dict[Any, Any] = {}
        self._app = self._made()
        self._renewing = threading.Lock()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request as it stands in the database now."""
        return self._current()(environ, start_response)

    def _current(self) -> App:
        with self._renewing:
            known: dict[Any, Any] = {"artifacts": self._artifacts.is_dir()}
            try:
                known |= _studies(self._storage)
            except DBAPIError:
                return self._app  # it meets the same error, and reports it
            if not self._known.items() <= known.items():
                self._app = self._made()
            self._known = known
            return self._app

    def _made(self) -> App:
        store = FileSystemArtifactStore(self._artifacts) if self._artifacts.is_dir() else None
        cached = optuna.storages.get_storage(self._storage)
        return wsgi(cached, artifact_store=store)  # type: ignore[no-any-return]


def guarded(app: App, *, any_host: bool = False) -> App:
    """Let only GET and HEAD pass, and only under a loopback host name.

    The dashboard has no authentication. Without this check another site's page in the same
    browser could reach it, through a host name that points to this machine (DNS rebinding).

    Args:
        app: the dashboard's.
        any_host: leave the host name to whoever stands in front, as `sweep serve` does.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[Header], *exc_info: Any) -> Any:
            return start_response(status, _hardened(headers), *exc_info)

        environ.setdefault("HTTP_ACCEPT_ENCODING", "")  # optuna-dashboard needs it
        host = re.sub(r":\d*$", "", environ.get("HTTP_HOST", "")).lower()
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _refused(start, "405 Method Not Allowed", b"read-only")
        if not any_host and host not in ("127.0.0.1", "localhost", "[::1]"):
            refused = _refused(start, "403 Forbidden", b"unknown host")
            return refused if environ["REQUEST_METHOD"] == "GET" else []
        return app(environ, start)

    return answer


def _hardened(headers: list[Header]) -> list[Header]:
    """Add security headers, and drop the one that lets other sites read the answer."""
    kept = [(name, value) for name, value in headers if name != "Access-Control-Allow-Origin"]
    given = dict(kept)
    film = given.get("Content-Type", "").startswith(("audio/", "video/"))
    policy = [] if POLICY in given else [(POLICY, STILL if film else SANDBOX)]
    return [*kept, *HEADERS.items(), *policy]


def _refused(start: Callable[..., Any], status: str, reason: bytes) -> list[bytes]:
    length = str(len(reason))
    start(
        status,
        [("Content-Type", "text/plain"), ("Content-Length", length), ("Allow", "GET, HEAD")],
    )
    return [reason]


def _studies(storage: RDBStorage) -> dict[int, tuple[Any, ...]]:
    """Read what identifies each study: id -> name, first trial, its start, trials put aside."""
    studies, trials = StudyModel.__table__.c, TRIALS.alias().c
    # Not min(): for that SQLite would read all trials of a study.
    of_study = select(trials.trial_id).where(trials.study_id == studies.study_id)
    first = of_study.order_by(trials.trial_id).limit(1).scalar_subquery()
    attrs = STUDY_USER_ATTRS.c
    noted = attrs.study_id == studies.study_id, attrs.key == OTHERS
    aside = select(attrs.value_json).where(*noted).scalar_subquery()
    first_one = TRIALS.c.trial_id, TRIALS.c.datetime_start
    query = (
        select(studies.study_id, studies.study_name, *first_one, aside)
        .select_from(StudyModel.__table__)
        .outerjoin(TRIALS, TRIALS.c.trial_id == first)
    )
    with storage.engine.connect() as connection:
        return {study_id: tuple(about) for study_id, *about in connection.execute(query)}
