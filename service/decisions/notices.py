"""What institutions have to be told when an earlier decision no longer stands, and their fetching it.

The requester is told, and each institution whose result had been offered; a notice never says who the patient is: who
may know finds that through the decision or the report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import bindparam, select

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.domain.errors import Fault, InvalidInput
from service.registry.columns import from_us
from service.registry.database import Database
from service.registry.journal import Journal
from service.registry.tables import identity_change, notice
from service.security.caller import Caller, Role

WRONG_PERSON, CHANGED = "recognition-on-wrong-person", "decision-changed"
"""Kinds: a result was recognised that rested on records found to be of different people; or, without that, a decision
has been replaced."""

LARGEST_PAGE = 500

_TEXTS = {
    (WRONG_PERSON, "requester"): (
        "贵院已认可的结果所依据的档案被发现属于不同的人。请立即复核该患者的诊疗，并以新的判定为准。",
        "Results that you recognised rested on records found to be of different people. Review the patient's care now, "
        "and go by the decision in its place.",
    ),
    (WRONG_PERSON, "issuer"): (
        "贵院的结果曾被认可用于一名患者，而其所依据的档案被发现属于不同的人。请核对贵院的患者登记。",
        "Results of yours were recognised for a patient on records found to be of different people. Check how you have "
        "registered the patient.",
    ),
    (CHANGED, "requester"): (
        "患者档案的关联已变更，此前的判定不再有效。请以新的判定为准。",
        "Which records are the patient's has changed, and the earlier decision no longer stands. Go by the one in its "
        "place.",
    ),
    (CHANGED, "issuer"): (
        "患者档案的关联已变更，曾引用贵院结果的判定不再有效。",
        "Which records are the patient's has changed; a decision that offered results of yours no longer stands.",
    ),
}


class Offered(msgspec.Struct, frozen=True, rename={"report_id": "reportId"}):
    """One item that a prompt offered."""

    item: str
    issuer: str = ""
    report: str | None = None
    report_id: int | None = None


_OFFERED = msgspec.json.Decoder(list[Offered])


@dataclass(frozen=True, slots=True)
class Shown:
    """What an order of the old decision offered, as its prompt has it, and the items recognised of it."""

    order_id: str
    offered: str
    recognised: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Replaced:
    """A decision that no longer stands. `successor` is the id of the one in its place and `offers` what that offers, as
    its prompts have it by order; None where it could not be evaluated again or is not looked at. `was_wrong`: it rested
    on records of different people."""

    id: str
    institution: str
    change_id: int
    was_wrong: bool
    shown: Sequence[Shown]
    successor: str | None = None
    offers: Mapping[str, str] | None = None


def notice_rows(old: Replaced) -> list[dict[str, Any]]:
    """The notices on it, without id and time: the requester's, then those of the institutions it offered results of."""
    items = [
        {
            "orderId": one.order_id,
            "item": each.item,
            "issuer": each.issuer,
            "report": each.report,
            "recognised": each.item in one.recognised,
            "stillOffered": None if old.offers is None else _is_in(each, old.offers.get(one.order_id, "[]")),
        }
        for one in old.shown
        for each in _OFFERED.decode(one.offered)
    ]
    rows = [_row(old, old.institution, {"as": "requester", "items": items})]
    for issuer in sorted({str(one["issuer"]) for one in items} - {old.institution, ""}):
        own = [{key: one[key] for key in _FOR_ISSUERS} for one in items if one["issuer"] == issuer]
        rows.append(_row(old, issuer, {"as": "issuer", "items": own}))
    return rows


_FOR_ISSUERS = ("item", "report", "recognised", "stillOffered")
"""An order's number is the requester's own affair."""


def _is_in(one: Offered, offered: str) -> bool:
    return any(each.item == one.item and each.report_id == one.report_id for each in _OFFERED.decode(offered))


def _row(old: Replaced, institution: str, body: dict[str, Any]) -> dict[str, Any]:
    is_harmful = old.was_wrong and any(one["recognised"] for one in body["items"])
    return {
        "institution": institution[:64],
        "kind": WRONG_PERSON if is_harmful else CHANGED,
        "change_id": old.change_id,
        "decision_id": old.id,
        "superseded_by": old.successor,
        "body": msgspec.json.encode(body).decode(),
    }


class Notices:
    """Gives institutions their notices; fetching is audited."""

    def __init__(self, database: Database, journal: Journal, audit: AuditLog) -> None:
        self._database = database
        self._journal = journal
        self._audit = audit

    def page(self, caller: Caller, limit: int = 100, after: str = "") -> dict[str, Any]:
        """The notices of the caller's own institution, oldest first; `after` is an id of theirs, or the `next` of the
        page before. Raises InvalidInput, NotPermitted, Unavailable."""
        caller.require(Role.CLINICIAN, Role.SYSTEM)
        faults = []
        if not 1 <= limit <= LARGEST_PAGE:
            faults.append(Fault("limit", f"must lie between 1 and {LARGEST_PAGE}"))
        if after and not re.fullmatch(r"[0-9]{1,18}", after):
            faults.append(Fault("after", "must be the id of a notice, or the next of an earlier page"))
        if faults:
            raise InvalidInput("the page cannot be given", faults)
        detail = {"limit": limit, "after": after}
        entry = AuditEntry.by(caller, self._database.now_us(), Action.NOTICES_READ, "Notice", detail)
        self._journal.submit(lambda conn: self._audit.append(conn, entry))
        wanted = {"institution": caller.institution, "after": int(after or 0)}
        with self._database.read() as conn:
            found = conn.execute(_PAGE.limit(limit), wanted).all()
        return {"notices": [_shown(one) for one in found], "next": str(found[-1].id) if len(found) == limit else None}


_PAGE = (
    select(notice, identity_change.c.cause)
    .join_from(notice, identity_change, identity_change.c.id == notice.c.change_id)
    .where(notice.c.institution == bindparam("institution"), notice.c.id > bindparam("after"))
    .order_by(notice.c.id)
)


def _shown(row: Any) -> dict[str, Any]:
    body = msgspec.json.decode(row.body)
    zh, en = _TEXTS[row.kind, body["as"]]
    return {
        "id": str(row.id),
        "at": from_us(row.at).isoformat(timespec="milliseconds"),
        "kind": row.kind,
        "as": body["as"],
        "cause": row.cause,
        "decisionId": row.decision_id,
        "supersededBy": row.superseded_by,
        "items": body["items"],
        "text": {"zh": zh, "en": en},
    }
