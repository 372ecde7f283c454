"""The service's own pages: files of the package, which ask the routes for everything they show."""

from __future__ import annotations

import mimetypes
import re
from functools import cache
from importlib.resources import files

from starlette.responses import Response

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\.(css|js|svg|html)")


def page(name: str, status: int = 200) -> Response:
    """Return a page of the package, such as `start.html`."""
    content = packaged(name)
    assert content is not None
    return Response(content, status, media_type="text/html; charset=utf-8")


def asset(name: str) -> Response | None:
    """Return a style sheet, a script or a picture of the pages; None where it is none of them."""
    content = packaged(name)
    if content is None:
        return None
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})


@cache
def packaged(name: str) -> bytes | None:
    """Read a file of the folder `static`; None where there is none of this name."""
    if not _NAME.fullmatch(name):
        return None
    file = files("sweep.service").joinpath("static", name)
    return file.read_bytes() if file.is_file() else None
