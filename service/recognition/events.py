"""What became of an offered order: shown, retrieved, cited, revoked. With the decision and the recognition these are
the events regions report (research: domain 2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.domain.errors import Fault, InvalidInput
from service.recognition.prompts import get_prompt
from service.registry.columns import from_us, storable, to_us
from service.registry.database import Database
from service.registry.journal import Journal
from service.registry.tables import order_event
from service.security.caller import Caller, Role

ACTIONS = {
    "shown": Action.ORDER_SHOWN,
    "retrieved": Action.ORDER_RETRIEVED,
    "cited": Action.ORDER_CITED,
    "revoked": Action.ORDER_REVOKED,
}


class OrderEvents:
    """Records events of orders."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        audit: AuditLog,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._journal = journal
        self._audit = audit
        self._clock = clock

    def record(self, decision_id: str, body: object, caller: Caller) -> dict[str, Any]:
        """Records `{"orderId","event"}` for a decision of the caller's institution; each call is one event.

        Raises InvalidInput, NotFound, Unavailable.
        """
        caller.require(Role.CLINICIAN, Role.SYSTEM)
        given = body if isinstance(body, dict) else {}
        order_id, event = given.get("orderId"), given.get("event")
        faults = []
        if not isinstance(order_id, str) or not order_id:
            faults.append(Fault("/orderId", "the id of an order of this decision is expected"))
        if not isinstance(event, str) or event not in ACTIONS:
            faults.append(Fault("/event", f"must be one of {', '.join(ACTIONS)}"))
        if faults:
            raise InvalidInput("the event has faults", faults)
        with self._database.read() as conn:
            get_prompt(conn, decision_id, str(order_id), caller.institution)
        at = to_us(self._clock())
        row = {
            "decision_id": decision_id,
            "order_id": order_id,
            "event": event,
            "at": at,
            "actor": storable(caller.actor)[:200],
        }
        entry = AuditEntry.by(caller, at, ACTIONS[str(event)], f"Decision/{decision_id}")
        self._journal.submit(lambda conn: self._store(conn, row, entry))
        when = from_us(at).isoformat(timespec="milliseconds")
        return {"decisionId": decision_id, "orderId": order_id, "event": event, "at": when}

    def _store(self, conn: Connection, row: dict[str, Any], entry: AuditEntry) -> None:
        conn.execute(insert(order_event), row)
        self._audit.append(conn, entry)
