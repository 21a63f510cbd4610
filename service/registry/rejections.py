"""Inputs that cannot be used: kept with their reason until they are done with."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, case, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.ingest.port import Rejection, StoredRejection
from service.registry import documents
from service.registry.bulk import ByKeys
from service.registry.columns import fit, from_us, storable
from service.registry.session import Session
from service.registry.tables import document, rejected
from service.security.keys import KeyRing

_WAITS = rejected.c.resolved_at.is_(None)
_RESOLVE = ByKeys(
    lambda among: (
        update(rejected)
        .where(rejected.c.institution == bindparam("own"), among(rejected.c.id), _WAITS)
        .values(resolved_at=bindparam("at"))
    )
)


def reject(session: Session, rejections: Iterable[Rejection]) -> None:
    """Keeps rejections, each document and place once: the newest reason counts, the oldest time while it waits."""
    listed = list(rejections)
    rows = [
        {
            "id": new,
            "institution": session.institution,
            "document_id": one.document_id,
            "place": fit(one.place, 300),
            "code": one.code[:40],
            "reason": storable(one.reason),
            "rejected_at": session.now,
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
    }
    session.conn.execute(insert.on_conflict_do_update(index_elements=["document_id", "place"], set_=again), rows)


def resolve(session: Session, ids: Collection[int]) -> None:
    """Marks rejections as done with."""
    _RESOLVE.execute(session.conn, ids, own=session.institution, at=session.now)


def waiting(conn: Connection, keys: KeyRing, institution: str | None = None) -> list[StoredRejection]:
    """The rejections that wait, oldest first; of one institution or of all."""
    statement = (
        select(rejected, document.c.name, document.c.media)
        .join(document, document.c.id == rejected.c.document_id)
        .where(_WAITS)
        .order_by(rejected.c.id)
    )
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
        )
        for row in conn.execute(statement)
    ]
