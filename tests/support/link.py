"""A line between a client and a server on loopback, to be cut, stalled or slowed at any byte of what is answered."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from itertools import pairwise

_START = re.compile(rb"HTTP/1\.[01] \d{3}")


class Link:
    """Forwards connections to `port` on loopback. What the server answers is counted over all connections together.

    `cut_at`: after so many bytes the line is closed, in order, as if the server had ended; nobody gets through
    afterwards. `stall_at`: after so many nothing more comes, and the connection stays open. `drip`: seconds between
    two bytes. `is_down`: whoever connects is turned away.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.given = bytearray()
        self.cut_at: int | None = None
        self.stall_at: int | None = None
        self.drip = 0.0
        self.is_down = False
        self._marks: set[int] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def mend(self) -> None:
        """The line is whole again, and nothing was ever counted."""
        with self._lock:
            self.cut_at = self.stall_at = None
            self.drip, self.is_down = 0.0, False
            self.given.clear()
            self._marks.clear()

    def boundaries(self, most: int = 24) -> list[int]:
        """The byte counts at which it matters that the line is cut, of what was answered since it was mended: before an
        answer, within its first line, within and after its headers, within its body, before its last byte."""
        text = bytes(self.given)
        starts = [one.start() for one in _START.finditer(text)]
        points: set[int] = set()
        for start, end in pairwise([*starts, len(text)]):
            body = text.find(b"\r\n\r\n", start, end) + 4
            points |= {start, start + 5, (start + body) // 2, body - 1, body, (body + end) // 2, end - 1}
        if not starts:  # not HTTP: around every piece that came
            for a, b in pairwise(sorted({0, *self._marks})):
                points |= {a, a + 1, a + 5, (a + b) // 2, b - 1}
        chosen = sorted(one for one in points if 0 <= one < len(text))
        step = max(1, -(-len(chosen) // most))
        return sorted({*chosen[::step], *chosen[-2:]})

    def close(self) -> None:
        """Closes everything."""
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else whoever waits to accept waits on
        self._listener.close()
        self._hang_up()
        for thread in self._threads:
            thread.join(timeout=5)

    def _start(self, job: object, *given: object) -> None:
        thread = threading.Thread(target=job, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = None
            if not self.is_down:
                with suppress(OSError):
                    server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            if server is None:
                client.close()
                continue
            server.settimeout(None)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open |= {client, server}
            self._start(self._ask, client, server)
            self._start(self._answer, client, server)

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while chunk := client.recv(65536):
                server.sendall(chunk)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while chunk := server.recv(65536):
                if not self._forward(client, chunk):
                    break
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
            self._open.discard(one)

    def _forward(self, client: socket.socket, chunk: bytes) -> bool:
        """Passes it on as far as the line goes; False when that is its end."""
        with self._lock:
            limit = min((one for one in (self.cut_at, self.stall_at) if one is not None), default=None)
            known = len(self.given)
            passed = chunk if limit is None else chunk[: max(0, limit - known)]
            self.given += passed
            self._marks.add(len(self.given))
        if self.drip:
            for n in range(len(passed)):
                client.sendall(passed[n : n + 1])
                if self._ended.wait(self.drip):
                    return False
        else:
            client.sendall(passed)
        if len(passed) == len(chunk):
            return True
        if self.cut_at is not None:
            self.is_down = True
            return False
        self._ended.wait(60)
        return False

    def _hang_up(self) -> None:
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
