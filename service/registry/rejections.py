"""Inputs that cannot be used: kept with their reason until they are done with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.ingest.port import Accepted, Rejection, StoredRejection
from service.registry import documents
from service.registry.bulk import ByKeys
from service.registry.columns import fit, from_us, from_us_or_none, storable, to_us, to_us_or_none
from service.registry.session import Session
from service.registry.tables import document, pulled_document, rejected
from service.security.keys import KeyRing

_WAITS = rejected.c.resolved_at.is_(None)
_RESOLVE = ByKeys(
    lambda among: (
        update(rejected)
        .where(rejected.c.institution == bindparam("own"), among(rejected.c.id), _WAITS)
        .values(resolved_at=bindparam("at"), is_superseded=bindparam("superseded"))
    )
)
_OWN = (rejected.c.institution == bindparam("own"), _WAITS, rejected.c.ref.is_not(None))
_ANY = select(rejected.c.id).where(*_OWN).limit(1)
_OF_RECORDS = ByKeys(
    lambda among: (
        select(
            rejected.c.id, rejected.c.ref, rejected.c.version_at, pulled_document.c.source,
            func.max(pulled_document.c.id).label("arrival"),
        )
        .join(pulled_document, pulled_document.c.document_id == rejected.c.document_id)
        .where(*_OWN, among(rejected.c.ref))
        .group_by(rejected.c.id, rejected.c.ref, rejected.c.version_at, pulled_document.c.source)
    )
)  # fmt: skip
_ARRIVALS = ByKeys(
    lambda among: (
        select(pulled_document.c.document_id, pulled_document.c.source, func.max(pulled_document.c.id).label("arrival"))
        .where(among(pulled_document.c.document_id))
        .group_by(pulled_document.c.document_id, pulled_document.c.source)
    )
)


def reject(session: Session, rejections: Iterable[Rejection]) -> None:
    """Keeps rejections, each document and place once: the newest reason counts, the oldest time while it waits."""
    listed = list(rejections)
    session.hide_all(one.ref for one in listed if one.ref)
    rows = [
        {
            "id": new,
            "institution": session.institution,
            "document_id": one.document_id,
            "place": fit(one.place, 300),
            "code": one.code[:40],
            "reason": storable(one.reason),
            "rejected_at": session.now,
            "ref": session.hide(one.ref) if one.ref else None,
            "version_at": to_us_or_none(one.version_at),
            "is_superseded": False,
        }
        for one, new in zip(listed, session.take_ids("rejected", len(listed)), strict=True)
    ]
    if not rows:
        return
    insert: Any = (sqlite if session.conn.dialect.name == "sqlite" else postgresql).insert(rejected)
    again = {
        "code": insert.excluded.code,
        "reason": insert.excluded.reason,
        "rejected_at": case((_WAITS, rejected.c.rejected_at), else_=insert.excluded.rejected_at),
        "resolved_at": None,
        "ref": func.coalesce(insert.excluded.ref, rejected.c.ref),
        "version_at": func.coalesce(insert.excluded.version_at, rejected.c.version_at),
        "is_superseded": False,
    }
    session.conn.execute(insert.on_conflict_do_update(index_elements=["document_id", "place"], set_=again), rows)


def resolve(session: Session, ids: Collection[int]) -> None:
    """Marks rejections as done with."""
    _RESOLVE.execute(session.conn, ids, own=session.institution, at=session.now, superseded=False)


def supersede(session: Session, accepted: Mapping[str, Accepted]) -> None:
    """Marks rejections as done with whose record the same source has given since in a version that could be used
    (`Batch.supersede`). Of two versions the source's own times decide, else the arrival (contract, section 3)."""
    conn, own = session.conn, session.institution
    if not accepted or conn.execute(_ANY, {"own": own}).first() is None:
        return
    session.hide_all(accepted)
    by_ref = {session.hide(ref): one for ref, one in accepted.items()}
    waiting = list(_OF_RECORDS.rows(conn, by_ref, own=own))
    documents_of = {by_ref[row.ref].document_id for row in waiting}
    arrived = {(row.document_id, row.source): row.arrival for row in _ARRIVALS.rows(conn, documents_of)}
    done = []
    for row in waiting:
        good = by_ref[row.ref]
        arrival = arrived.get((good.document_id, row.source))
        at = None if good.version_at is None else to_us(good.version_at)
        if arrival is not None and _is_later((at, arrival), (row.version_at, row.arrival)):
            done.append(row.id)
    _RESOLVE.execute(conn, done, own=own, at=session.now, superseded=True)


def _is_later(good: tuple[int | None, int], bad: tuple[int | None, int]) -> bool:
    if good[0] is not None and bad[0] is not None and good[0] != bad[0]:
        return good[0] > bad[0]
    return good[1] > bad[1]


def waiting(conn: Connection, keys: KeyRing, institution: str | None = None) -> list[StoredRejection]:
    """The rejections that wait, oldest first; of one institution or of all."""
    return listed(conn, keys, institution)


def listed(
    conn: Connection, keys: KeyRing, institution: str | None = None, *, done: bool = False
) -> list[StoredRejection]:
    """The rejections that wait, and with `done` those that no longer do, oldest first; of one institution or of all."""
    statement = (
        select(rejected, document.c.name, document.c.media)
        .join(document, document.c.id == rejected.c.document_id)
        .order_by(rejected.c.id)
    )
    if not done:
        statement = statement.where(_WAITS)
    if institution is not None:
        statement = statement.where(rejected.c.institution == institution)
    return [
        StoredRejection(
            row.id,
            row.institution,
            row.document_id,
            documents.open_name(keys, row.document_id, row.name),
            row.media,
            row.place,
            row.code,
            row.reason,
            from_us(row.rejected_at),
            from_us_or_none(row.resolved_at),
            row.is_superseded,
            row.ref or "",
        )
        for row in conn.execute(statement)
    ]
