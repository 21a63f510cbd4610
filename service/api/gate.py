"""The outermost layer: how many at once, under which request id, how long it took, and no error without an answer."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import metrics
from service.domain.errors import Unavailable
from service.edge.body import Disconnected, header
from service.edge.problem import problem_of
from service.security.chance import random_bytes

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/-]{1,100}")
_ALWAYS_ANSWERED = frozenset({"/healthz", "/readyz", "/metrics"})
_DRAINED = 64 * 1024 * 1024
_DRAIN_SECONDS = 10.0
_COMMON_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gate:
    """Wraps the application. `hot` are calls answered here, without the way through the router: at hundreds of
    requests a second that way costs more than all else in front of the database."""

    def __init__(self, app: ASGIApp, max_in_flight: int, hot: dict[tuple[str, str], Handler]) -> None:
        self._app = app
        self._max_in_flight = max_in_flight
        self._hot = hot
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, started = scope["path"], time.perf_counter()
        inflow = _Inflow(receive)
        reply = _Reply(send, _request_id(scope), inflow if header(scope, b"expect") is None else None)
        busy = self._in_flight >= self._max_in_flight and path not in _ALWAYS_ANSWERED
        self._in_flight += 1
        hot = self._hot.get((scope["method"], path))
        try:
            if busy:
                raise Unavailable("too many requests are being worked on; nothing was done with this one")
            await (hot or self._app)(scope, inflow, reply)
        except Disconnected:
            reply.status = reply.status or 499
        except Exception as error:
            if not reply.status:
                await problem_of(error)(scope, inflow, reply)
        finally:
            self._in_flight -= 1
            metrics.in_flight.set(self._in_flight)
            route = path if hot else getattr(scope.get("route"), "path", "unmatched")
            metrics.count_request(scope["method"], route, reply.status or 500, time.perf_counter() - started)


class _Inflow:
    """Receives, and knows whether the body has come to its end."""

    __slots__ = ("_receive", "is_done")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_done = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self.is_done = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Reads the rest and throws it away, within bounds."""
        left = _DRAINED
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self.is_done and left > 0:
                    left -= len((await self()).get("body", b""))


class _Reply:
    """Sends, with the headers every answer has, and remembers the status. A refusal waits until the caller has said
    all: a connection closed on what is still being sent takes the answer with it."""

    __slots__ = ("_inflow", "_request_id", "_send", "status")

    def __init__(self, send: Send, request_id: bytes, inflow: _Inflow | None) -> None:
        self._send = send
        self._request_id = request_id
        self._inflow = inflow  # None where the caller asked before sending (RFC 9110, 10.1.1: Expect)
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= 400 and self._inflow is not None:
                await self._inflow.drain()
            own = (b"x-request-id", self._request_id)
            message = {**message, "headers": [*message["headers"], own, *_COMMON_HEADERS]}
        await self._send(message)


def _request_id(scope: Scope) -> bytes:
    given = header(scope, b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.encode("ascii")
    return random_bytes(16).hex().encode()
