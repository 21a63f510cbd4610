"""`GET /api/v1/reports/{id}?decision=`: a report byte for byte as its hospital sent it, where a decision offered it."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from service.domain.errors import NotFound
from service.edge.parts import Parts

_SERVED_AS = {"application/fhir+ndjson": "application/fhir+json"}  # one line of many is one resource


async def read_report(parts: Parts, request: Request) -> Response:
    """The report's own bytes."""
    caller = parts.believe(request.headers.get("authorization"))
    wanted = request.path_params["report_id"]
    decision_id = request.query_params.get("decision", "").lower()
    if not re.fullmatch(r"[0-9]{1,18}", wanted) or not re.fullmatch(r"[0-9a-f-]{36}", decision_id):
        raise NotFound("there is no such report; follow the link of the decision that offered it")
    body, media = await parts.run(parts.reports.read, int(wanted), decision_id, caller)
    return Response(body, media_type=_SERVED_AS.get(media, media))
