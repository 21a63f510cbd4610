"""Questions people ask of the person index. Each is audited before it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import product
from typing import Any

from sqlalchemy import Connection

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.domain.errors import Fault, InvalidInput
from service.identity.persons import pair
from service.identity.store.explain import explain
from service.identity.store.history import person_at
from service.identity.store.records import find_records, names_of, persons_of, read_name
from service.identity.store.ruled import read_reasons
from service.identity.store.shown import show
from service.identity.store.stakes import Filter, count_alarms, review_page
from service.registry.columns import to_us
from service.registry.database import Database
from service.security.caller import Caller, Role
from service.security.keys import KeyRing


class Inquiries:
    """Raises InvalidInput, NotPermitted, NotFound (no such record), Unavailable."""

    def __init__(self, database: Database, keys: KeyRing, audit: AuditLog) -> None:
        self._database = database
        self._keys = keys
        self._audit = audit

    def explain(self, a: str, b: str, caller: Caller, at: str | None = None) -> dict[str, Any]:
        """Why the two are one person, or are not: each pair of records under the two names. What the records say is
        for stewards alone; auditors see how it compares."""
        caller.require(Role.STEWARD, Role.AUDITOR)
        left, right, then = read_name(a, "a"), read_name(b, "b"), read_time(at)
        may_see = caller.role is not Role.AUDITOR
        with self._database.snapshot() as conn:
            sides = find_records(conn, self._keys, left, "a"), find_records(conn, self._keys, right, "b")
            pairs = sorted({pair(*one) for one in product(*sides) if one[0] != one[1]})
            if not pairs:
                raise InvalidInput("two patient records are needed", [Fault("b", "is the same record as a")])
            detail = {"records": sorted({*sides[0], *sides[1]}), "values": may_see, "at": then}
            self._note(caller, Action.IDENTITY_EXPLAINED, detail)
            a_side = set(sides[0])
            ordered = [one if one[0] in a_side else one[::-1] for one in pairs]
            return {"a": a.strip(), "b": b.strip(), "at": at, "pairs": self._explained(conn, ordered, then, may_see)}

    def _explained(
        self, conn: Connection, pairs: list[tuple[int, int]], then: int | None, may_see: bool
    ) -> list[dict[str, Any]]:
        found = []
        for one in (explain(conn, self._keys, a, b, then) for a, b in pairs):
            names = names_of(conn, self._keys, one.records)
            reasons = read_reasons(conn, self._keys, [each.id for each in one.rulings]) if may_see else None
            found.append(show(one, names, reasons))
        return found

    def person(self, record: str, caller: Caller, at: str | None = None) -> dict[str, Any]:
        """Which records are one person with this one: now, or as was thought at the time `at` (RFC 3339)."""
        caller.require(Role.STEWARD)
        name, then = read_name(record, "record"), read_time(at)
        with self._database.snapshot() as conn:
            records = find_records(conn, self._keys, name, "record")
            self._note(caller, Action.IDENTITY_EXPLAINED, {"records": list(records), "at": then})
            groups = {persons_of(conn, [one])[one] if then is None else person_at(conn, [one], then) for one in records}
            names = names_of(conn, self._keys, {one for group in groups for one in group})
        persons = sorted(sorted(str(names[one]) for one in group if one in names) for group in groups)
        return {"record": record.strip(), "at": at, "persons": persons}

    def review(
        self, caller: Caller, limit: int = 100, after: str = "", institution: str | None = None
    ) -> dict[str, Any]:
        """What waits for a person's decision, those first on whom most hangs; `after` is the `next` of the page
        before."""
        caller.require(Role.STEWARD)
        wanted = Filter(limit, after, institution)
        wanted.check()
        self._note(caller, Action.REVIEW_READ, {"limit": limit, "after": after, "institution": institution})
        with self._database.snapshot() as conn:
            page = review_page(conn, self._keys, self._database.now_us(), wanted)
            alarms: Mapping[str, int] | None = None if after else count_alarms(conn)
        return {**page, "alarms": alarms}

    def _note(self, caller: Caller, action: Action, detail: Mapping[str, object]) -> None:
        entry = AuditEntry.by(caller, self._database.now_us(), action, "Identity", detail)
        with self._database.write() as conn:
            self._audit.append(conn, entry)


def read_time(text: str | None) -> int | None:
    """A time in RFC 3339 with its offset, as microseconds since 1970 UTC; InvalidInput names `at`."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidInput(
            "the time cannot be read", [Fault("at", "a time with its offset is expected, as 2026-11-22T10:00:00+08:00")]
        )
    return to_us(found.astimezone(UTC))
