"""A way to a service on which connections are lost, each in the manner that a test asks for."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Fate = Literal["pass", "refused", "deaf", "torn"]
PATIENCE_S = 30.0


class Lossy:
    """Passes requests on to a port of this machine.

    Attributes:
        fates: of the connections to come: `refused` at once; `deaf`: the service gets the request,
            but its answer is lost; `torn`: half of the answer comes. After the last one all pass.
        port: where it listens.
        n_asked: connections so far.
    """

    def __init__(self, target: int) -> None:
        self.fates: deque[Fate] = deque()
        self.n_asked = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Lose all connections that are open now, such as those of streams."""
        for one in [*self._open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.n_asked += 1
            fate = self.fates.popleft() if self.fates else "pass"
            threading.Thread(target=self._carry, args=(near, fate), daemon=True).start()

    def _carry(self, near: socket.socket, fate: Fate) -> None:
        with near, suppress(OSError):
            if fate == "refused":
                return
            with socket.create_connection(("127.0.0.1", self._target)) as far:
                self._open |= {near, far}
                threading.Thread(target=self._request, args=(near, far), daemon=True).start()
                self._answer(near, far, fate)
                self._open -= {near, far}
                near.shutdown(socket.SHUT_RDWR)  # another thread waits for more of it

    def _request(self, near: socket.socket, far: socket.socket) -> None:
        own, real = f"127.0.0.1:{self.port}".encode(), f"127.0.0.1:{self._target}".encode()
        with suppress(OSError):
            while part := near.recv(1 << 16):
                far.sendall(part.replace(own, real))

    def _answer(self, near: socket.socket, far: socket.socket, fate: Fate) -> None:
        while part := far.recv(1 << 16):
            if fate == "deaf":
                return
            if fate == "torn":
                near.sendall(part[: len(part) // 2])
                return
            near.sendall(part)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


@contextmanager
def lossy(target: int) -> Iterator[Lossy]:
    """Open such a way to a port."""
    way = Lossy(target)
    thread = threading.Thread(target=way.run)
    thread.start()
    try:
        yield way
    finally:
        way.close()
        thread.join(PATIENCE_S)
