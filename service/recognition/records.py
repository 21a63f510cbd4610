"""The clinician's choice: an outside result recognised, or the test repeated and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, insert, or_, select
from sqlalchemy.exc import IntegrityError

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.domain.errors import Contradiction, Fault, InvalidInput, NotFound
from service.recognition.form import Form, read_form
from service.recognition.ids import derived_id
from service.recognition.prompts import Prompt, find_by_derived, get_prompt
from service.registry.columns import from_us, storable, to_us
from service.registry.database import Database
from service.registry.journal import Journal, once
from service.registry.reach import require_standing, share_persons
from service.registry.tables import decision, recognition, report
from service.security.caller import Caller, Role
from service.security.keys import KeyRing

LARGEST_PAGE = 500
_DIGEST = "recognition"
_NEXT = re.compile(r"[0-9]{1,17}~[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recognition as stored, and whether this call was the one that stored it."""

    body: dict[str, Any]
    is_new: bool


class Recognitions:
    """Records and lists recognitions. `regional_reasons` gives the network's mapping of own reason codes."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        journal: Journal,
        audit: AuditLog,
        regional_reasons: Callable[[], Mapping[str, str]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._keys = keys
        self._journal = journal
        self._audit = audit
        self._regional_reasons = regional_reasons
        self._clock = clock

    def record(self, body: object, caller: Caller) -> Recorded:
        """Records a choice for an order of the caller's institution; the same call again changes nothing.

        Raises InvalidInput, NotFound (no such order here), Contradiction (another body was recorded for the order,
        or the decision no longer stands), Unavailable.
        """
        caller.require(Role.CLINICIAN, Role.SYSTEM)
        form = read_form(body, self._regional_reasons())
        with self._database.read() as conn:
            prompt = get_prompt(conn, form.decision_id, form.order_id, caller.institution)
            row = self._row(conn, form, prompt, caller)
        try:
            return self._journal.submit(lambda conn: self._store(conn, row, caller))
        except IntegrityError:  # another process recorded the same order just now: look at what it wrote
            return self._journal.submit(lambda conn: self._store(conn, row, caller))

    def find_card(self, card: str, caller: Caller) -> Prompt:
        """The order a CDS Hooks card was about; NotFound when the card was not given to this institution."""
        with self._database.read() as conn:
            found = find_by_derived(conn, card, "card", caller.institution)
        if found is None:
            raise NotFound("no such card was given to this institution")
        return found

    def _row(self, conn: Connection, form: Form, prompt: Prompt, caller: Caller) -> dict[str, Any]:
        offered = [one.item for one in prompt.offers]
        items = _chosen(form, prompt, offered)
        ids = {one.report_id for one in prompt.offers if one.item in items and one.report_id}
        found = conn.execute(_REPORTS, {"ids": sorted(ids)}).all() if form.action == "recognised" and ids else []
        reports = [{"ref": one.ref, "institution": one.institution, "version": one.version} for one in found]
        row_id = derived_id(prompt.decision_id, prompt.order_id, "recognition")
        note = None
        if form.note:
            note = self._keys.seal(storable(form.note).encode(), f"recognition|note|{row_id}")
        return {
            "id": row_id,
            "decision_id": prompt.decision_id,
            "order_id": prompt.order_id,
            "institution": caller.institution,
            "recorded_at": to_us(self._clock()),
            "actor": storable(caller.actor)[:200],
            "action": form.action,
            "items": _text(items),
            "reasons": _text(list(form.reasons)),
            "reports": _text(reports),
            "note": note,
            "patient_informed": form.patient_informed,
            "body_digest": self._keys.token(_DIGEST, form.sha256.hex()),
        }

    def _store(self, conn: Connection, row: dict[str, Any], caller: Caller) -> Recorded:
        known = conn.execute(_ONE, {"wanted": row["decision_id"], "order": row["order_id"]}).mappings().one_or_none()
        if known is not None:
            renewed = self._keys.renewed
            if renewed(_DIGEST, bytes(known["body_digest"])) != renewed(_DIGEST, row["body_digest"]):
                raise Contradiction("another choice was already recorded for this order")
            return Recorded(_shown(known), False)
        _require_standing(conn, row["decision_id"])
        conn.execute(_INSERT, row)
        action = Action.ORDER_RECOGNISED if row["action"] == "recognised" else Action.ORDER_REPEATED
        # items of a repeat are the caller's own words, those recognised were offered by us
        keys = ("items", "reasons") if action is Action.ORDER_RECOGNISED else ("reasons",)
        detail = {key: msgspec.json.decode(row[key]) for key in keys}
        subject = f"Decision/{row['decision_id']}"
        self._audit.append(conn, AuditEntry.by(caller, row["recorded_at"], action, subject, detail))
        return Recorded(_shown(row), True)

    def page(self, caller: Caller, limit: int = 100, after: str = "") -> dict[str, Any]:
        """Recognitions, oldest first, for auditors; `after` is the `next` of the page before."""
        caller.require(Role.AUDITOR)
        if not 1 <= limit <= LARGEST_PAGE:
            raise InvalidInput("the page cannot be given", [Fault("limit", f"must lie between 1 and {LARGEST_PAGE}")])
        at, _, last = after.partition("~")
        if after and not _NEXT.fullmatch(after):
            raise InvalidInput("the page cannot be given", [Fault("after", "must be the next of an earlier page")])
        now = to_us(self._clock())
        entry = AuditEntry.by(caller, now, Action.RECOGNITIONS_READ, "Recognition", {"limit": limit})
        self._journal.submit(lambda conn: self._audit.append(conn, entry))
        with self._database.read() as conn:
            found = conn.execute(_PAGE.limit(limit), {"at": int(at or 0), "last": last}).mappings().all()
        more = f"{found[-1]['recorded_at']}~{found[-1]['id']}" if len(found) == limit else None
        return {"recognitions": [_shown(one) | {"institution": one["institution"]} for one in found], "next": more}


def _require_standing(conn: Connection, decision_id: str) -> None:
    """As `require_standing`. What stands does so until the transaction ends, so whoever invalidates it later sees the
    choice that is being recorded."""
    once(conn, share_persons)
    require_standing(*conn.execute(_STATE, {"wanted": decision_id}).one())


_STATE = select(decision.c.state, decision.c.superseded_by).where(decision.c.id == bindparam("wanted"))
_ONE = select(recognition).where(
    and_(recognition.c.decision_id == bindparam("wanted"), recognition.c.order_id == bindparam("order"))
)
_INSERT = insert(recognition)
_REPORTS = (
    select(report.c.ref, report.c.institution, report.c.version)
    .where(report.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(report.c.id)
)
_PAGE = (
    select(recognition)
    .where(
        or_(
            recognition.c.recorded_at > bindparam("at"),
            and_(recognition.c.recorded_at == bindparam("at"), recognition.c.id > bindparam("last")),
        )
    )
    .order_by(recognition.c.recorded_at, recognition.c.id)
)


def _chosen(form: Form, prompt: Prompt, offered: list[str]) -> list[str]:
    if form.action == "repeated":
        if prompt.outcome == "reusable" and not form.reasons:
            raise InvalidInput(
                "the recognition has faults", [Fault("/reasons", "a repeat of a reusable order needs a reason")]
            )
        return sorted(form.items if form.items is not None else offered)
    if not offered:
        raise InvalidInput("the recognition has faults", [Fault("/orderId", "nothing was offered for this order")])
    items = sorted(offered) if form.items is None else list(form.items)
    faults = [Fault("/items", f"{one} was not offered for this order") for one in items if one not in offered]
    if not items:
        faults.append(Fault("/items", "must name at least one item"))
    if faults:
        raise InvalidInput("the recognition has faults", faults)
    return items


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _shown(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "decisionId": row["decision_id"],
        "orderId": row["order_id"],
        "action": row["action"],
        "items": msgspec.json.decode(row["items"]),
        "reasons": msgspec.json.decode(row["reasons"]),
        "reports": msgspec.json.decode(row["reports"]),
        "patientInformed": row["patient_informed"],
        "recordedAt": from_us(row["recorded_at"]).isoformat(timespec="milliseconds"),
    }
