"""Drive a browser without a window as a person would: click, type, drop files, look.

It speaks the DevTools protocol through pipes, so that no port is open and no package is needed.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.browser import FLAGS, _binary

PATIENCE_S = 300.0
# The browser reads commands at 3 and answers at 4.
JOIN = """
import fcntl, os, sys
read, write = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 100) for end in sys.argv[1:3]]
os.dup2(read, 3)
os.dup2(write, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowDown": 40}


class Pipe:
    """The protocol: commands out, answers and events in."""

    def __init__(self, write: int, read: int) -> None:
        self._out, self._in = write, read
        self._buffer, self._last = b"", 0
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, params: Mapping[str, Any], session: str = "") -> dict[str, Any]:
        """Ask, and wait for the answer; events on the way are kept."""
        self._last += 1
        told: dict[str, Any] = {"id": self._last, "method": method, "params": dict(params)}
        if session:
            told["sessionId"] = session
        os.write(self._out, json.dumps(told).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._last:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                found: dict[str, Any] = message["result"]
                return found
            self.events.append(message)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._in, 1 << 20)
            if not part:
                raise RuntimeError("the browser has ended")
            self._buffer += part
        one, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(one)
        return message


class Page:
    """A page in the browser."""

    def __init__(self, pipe: Pipe, session: str) -> None:
        self._pipe, self._session = pipe, session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        return self._pipe.send(method, params, self._session)

    # --- look

    def see(self, width: int, height: int = 900, dark: bool = False, touch: bool = False) -> None:
        """Set the size of the window and the colour scheme."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=touch)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def go(self, url: str) -> None:
        """Open an address, and wait until it is there."""
        self.send("Page.navigate", url=url)
        self.wait(
            f"location.href.startsWith({json.dumps(url)}) && document.readyState != 'loading'"
        )

    def ask(self, expression: str) -> Any:
        """Return what an expression comes to on the page; a promise is waited for."""
        got = self.send("Runtime.evaluate", expression=expression, returnByValue=True,
                        awaitPromise=True)  # fmt: skip
        if "exceptionDetails" in got:
            raise AssertionError(got["exceptionDetails"]["exception"].get("description"))
        return got["result"].get("value")

    def wait(self, condition: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until an expression is true on the page."""
        ends = time.monotonic() + patience_s
        while time.monotonic() < ends:
            with suppress(RuntimeError, AssertionError):  # between two pages there is none
                if self.ask(f"Boolean({condition})"):
                    return
            time.sleep(0.1)
        text = self.ask("document.body.innerText")
        raise AssertionError(f"never true: {condition}\non the page: {text[:1500]}")

    def has(self, text: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until the page shows a text."""
        self.wait(f"document.body.innerText.includes({json.dumps(text)})", patience_s)

    def text(self, selector: str) -> str:
        found: str = self.ask(f"document.querySelector({json.dumps(selector)}).innerText")
        return found

    def picture(self, path: Path, whole: bool = True) -> None:
        """Write a PNG of the page, all of it or what the window shows."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {**size, "scale": 1} if whole else None
        more = {"clip": clip, "captureBeyondViewport": True} if clip else {}
        shot = self.send("Page.captureScreenshot", format="png", **more)
        path.write_bytes(base64.b64decode(shot["data"]))

    # --- do

    def click(self, selector: str) -> None:
        """Click in the middle of an element, as soon as it can be clicked."""
        chosen = f"document.querySelector({json.dumps(selector)})"
        self.wait(f"{chosen} && {chosen}.offsetParent && !{chosen}.disabled")
        place = self.ask(
            f"(() => {{ const e = {chosen}; e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1],
                      button="left", clickCount=1)  # fmt: skip

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.send("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key."""
        told = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r" if key == "Enter" else key} if key in ("Enter", " ") else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **told, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **told)

    def drop(self, path: Path, selector: str) -> None:
        """Drop a file on an element."""
        place = self.ask(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)})"
            ".getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.send("Input.dispatchDragEvent", type=kind, x=place[0], y=place[1], data=data)

    def save_to(self, folder: Path) -> None:
        """Have downloads written to a folder."""
        self._pipe.send("Browser.setDownloadBehavior",
                        {"behavior": "allow", "downloadPath": str(folder)})  # fmt: skip

    # --- what happened

    def heard(self, method: str) -> list[dict[str, Any]]:
        """Return the events of one kind so far."""
        self.send("Runtime.evaluate", expression="0")  # takes in what waits
        return [e["params"] for e in self._pipe.events if e.get("method") == method]

    @property
    def complaints(self) -> list[str]:
        """What scripts and the browser have complained of: exceptions, errors of the console."""
        thrown = [
            e["exceptionDetails"].get("exception", {}).get("description")
            or e["exceptionDetails"]["text"]
            for e in self.heard("Runtime.exceptionThrown")
        ]
        logged = [
            f"{e['entry']['text']} ({e['entry'].get('url', '')})"
            for e in self.heard("Log.entryAdded")
            if e["entry"]["level"] in ("error", "warning")
        ]
        called = [
            str(e["args"])
            for e in self.heard("Runtime.consoleAPICalled")
            if e["type"] in ("error", "warning")
        ]
        return [*thrown, *logged, *called]

    @property
    def asked_for(self) -> list[str]:
        """The addresses that were asked for."""
        return [e["request"]["url"] for e in self.heard("Network.requestWillBeSent")]


@contextmanager
def driven(width: int = 1280, dark: bool = False) -> Iterator[Page]:
    """Open a browser with one empty page."""
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()
    flags = [flag for flag in FLAGS if "logging" not in flag]
    with tempfile.TemporaryDirectory(prefix="sweep-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [sys.executable, "-c", JOIN, str(to_browser), str(from_browser),
             _binary(), *flags, f"--user-data-dir={profile}", "--remote-debugging-pipe"],
            pass_fds=(to_browser, from_browser), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        pipe = Pipe(from_us, to_us)
        try:
            target = pipe.send("Target.createTarget", {"url": "about:blank"})["targetId"]
            joined = pipe.send("Target.attachToTarget", {"targetId": target, "flatten": True})
            page = Page(pipe, joined["sessionId"])
            page.see(width, dark=dark)
            yield page
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(from_us)
            os.close(to_us)
