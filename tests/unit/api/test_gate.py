"""The gate around the application, without a server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.api.gate import Gate
from service.domain.errors import NotAuthenticated

PIECES = 3


async def refuse(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise NotAuthenticated("no")


def ask(headers: list[tuple[bytes, bytes]]) -> tuple[list[int], list[Message]]:
    """How many pieces of the body were read when the answer started, and the answer."""
    read, sent, read_before = 0, [], []

    async def receive() -> Message:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x", "more_body": read < PIECES}

    async def send(message: Message) -> None:
        read_before.append(read)
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/api/v1/match", "headers": headers}
    asyncio.run(Gate(refuse, 10, {})(scope, receive, send))
    return read_before, sent


@pytest.mark.parametrize(("headers", "expected"), [([], PIECES), ([(b"expect", b"100-continue")], 0)])
def test_refusal_waits_for_a_body_that_is_on_its_way(headers: list[tuple[bytes, bytes]], expected: int) -> None:
    read_before, sent = ask(headers)
    assert sent[0]["status"] == 401
    assert read_before[0] == expected
