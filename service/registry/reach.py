"""How far a change of persons reaches: which decisions rested on records that are no longer one person's.

A decision and a change of the index must not pass each other unseen: whoever stores a decision shares the lock on the
persons and looks for changes since it read them; whoever changes persons holds that lock alone. Take it before the
audit log's, which is taken last of all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, func, select, text, update

from service.domain.errors import Contradiction
from service.registry.bulk import Among, ByKeys
from service.registry.journal import flush
from service.registry.prepared import Prepared
from service.registry.tables import decision, decision_record, identity_change

STANDING, INVALIDATED, SUPERSEDED = "standing", "identity-invalidated", "superseded"
"""What `decision.state` can be. Invalidated: it rested on records that are not one person's. Superseded: a later
decision replaced it without its having been wrong."""

_JOINING = ("link", "withdrawn")
"""Causes of changes by which people can bring records together (`identity.links.Cause`)."""


def require_standing(state: str, successor: str | None) -> None:
    """Contradiction, with what to do, where a decision of this state no longer stands."""
    if state == STANDING:
        return
    why = "its records were found to be of different people" if state == INVALIDATED else "more became known"
    instead = f"decision {successor} stands in its place" if successor else "ask again: POST /api/v1/match"
    raise Contradiction(f"the decision no longer stands: {why}; {instead}")


_LOCK = int.from_bytes(hashlib.sha256(b"persons").digest()[:8], "big", signed=True)


def hold_persons(conn: Connection) -> None:
    """Waits until no decision is being stored, and keeps others from it until this transaction ends."""
    _lock(conn, "pg_advisory_xact_lock")


def share_persons(conn: Connection) -> None:
    """Keeps the persons as they are until this transaction ends; many may do so at once."""
    _lock(conn, "pg_advisory_xact_lock_shared")


def _lock(conn: Connection, function: str) -> None:
    if conn.dialect.name != "sqlite":  # there writers come one after another anyway
        conn.execute(text(f"SELECT {function}(:key)"), {"key": _LOCK})


@dataclass(frozen=True, slots=True)
class Change:
    """Persons that came apart or together. `at` in microseconds since 1970 UTC; `record_ids` of all persons touched."""

    id: int
    at: int
    cause: str
    actor: str
    record_ids: tuple[int, ...]

    @property
    def may_join(self) -> bool:
        """Whether people brought records together by it, so that earlier decisions may have known too little."""
        return self.cause in _JOINING


def newest_change(conn: Connection) -> int:
    """The id of the last change of persons, 0 before the first. Ids are given under the lock of the index, so a later
    change has a higher one."""
    return int(_NEWEST.rows(conn, [])[0][0] or 0)


def records_changed_since(conn: Connection, seen: int) -> set[int]:
    """The records of all persons changed after the change `seen`."""
    rows = conn.execute(_SINCE, {"seen": seen})
    return {record for (records,) in rows for record in msgspec.json.decode(records, type=list[int])}


def mark_rested(conn: Connection, change_id: int, groups: Sequence[Collection[int]]) -> list[str]:
    """Invalidates every decision that rested on records of two or more of the persons `groups`: a partition, as it is
    now, of the records that the change `change_id` touched. To be called in the change's own transaction.

    Gives their ids, sorted. A decision that was superseded before is marked too (a choice may have been recorded on
    it); one that was invalidated before stays with the change that did so. What is standing is so no longer, at once;
    `decisions.reach` evaluates it again and tells those concerned.
    """
    hold_persons(conn)
    flush(conn)
    group_of = {record: number for number, group in enumerate(groups) for record in group}
    if len(set(group_of.values())) < 2:
        return []
    first: dict[str, int] = {}
    torn: set[str] = set()
    for record, decision_id in _RESTED.rows(conn, group_of):
        if first.setdefault(decision_id, group_of[record]) != group_of[record]:
            torn.add(decision_id)
    marked = _MARK.rows(conn, sorted(torn), change=change_id)
    return sorted(row.id for row in marked)


def mark_misfound(conn: Connection, change_id: int, institution: str, record_ids: Collection[int]) -> list[str]:
    """Invalidates the decisions of other institutions that rested on any of these records of `institution`, which now
    say that they are of somebody else. As `mark_rested`; the institution's own decisions found the record by the
    hospital's number, which stays."""
    hold_persons(conn)
    flush(conn)
    misfound = {row.decision_id for row in _ELSEWHERE.rows(conn, record_ids, own=institution)}
    return sorted(row.id for row in _MARK.rows(conn, sorted(misfound), change=change_id))


