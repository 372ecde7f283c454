"""Which service a user means, and the token that it knows him by."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from urllib.parse import urlsplit

from sweep.errors import UsageError
from sweep.service.serve_config import LOOPBACK

MOST_BYTES = 1000  # of a token's file
_TOKEN = re.compile(r"[!-~]{1,500}")  # as it may stand in a header


def find_url(given: str | None = None) -> str:
    """Return the address of the service: given, or SWEEP_URL; without a slash at its end.

    Raises:
        UsageError: there is none, or it is no address of a whole host.
    """
    url = (given or os.environ.get("SWEEP_URL") or "").strip()
    if not url:
        raise UsageError(
            "url: must be given, got none. Set SWEEP_URL to the address of `sweep serve`"
        )
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not url.isascii():
        raise UsageError(f"url: must be http:// or https:// and a host, got {url!r}. Mend it")
    if parts.username is not None or parts.query or parts.fragment or parts.path.strip("/"):
        raise UsageError(
            f"url: must be a host alone, got {url!r}. Leave out what comes after or before it"
        )
    return f"{parts.scheme}://{parts.netloc}"


def is_loopback(url: str) -> bool:
    """Tell whether an address is of this machine."""
    return urlsplit(url).hostname in LOOPBACK


def find_token(url: str, given: str | None = None) -> str | None:
    """Return the token for a service: given, SWEEP_TOKEN, or what `token_file` holds; else None.

    Raises:
        UsageError: others may read it, now or on its way, or it is none.
    """
    token = (given or os.environ.get("SWEEP_TOKEN") or _read(token_file()) or "").strip()
    if not token:
        return None
    if not _TOKEN.fullmatch(token):
        raise UsageError("token: must be one word of ASCII letters, got other text. Copy it anew")
    if url.startswith("http:") and not is_loopback(url):
        raise UsageError(
            f"url: must be https:// where a token is sent, got {url}. Others could read it"
        )
    return token


def token_file() -> Path:
    """Return where a user keeps his token: ~/.config/sweep/token."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "sweep" / "token"


def _read(path: Path) -> str | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(
            f"token: must be a readable file, got {error.strerror} ({path}). Mend it"
        ) from None
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_mode & 0o077:
            raise UsageError(
                f"token: must be a file that nobody else may read, got mode"
                f" {stat.S_IMODE(about.st_mode):03o} ({path}). Run chmod 600 {path}"
            )
        return os.read(handle, MOST_BYTES).decode("ascii", "replace")
    finally:
        os.close(handle)
