"""`GET /api/v1/reports/{id}?decision=`: a report byte for byte as its hospital sent it, where a decision offered it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select
from starlette.requests import Request
from starlette.responses import Response

from service.audit.events import Action
from service.audit.log import AuditEntry
from service.domain.errors import Contradiction, NotFound
from service.edge.parts import Parts
from service.registry import documents
from service.registry.tables import decision, document, report
from service.security.caller import Caller, Role

_MEDIA = {
    "fhir": "application/fhir+json",
    "json": "application/fhir+json",
    "hl7v2": "x-application/hl7-v2+er7",
    "cda": "application/xml",
    "dicom": "application/dicom",
}
_DECISION = select(decision.c.institution, decision.c.state, decision.c.answer).where(
    decision.c.id == bindparam("wanted")
)
_REPORT = (
    select(report.c.state, document.c.media)
    .join_from(report, document, document.c.id == report.c.document_id)
    .where(report.c.id == bindparam("wanted"))
)


async def read_report(parts: Parts, request: Request) -> Response:
    """The report's own bytes. 404 unless a standing decision of the caller's institution disclosed it, 409 when a
    newer version has replaced it since: the old one must not be relied on."""
    caller = parts.believe(request.headers.get("authorization"))
    caller.require(Role.CLINICIAN, Role.SYSTEM)
    wanted = request.path_params["report_id"]
    decision_id = request.query_params.get("decision", "").lower()
    if not re.fullmatch(r"[0-9]{1,18}", wanted) or not re.fullmatch(r"[0-9a-f-]{36}", decision_id):
        raise NotFound("there is no such report; follow the link of the decision that offered it")
    body, media = await parts.run(_read, parts, caller, int(wanted), decision_id)
    return Response(body, media_type=_MEDIA.get(media, "application/octet-stream"))


def _read(parts: Parts, caller: Caller, report_id: int, decision_id: str) -> tuple[bytes, str]:
    with parts.database.read() as conn:
        if not _is_disclosed(parts, conn, caller, report_id, decision_id):
            raise NotFound("no decision of this institution offered such a report")
        row = conn.execute(_REPORT, {"wanted": report_id}).first()
        if row is None:
            raise NotFound("no decision of this institution offered such a report")
        if row.state != "current":
            raise Contradiction("the report was replaced or withdrawn since; ask for a new decision")
        body = documents.read_source(conn, parts.keys, report_id)
    entry = AuditEntry.by(
        caller, parts.database.now_us(), Action.REPORT_READ, f"Report/{report_id}", {"decision": decision_id}
    )
    parts.journal.submit(lambda conn: parts.audit.append(conn, entry))
    return body, str(row.media)


def _is_disclosed(parts: Parts, conn: Connection, caller: Caller, report_id: int, decision_id: str) -> bool:
    row = conn.execute(_DECISION, {"wanted": decision_id}).first()
    if row is None or row.institution != caller.institution or row.state != "standing":
        return False
    answer: dict[str, Any] = msgspec.json.decode(parts.keys.open(row.answer, f"decision|answer|{decision_id}"))
    links = (one["retrieve"]["report"] for order in answer["orders"] for one in order["candidates"])
    return any(link and f"/api/v1/reports/{report_id}?" in f"{link}?" for link in links)
