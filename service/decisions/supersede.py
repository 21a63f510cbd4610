"""Stores decisions evaluated again in the place of those they replace, with notices and audit, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select, update

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.decisions.again import Renewed
from service.decisions.notices import Replaced, Shown, notice_rows
from service.decisions.rests import ground_rows
from service.registry.bulk import Among, ByKeys, add
from service.registry.database import Database
from service.registry.journal import add_rows
from service.registry.reach import (
    INVALIDATED,
    STANDING,
    SUPERSEDED,
    Change,
    hold_persons,
    newest_change,
    records_changed_since,
    share_persons,
)
from service.registry.tables import decision, decision_record, image_offer, notice, prompt, recognition


@dataclass(frozen=True, slots=True)
class _Old:
    """A decision as it stands when it is replaced."""

    row: Any
    prompts: dict[str, Any]  # by order
    recognised: dict[str, frozenset[str]]  # items, by order; empty where the test was repeated

    @property
    def is_invalid(self) -> bool:
        return bool(self.row.state == INVALIDATED)


class Successors:
    """Puts decisions in the place of earlier ones. Doing it twice changes nothing."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    def put(self, conn: Connection, renewed: Sequence[tuple[Change, Renewed]]) -> list[Renewed]:
        """Stores them within a transaction whose audit entries are gathered. Gives those whose records were touched by
        a later change meanwhile: they are to be evaluated once more."""
        if any(change.may_join for change, _ in renewed):
            hold_persons(conn)  # a choice recorded on a standing decision must be seen here, or refused there
        else:
            share_persons(conn)
        stale = _stale(conn, [one for _, one in renewed])
        old = _read_old(conn, [one.old for _, one in renewed if one.old not in stale])
        todo = [
            (change, one, old[one.old])
            for change, one in renewed
            if one.old in old and _is_due(change, one, old[one.old])
        ]
        if todo:
            self._write(conn, todo)
        return [one for _, one in renewed if one.old in stale]

    def _write(self, conn: Connection, todo: list[tuple[Change, Renewed, _Old]]) -> None:
        now = self._database.now_us()
        fresh = [(change, one, old) for change, one, old in todo if one.row is not None]
        # Row by row: `add` sends arrays to PostgreSQL, and to quote JSON and ciphertext in these costs more than all.
        add_rows(conn, decision, [dict(one.row or {}) for _, one, _ in fresh])
        add_rows(conn, prompt, [row for _, one, old in fresh for row in _prompts(one, old)])
        add_rows(conn, image_offer, [row for _, one, _ in fresh for row in one.offers])
        add(
            conn,
            decision_record,
            [row for _, one, _ in fresh for row in ground_rows((one.row or {})["id"], one.rests_on)],
        )
        conn.execute(_SETTLE, [_settled(change, one, old, now) for change, one, old in todo])
        rows = [row for change, one, old in todo for row in notice_rows(_replaced(change, one, old))]
        first = self._database.take_ids(conn, "notice", len(rows))
        add_rows(conn, notice, [{"id": first + n, "at": now, **row} for n, row in enumerate(rows)])
        for change, one, old in todo:
            for entry in _entries(change, one, old, now):
                self._audit.append(conn, entry)


def _stale(conn: Connection, renewed: Sequence[Renewed]) -> set[str]:
    fresh = [one for one in renewed if one.row is not None]
    oldest = min((one.seen for one in fresh), default=0)
    if not fresh or newest_change(conn) == oldest:
        return set()
    changed = records_changed_since(conn, oldest)
    return {one.old for one in fresh if not changed.isdisjoint(one.rests_on)}


def _is_due(change: Change, one: Renewed, old: _Old) -> bool:
    """Whether this change replaces the decision. One that is invalid is replaced by the change that made it so, one
    that stands by a joining of records that gave it another outcome."""
    if old.is_invalid:
        is_new = one.row is None or old.row.superseded_by is None
        return bool(old.row.change_id == change.id and old.row.settled_at is None) and is_new
    return bool(old.row.state == STANDING) and change.may_join and one.row is not None and one.is_other


