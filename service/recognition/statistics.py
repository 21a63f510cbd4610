"""Recognition counts by period and group, for a hospital's own monitoring and for auditors (research: domain 1.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, bindparam, or_, select

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.domain.errors import Fault, InvalidInput
from service.domain.times import Precision, parse_when
from service.recognition.counting import RATE_FORMULA, Answered, Counts
from service.recognition.prompts import PROMPTING, Offer, read_offers
from service.registry.columns import from_us, to_us
from service.registry.database import Database
from service.registry.journal import Journal
from service.registry.reach import INVALIDATED, SUPERSEDED
from service.registry.tables import decision, prompt, recognition
from service.security.caller import Caller, Role

GROUPS = ("issuer", "requester", "item", "kind", "month", "day", "reason", "mark")
_OF_AN_OFFER = frozenset({"issuer", "item", "mark"})


@dataclass(frozen=True, slots=True)
class Question:
    """What is counted: prompts decided in [start, end) microseconds, grouped `by`, of one requester or of all."""

    start: int
    end: int
    by: tuple[str, ...] = ()
    requester: str | None = None


def read_question(from_text: str | None, to_text: str | None, by: str | None, zone: tzinfo) -> Question:
    """A question from its texts: days (both inclusive, in `zone`) or moments (`to` exclusive); `by` comma-separated.
    Raises InvalidInput."""
    names = tuple(dict.fromkeys(one.strip() for one in (by or "").split(",") if one.strip()))
    faults = [Fault("by", f"must be some of {', '.join(GROUPS)}") for one in names if one not in GROUPS]
    start = _edge(from_text, "from", 0, zone, faults)
    end = _edge(to_text, "to", 2**62, zone, faults)
    if not faults and start > end:
        faults.append(Fault("to", "must not lie before from"))
    if faults:
        raise InvalidInput("the question has faults", faults)
    return Question(start, end, names)


def _edge(text: str | None, name: str, default: int, zone: tzinfo, faults: list[Fault]) -> int:
    if not text:
        return default
    try:
        when = parse_when(text.strip().replace(" ", "+"), zone)  # in an address a plus that nobody escaped is a blank
    except ValueError:
        faults.append(Fault(name, "a day (2026-11-22) or a time (RFC 3339) is expected"))
        return default
    return to_us(when.end if name == "to" and when.precision is not Precision.MOMENT else when.start)


class Statistics:
    """Answers questions about counts; asking is audited."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        audit: AuditLog,
        zone: Callable[[], tzinfo],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._journal = journal
        self._audit = audit
        self._zone = zone
        self._clock = clock

    def ask(self, from_text: str | None, to_text: str | None, by: str | None, caller: Caller) -> dict[str, Any]:
        """The counts. Auditors see all requesters, a clinician or system its own institution's prompts only."""
        caller.require(Role.AUDITOR, Role.CLINICIAN, Role.SYSTEM)
        zone = self._zone()
        question = read_question(from_text, to_text, by, zone)
        if caller.role in (Role.CLINICIAN, Role.SYSTEM):
            question = Question(question.start, question.end, question.by, caller.institution)
        detail = {"from": from_text or "", "to": to_text or "", "by": list(question.by)}
        entry = AuditEntry.by(caller, to_us(self._clock()), Action.STATISTICS_READ, "Statistics", detail)
        self._journal.submit(lambda conn: self._audit.append(conn, entry))
        with self._database.snapshot() as conn:  # rows come in portions, which PostgreSQL does in a transaction only
            rows, total = count(conn, question, zone)
        return {
            "from": from_text,
            "to": to_text,
            "by": list(question.by),
            "requester": question.requester,
            "rateFormula": RATE_FORMULA,
            "rows": rows,
            "total": total,
        }


def count(conn: Connection, question: Question, zone: tzinfo) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of the groups, in their order, and the counts over all. A prompt with offers of several groups is
    counted once in each of them."""
    groups: dict[tuple[str, ...], Counts] = {}
    total = Counts()
    for row in _rows(conn, question):
        answer = _answer(row)
        offers = read_offers(row.offered, row.outcome, row.panel_amount, answer.items)
        total.add(offers, answer)
        for key, chosen in _split(row, offers, answer, question.by, zone):
            groups.setdefault(key, Counts()).add(chosen, answer)
    if not question.by:
        return [total.shown()], total.shown()
    shown = [dict(zip(question.by, key, strict=True)) | counts.shown() for key, counts in sorted(groups.items())]
    return shown, total.shown()


def _rows(conn: Connection, question: Question) -> Iterator[Any]:
    query = _SELECT
    if question.requester is not None:
        query = query.where(prompt.c.institution == question.requester)
    found = conn.execution_options(yield_per=2000).execute(query, {"least": question.start, "most": question.end})
    yield from found


def _replaced(state: str) -> Select[tuple[str]]:
    """The few decisions in whose place another one is counted: so each order counts once."""
    return select(decision.c.id).where(decision.c.change_id.is_not(None), decision.c.state == state)


_SELECT = (
    select(
        prompt.c.institution, prompt.c.decided_at, prompt.c.kind, prompt.c.outcome, prompt.c.offered,
        prompt.c.panel_amount, recognition.c.action, recognition.c["items"].label("taken"), recognition.c.reasons,
    )
    .join_from(
        prompt,
        recognition,
        and_(recognition.c.decision_id == prompt.c.decision_id, recognition.c.order_id == prompt.c.order_id),
        isouter=True,
    )
    .where(
        prompt.c.decided_at >= bindparam("least"),
        prompt.c.decided_at < bindparam("most"),
        prompt.c.outcome.in_(PROMPTING),
        prompt.c.offered != "[]",  # an identity conflict asks for a look, but offers nothing that could be recognised
        prompt.c.decision_id.not_in(_replaced(INVALIDATED)),
        or_(recognition.c.action.is_not(None), prompt.c.decision_id.not_in(_replaced(SUPERSEDED))),
    )
)  # fmt: skip


def _answer(row: Any) -> Answered:
    if row.action is None:
        return Answered(None)
    items = frozenset(msgspec.json.decode(row.taken)) if row.action == "recognised" else frozenset()
    return Answered(row.action, items, tuple(msgspec.json.decode(row.reasons)) if row.action == "repeated" else ())


def _split(
    row: Any, offers: Iterable[Offer], answer: Answered, by: tuple[str, ...], zone: tzinfo
) -> list[tuple[tuple[str, ...], list[Offer]]]:
    """The keys of the groups a prompt belongs to, each with its offers there."""
    if not by:
        return []
    shared = {"requester": row.institution, "kind": row.kind}
    if "month" in by or "day" in by:
        day = from_us(row.decided_at).astimezone(zone).date().isoformat()
        shared |= {"month": day[:7], "day": day}
    found: dict[tuple[str, ...], list[Offer]] = {}
    for reason in (answer.reasons or ("",)) if "reason" in by else ("",):
        for offer in offers:
            key = tuple(
                [
                    reason if name == "reason" else getattr(offer, name) or "" if name in _OF_AN_OFFER else shared[name]
                    for name in by
                ]
            )
            found.setdefault(key, []).append(offer)
    return list(found.items())
