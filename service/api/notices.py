"""`GET /api/v1/notices`: what the caller's institution has to be told."""

from __future__ import annotations

import re

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from service.domain.errors import Fault, InvalidInput
from service.edge.parts import Parts


async def read_notices(parts: Parts, request: Request) -> Response:
    """`GET /api/v1/notices?limit&after`."""
    caller = parts.believe(request.headers.get("authorization"))
    text = request.query_params.get("limit", "100")
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise InvalidInput("the page cannot be given", [Fault("limit", "a whole number is expected")])
    page = await parts.run(parts.notices.page, caller, int(text), request.query_params.get("after", ""))
    return Response(msgspec.json.encode(page), media_type="application/json")
