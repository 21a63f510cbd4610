"""A report as its hospital sent it, for those a decision offered it to."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.decisions.codec import decode_given
from service.decisions.evidence import is_withheld
from service.domain.errors import Contradiction, NotFound
from service.registry import documents
from service.registry.columns import from_us
from service.registry.database import Database
from service.registry.journal import Journal
from service.registry.reach import STANDING
from service.registry.tables import decision, document, report
from service.security.caller import Caller, Role
from service.security.keys import KeyRing

_DECISION = select(decision.c.institution, decision.c.state, decision.c.answer, decision.c.given).where(
    decision.c.id == bindparam("wanted")
)
_REPORT = (
    select(report.c.state, document.c.media)
    .join_from(report, document, document.c.id == report.c.document_id)
    .where(report.c.id == bindparam("wanted"))
)


class OfferedReports:
    """Gives out reports that decisions disclosed; every one given is audited."""

    def __init__(self, database: Database, keys: KeyRing, journal: Journal, audit: AuditLog) -> None:
        self._database = database
        self._keys = keys
        self._journal = journal
        self._audit = audit

    def read(self, report_id: int, decision_id: str, caller: Caller) -> tuple[bytes, str]:
        """The report's own bytes and the kind of document they are from.

        NotFound unless a standing decision of the caller's institution disclosed it; Contradiction when a newer
        version has replaced it since (the old one must not be relied on), or the patient has refused sharing since.
        """
        caller.require(Role.CLINICIAN, Role.SYSTEM)
        with self._database.read() as conn:
            row = conn.execute(_REPORT, {"wanted": report_id}).first()
            if row is None or not self._is_disclosed(conn, report_id, decision_id, caller):
                raise NotFound("no decision of this institution offered such a report")
            if row.state != "current":
                raise Contradiction("the report was replaced or withdrawn since; ask for a new decision")
            body = documents.read_source(conn, self._keys, report_id)
        at, subject = self._database.now_us(), f"Report/{report_id}"
        entry = AuditEntry.by(caller, at, Action.REPORT_READ, subject, {"decision": decision_id})
        self._journal.submit(lambda conn: self._audit.append(conn, entry))
        return body, str(row.media)

    def _is_disclosed(self, conn: Connection, report_id: int, decision_id: str, caller: Caller) -> bool:
        row = conn.execute(_DECISION, {"wanted": decision_id}).first()
        if row is None or row.institution != caller.institution or row.state != STANDING:
            return False
        answer: dict[str, Any] = msgspec.json.decode(self._keys.open(row.answer, f"decision|answer|{decision_id}"))
        link = f"/api/v1/reports/{report_id}?"
        offered = [
            one
            for order in answer["orders"]
            for one in order["candidates"]
            if link in f"{one['retrieve']['report'] or ''}?"
        ]
        if not all(one["institution"] == caller.institution for one in offered):
            given = decode_given(self._keys.open(row.given, f"decision|given|{decision_id}"))
            if is_withheld(conn, given.evidence.record_ids, from_us(self._database.now_us())):
                raise Contradiction("the patient has refused sharing since; ask for a new decision")
        return bool(offered)
