"""Look at a page with a real browser: chromium without a window."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr", "--v=0",
)  # fmt: skip
BUDGET_MS = 15_000  # of the page's own time, which runs as fast as the page lets it
PATIENCE_S = 300.0
_CONSOLE = re.compile(r'^\[.*?:CONSOLE[:(]\d+\)?\] "(.*)", source: ', re.MULTILINE)


class Page(NamedTuple):
    """What a page became once its scripts had run, and what they wrote to the console."""

    dom: str
    console: list[str]


def dump_dom(url: str) -> Page:
    """Open a page, let its scripts run, and return it."""
    done = _chromium(url, "--dump-dom")
    return Page(done.stdout, _CONSOLE.findall(done.stderr))


def screenshot(url: str, path: Path, width: int = 1280, height: int = 1600) -> list[str]:
    """Open a page, let its scripts run, write a PNG, and return the console's messages."""
    done = _chromium(url, f"--screenshot={path}", f"--window-size={width},{height}")
    return _CONSOLE.findall(done.stderr)


def _chromium(url: str, *flags: str) -> subprocess.CompletedProcess[str]:
    budget = f"--virtual-time-budget={BUDGET_MS}"
    # The browser's helpers may write for a moment longer than it lives.
    with tempfile.TemporaryDirectory(prefix="sweep-", ignore_cleanup_errors=True) as profile:
        command = [_binary(), *FLAGS, f"--user-data-dir={profile}", budget, *flags, url]
        return subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            stdin=subprocess.DEVNULL,
        )


def _binary() -> str:
    """Find the browser; without one the test is skipped, and fails where CI runs it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found is not None:
            return found
    missing = "no chromium found: apt-get install chromium"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)
