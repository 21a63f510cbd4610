"""The calls of section 4 other than match: each believes its caller, reads its input, and asks a room."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from service.domain.errors import Fault, InvalidInput, NotFound
from service.edge.body import read_json
from service.edge.parts import Parts
from service.recognition.table import to_csv
from service.security.caller import Caller

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _caller(parts: Parts, request: Request) -> Caller:
    return parts.believe(request.headers.get("authorization"))


def _decision_id(request: Request) -> str:
    wanted = request.path_params["decision_id"].lower()
    if not _UUID.fullmatch(wanted):
        raise NotFound("there is no such decision")
    return str(wanted)


def _json(body: Any, status: int = 200) -> Response:
    return Response(
        body if isinstance(body, bytes) else msgspec.json.encode(body), status, media_type="application/json"
    )


async def read_decision(parts: Parts, request: Request) -> Response:
    """`GET /api/v1/decisions/{id}`."""
    caller = _caller(parts, request)
    return _json(await parts.run(parts.desk.get, _decision_id(request), caller))


async def replay_decision(parts: Parts, request: Request) -> Response:
    """`POST /api/v1/decisions/{id}/replay`."""
    caller = _caller(parts, request)
    return _json(await parts.run(parts.desk.replay, _decision_id(request), caller))


async def record_event(parts: Parts, request: Request) -> Response:
    """`POST /api/v1/decisions/{id}/events`."""
    caller = _caller(parts, request)
    body = await read_json(request.scope, request.receive, parts.settings.max_body_bytes)
    return _json(await parts.run(parts.events.record, _decision_id(request), body, caller), 201)


async def record_recognition(parts: Parts, request: Request) -> Response:
    """`POST /api/v1/recognitions`: 201 when recorded, 200 when the same call was recorded before."""
    caller = _caller(parts, request)
    body = await read_json(request.scope, request.receive, parts.settings.max_body_bytes)
    recorded = await parts.run(parts.recognitions.record, body, caller)
    return _json(recorded.body, 201 if recorded.is_new else 200)


async def list_recognitions(parts: Parts, request: Request) -> Response:
    """`GET /api/v1/recognitions?limit&after`."""
    caller = _caller(parts, request)
    text = request.query_params.get("limit", "100")
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise InvalidInput("the page cannot be given", [Fault("limit", "a whole number is expected")])
    return _json(await parts.run(parts.recognitions.page, caller, int(text), request.query_params.get("after", "")))


async def statistics(parts: Parts, request: Request) -> Response:
    """`GET /api/v1/statistics?from&to&by`."""
    caller = _caller(parts, request)
    query = request.query_params
    answer = await parts.run(parts.statistics.ask, query.get("from"), query.get("to"), query.get("by"), caller)
    if _prefers_csv(request.headers.get("accept", "")):
        return Response(to_csv(answer), media_type="text/csv")
    return _json(answer)


def _prefers_csv(accept: str) -> bool:
    """Whether text/csv is asked for, and not after JSON (RFC 9110, 12.5.1, without weights)."""
    wanted = [one.partition(";")[0].strip().lower() for one in accept.split(",")]
    if "text/csv" not in wanted:
        return False
    return "application/json" not in wanted or wanted.index("text/csv") < wanted.index("application/json")
