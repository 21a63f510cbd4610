"""An HTTP server on loopback that answers with whatever bytes a test tells it to, and remembers what it was sent."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Received:
    """One request as it came: header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


Respond = Callable[[Received], Iterable[bytes]]


def reply(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of an answer; `_` in a header's name stands for `-`."""
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class ScriptedServer:
    """`respond` may be replaced at any time. An answer's pieces are sent one by one, then the connection is closed."""

    respond: Respond
    tls: ssl.SSLContext | None = None
    received: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}" if self.tls else f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), self._wrapped(connection) as connection:
            if (request := _read(connection)) is not None:
                self.received.append(request)
                for piece in self.respond(request):
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
        self._open.discard(connection)

    def _wrapped(self, connection: socket.socket) -> socket.socket:
        try:
            return self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
        except OSError:
            connection.close()
            raise


def _read(connection: socket.socket) -> Received | None:
    with connection.makefile("rb") as stream:
        first = stream.readline().decode("latin-1").split(" ")
        if len(first) != 3:
            return None
        lines = iter(lambda: stream.readline().decode("latin-1").rstrip("\r\n"), "")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Received(first[0], first[1], headers, stream.read(int(headers.get("content-length", "0"))))


@contextlib.contextmanager
def scripted(respond: Respond, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedServer]:
    """A server for the length of the block."""
    server = ScriptedServer(respond, tls)
    try:
        yield server
    finally:
        server.close()