def _prompts(one: Renewed, old: _Old) -> list[dict[str, Any]]:
    """The prompts of the new decision: each counts when the order was first answered. Where a choice was recorded on
    an old one that was not wrong, that choice is what became of the order, and nobody is asked again."""
    if old.is_invalid:
        kept = {order: row.decided_at for order, row in old.prompts.items()}
    else:
        kept = {order: row.decided_at for order, row in old.prompts.items() if order not in old.recognised}
    return [{**row, "decided_at": kept[row["order_id"]]} for row in one.prompts if row["order_id"] in kept]


def _settled(change: Change, one: Renewed, old: _Old, now: int) -> dict[str, Any]:
    state = INVALIDATED if old.is_invalid else SUPERSEDED
    return {"old": one.old, "new": _successor(one, old), "to_state": state, "change": change.id, "now": now}


def _successor(one: Renewed, old: _Old) -> str | None:
    successor: str | None = one.row["id"] if one.row is not None else old.row.superseded_by
    return successor


def _replaced(change: Change, one: Renewed, old: _Old) -> Replaced:
    shown = [
        Shown(order, row.offered, old.recognised.get(order, frozenset())) for order, row in sorted(old.prompts.items())
    ]
    offers = {row["order_id"]: row["offered"] for row in one.prompts} if one.row is not None else None
    return Replaced(one.old, one.institution, change.id, old.is_invalid, shown, _successor(one, old), offers)


def _entries(change: Change, one: Renewed, old: _Old, now: int) -> list[AuditEntry]:
    subject, why = f"Decision/{one.old}", {"change": change.id, "cause": change.cause}
    found = []
    if old.is_invalid:
        found.append(_entry(change, one, now, Action.DECISION_INVALIDATED, subject, {**why, "at": change.at}))
    if one.row is not None:
        detail = {
            **why,
            "by": one.row["id"],
            "orders": dict(one.outcomes),
            "policy": one.row["policy_version"],
            "reports": list(one.reports),
        }
        found.append(_entry(change, one, now, Action.DECISION_SUPERSEDED, subject, detail))
    return found


def _entry(
    change: Change, one: Renewed, now: int, action: Action, subject: str, detail: dict[str, object]
) -> AuditEntry:
    return AuditEntry(now, change.actor, "system", one.institution, action, subject, detail=detail)


def _read_old(conn: Connection, ids: Collection[str]) -> dict[str, _Old]:
    """The decisions as they are now, and will be until the transaction ends."""
    found = {row.id: _Old(row, {}, {}) for row in _OLD.rows(conn, sorted(ids))}
    for row in _PROMPTS.rows(conn, found):
        found[row.decision_id].prompts[row.order_id] = row
    for row in _CHOICES.rows(conn, found):
        items = msgspec.json.decode(row[3], type=list[str]) if row.action == "recognised" else []
        found[row.decision_id].recognised[row.order_id] = frozenset(items)
    return found


def _old(among: Among) -> Any:
    found = decision.c
    return (
        select(found.id, found.state, found.change_id, found.superseded_by, found.settled_at)
        .where(among(found.id))
        .order_by(found.id)
        .with_for_update()
    )


def _prompts_of(among: Among) -> Any:
    found = prompt.c
    return select(found.decision_id, found.order_id, found.decided_at, found.offered).where(among(found.decision_id))


def _choices_of(among: Among) -> Any:
    found = recognition.c
    return select(found.decision_id, found.order_id, found.action, found["items"]).where(among(found.decision_id))


_OLD = ByKeys(_old)
_PROMPTS = ByKeys(_prompts_of)
_CHOICES = ByKeys(_choices_of)
_SETTLE = (
    update(decision)
    .where(decision.c.id == bindparam("old"))
    .values(
        superseded_by=bindparam("new"),
        state=bindparam("to_state"),
        change_id=bindparam("change"),
        settled_at=bindparam("now"),
    )
)
