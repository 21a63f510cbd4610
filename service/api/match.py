"""`POST /api/v1/match`: the call every order makes. Kept lean; the desk decides."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api import metrics
from service.api.gate import Handler
from service.edge.body import header, read_json
from service.edge.parts import Parts

PATH = "/api/v1/match"


async def answer(parts: Parts, scope: Scope, receive: Receive) -> bytes:
    """The decision as JSON bytes, committed and audited."""
    caller = parts.believe(header(scope, b"authorization"))
    body = await read_json(scope, receive, parts.settings.max_body_bytes)
    decided = await parts.decide(body, caller)
    metrics.count_decisions(decided.outcomes)
    return decided.answer


def lean(parts: Parts) -> Handler:
    """The call as a bare ASGI handler."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        body = await answer(parts, scope, receive)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return handle


async def endpoint(parts: Parts, request: Request) -> Response:
    """The same for the router, where a prefix or a proxy brings the call there."""
    return Response(await answer(parts, request.scope, request.receive), media_type="application/json")