def rested_on(conn: Connection, record_ids: Collection[int], after: str, limit: int) -> list[str]:
    """The standing decisions that rested on any of these records, in the order of their ids after `after`."""
    found = {row.decision_id for row in _STANDING.rows(conn, record_ids, after=after, most=limit)}
    return sorted(found)[:limit]


def waiting_changes(conn: Connection) -> list[Change]:
    """The changes whose decisions are not all looked at again yet, oldest first."""
    return [
        Change(row.id, row.at, row.cause, row.actor, tuple(msgspec.json.decode(row.records, type=list[int])))
        for row in conn.execute(_WAITING)
    ]


def count_waiting(conn: Connection) -> int:
    """How many changes wait."""
    return int(conn.execute(_COUNT).scalar_one())


def unsettled(conn: Connection, change_id: int, after: str, limit: int) -> list[str]:
    """The decisions that the change invalidated and that are not settled, in the order of their ids after `after`."""
    return list(conn.execute(_UNSETTLED, {"change": change_id, "after": after, "most": limit}).scalars())


def count_unsettled(conn: Connection, most: int) -> int:
    """How many decisions `unsettled` gives for all waiting changes; counted no further than `most`."""
    return int(conn.execute(_COUNT_UNSETTLED, {"most": most}).scalar_one())


def finish(conn: Connection, change_id: int, now: int) -> None:
    """Notes that the change is worked off (`now` in microseconds since 1970 UTC)."""
    conn.execute(_FINISH, {"change": change_id, "now": now})


def _rested(among: Among) -> Any:
    return select(decision_record.c.record_id, decision_record.c.decision_id).where(among(decision_record.c.record_id))


def _mark(among: Among) -> Any:
    return (
        update(decision)
        .where(among(decision.c.id), decision.c.state.in_((STANDING, SUPERSEDED)))
        .values(state=INVALIDATED, change_id=bindparam("change"), settled_at=None)
        .returning(decision.c.id)
    )


def _elsewhere(among: Among) -> Any:
    return (
        select(decision_record.c.decision_id)
        .join(decision, decision.c.id == decision_record.c.decision_id)
        .where(among(decision_record.c.record_id), decision.c.institution != bindparam("own"))
        .where(decision.c.state.in_((STANDING, SUPERSEDED)))
    )


def _standing(among: Among) -> Any:
    rested = decision_record.c
    return (
        select(rested.decision_id)
        .join(decision, decision.c.id == rested.decision_id)
        .where(among(rested.record_id), rested.decision_id > bindparam("after"), decision.c.state == STANDING)
        .order_by(rested.decision_id)
        .limit(bindparam("most"))
    )


def _newest() -> Any:
    return select(func.max(identity_change.c.id))


_NEWEST = Prepared(_newest)
_SINCE = select(identity_change.c.records).where(identity_change.c.id > bindparam("seen"))
_RESTED = ByKeys(_rested)
_MARK = ByKeys(_mark)
_STANDING = ByKeys(_standing)
_ELSEWHERE = ByKeys(_elsewhere)
_OPEN = identity_change.c.done_at.is_(None)
_WAITING = select(identity_change).where(_OPEN).order_by(identity_change.c.id)
_COUNT = select(func.count()).select_from(identity_change).where(_OPEN)
_IS_UNSETTLED = and_(decision.c.state == INVALIDATED, decision.c.settled_at.is_(None))
_UNSETTLED = (
    select(decision.c.id)
    .where(decision.c.change_id == bindparam("change"), decision.c.id > bindparam("after"), _IS_UNSETTLED)
    .order_by(decision.c.id)
    .limit(bindparam("most"))
)
_COUNT_UNSETTLED = select(func.count()).select_from(
    select(decision.c.id)
    .join(identity_change, identity_change.c.id == decision.c.change_id)
    .where(_OPEN, _IS_UNSETTLED)
    .limit(bindparam("most"))
    .subquery()
)
_FINISH = (
    update(identity_change).where(identity_change.c.id == bindparam("change"), _OPEN).values(done_at=bindparam("now"))
)
