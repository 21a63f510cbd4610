"""What was pulled from a source: its documents in order, the records it holds, its cursor, its days.

All functions work in the batch of the source's institution (`Session`), so a cursor moves in the transaction that
stores what it stands for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, case, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.domain.errors import TestOnceError
from service.registry.bulk import ByKeys, put
from service.registry.columns import fit, storable
from service.registry.session import Session
from service.registry.tables import document, pulled_document, pulled_record, source_day, source_state
from service.security.keys import KeyRing

_RECORDS = ByKeys(
    lambda among: select(pulled_record).where(
        pulled_record.c.source == bindparam("of_source"), among(pulled_record.c.ref)
    )
)
_IN_SCOPE = select(pulled_record.c.ref, pulled_record.c.key, pulled_record.c.misses).where(
    pulled_record.c.scope == bindparam("of_scope"),
    pulled_record.c.source == bindparam("of_source"),
    pulled_record.c.is_gone.is_(False),
    pulled_record.c.seen_at < bindparam("before"),
)
_SET_MISSES = (
    update(pulled_record)
    .where(pulled_record.c.ref == bindparam("of_ref"), pulled_record.c.source == bindparam("of_source"))
    .values(misses=bindparam("n"))
)
_WAITING = (
    select(
        pulled_document.c.id, pulled_document.c.document_id, pulled_document.c.problem, document.c.media,
        document.c.size, document.c.name,
    )
    .join_from(pulled_document, document, document.c.id == pulled_document.c.document_id)
    .where(pulled_document.c.source == bindparam("of_source"), pulled_document.c.id > bindparam("after"))
    .order_by(pulled_document.c.id)
    .limit(bindparam("most"))
)  # fmt: skip
_UNREAD = pulled_document.c.read_at.is_(None)
_RANGE = and_(pulled_document.c.received_at >= bindparam("since"), pulled_document.c.received_at < bindparam("until"))
_READ = (
    update(pulled_document).where(pulled_document.c.id == bindparam("of_id"), _UNREAD).values(read_at=bindparam("at"))
)

LISTED_NO_MORE = 2
"""So many complete listings in a row must not name a record before it counts as deleted. It keeps the number then,
which tells it from one that the source itself deleted."""


class LeaseLost(TestOnceError):
    """Another process has taken the source over; nothing of this batch was stored."""


@dataclass(frozen=True, slots=True)
class KnownRecord:
    """A record of a source as it was last seen."""

    digest: bytes
    is_gone: bool


@dataclass(frozen=True, slots=True)
class PulledDocument:
    """A document that a source gave: its own id, that of its bytes, how it is read, its size in bytes, the problem of a
    record that its adapter could not use, and its name, sealed."""

    id: int
    document_id: int
    media: str
    size: int
    problem: str | None
    name: bytes


def cursor_bound_to(source: str) -> str:
    """The place that a source's cursor is sealed for."""
    return f"source_state|cursor|{source}"


def key_bound_to(source: str, ref: str) -> str:
    """The place that the key of a record is sealed for."""
    return f"pulled_record|key|{source}|{ref}"


def read_cursor(conn: Connection, keys: KeyRing, source: str) -> dict[str, Any] | None:
    """Where the source's adapter goes on; None: from the beginning."""
    sealed = conn.execute(select(source_state.c.cursor).where(source_state.c.source == source)).scalar()
    if sealed is None:
        return None
    found: dict[str, Any] = msgspec.json.decode(keys.open(sealed, cursor_bound_to(source)))
    return found


def move_cursor(
    session: Session, source: str, owner: str, cursor: Mapping[str, Any] | None, watermark: int | None,
    lease_until: int, has_news: bool,
) -> None:  # fmt: skip
    """Moves the cursor, raises the watermark and renews the lease of `owner`. Raises LeaseLost when it is no longer
    theirs: then the transaction must not commit."""
    known = source_state.c
    values: dict[str, Any] = {"lease_until": lease_until, "reached_at": session.now}
    if cursor is not None:
        values["cursor"] = session.keys.seal(msgspec.json.encode(dict(cursor)), cursor_bound_to(source))
    if watermark is not None:
        later = or_(known.watermark.is_(None), known.watermark < watermark)
        values["watermark"] = case((later, watermark), else_=known.watermark)
    if has_news:
        values["received_at"] = session.now
    held = session.conn.execute(
        update(source_state).where(known.source == source, known.lease_owner == owner).values(**values)
    )
    if held.rowcount != 1:
        raise LeaseLost(f"source {source} is pulled by another process")


def find_records(session: Session, source: str, keys: Collection[str]) -> dict[str, KnownRecord]:
    """Those of these records that the source gave before, under the keys that were asked."""
    asked = refs_of(session, keys)
    renewed = session.keys.renewed
    return {
        asked[row.ref]: KnownRecord(renewed("pulled", bytes(row.digest)), bool(row.is_gone))
        for row in _RECORDS.rows(session.conn, asked, of_source=source)
    }


def digest_of(session: Session, body: bytes, is_deletion: bool, problem: tuple[str, str] | None = None) -> bytes:
    """What tells two bodies of one record apart. With another problem, or none, the same bytes are another."""
    told = (one.encode("utf-8", "replace") for one in problem or ())
    return session.digest("pulled", b"deleted" if is_deletion else body, *told)


def put_records(
    session: Session, source: str, scope: str, records: Mapping[str, tuple[bytes, bool]], misses: int = 0
) -> None:
    """Remembers records by their keys: the digest of the newest body, whether it is gone, and how many listings in a
    row missed them."""
    names = {key: ref for ref, key in refs_of(session, records).items()}
    seal = session.keys.seal
    rows = [
        {
            "ref": names[key],
            "key": None if names[key] == key else seal(key.encode(), key_bound_to(source, names[key])),
            "source": source,
            "institution": session.institution,
            "scope": fit(scope),
            "digest": digest,
            "seen_at": session.now,
            "misses": misses,
            "is_gone": is_gone,
        }
        for key, (digest, is_gone) in records.items()
    ]
    put(session.conn, pulled_record, rows, ("scope", "digest", "seen_at", "misses", "is_gone"))


def find_missing(
    session: Session, source: str, scope: str, keys: Collection[str], before: int
) -> tuple[dict[str, int], int]:
    """The keys of the scope, seen before the time `before` (microseconds since 1970 UTC), that `keys` do not name, each
    with how many listings in a row missed it already; and how many the scope has. Those that are named again are put
    back to no miss."""
    named = set(refs_of(session, keys))
    missing: dict[str, int] = {}
    back, total = [], 0
    given = {"of_scope": fit(scope), "of_source": source, "before": before}
    for row in session.conn.execute(_IN_SCOPE, given):
        total += 1
        if row.ref not in named:
            missing[_key_of(session, source, row)] = row.misses
        elif row.misses:
            back.append(row.ref)
    _set_misses(session, source, dict.fromkeys(back, 0))
    return missing, total


def note_misses(session: Session, source: str, misses: Mapping[str, int]) -> None:
    """Says how many listings in a row missed these keys."""
    names = {key: ref for ref, key in refs_of(session, misses).items()}
    _set_misses(session, source, {names[key]: n for key, n in misses.items()})


def _set_misses(session: Session, source: str, misses: Mapping[str, int]) -> None:
    rows = [{"of_ref": ref, "of_source": source, "n": n} for ref, n in misses.items()]
    if rows:
        session.conn.execute(_SET_MISSES, rows)


def _key_of(session: Session, source: str, row: Any) -> str:
    return row.ref if row.key is None else session.keys.open(row.key, key_bound_to(source, row.ref)).decode()


def add_documents(session: Session, source: str, documents: Sequence[tuple[int, int, str | None]]) -> list[int]:
    """Adds documents that wait to be read: (document id, records in it, problem). Gives their own ids."""
    ids = list(session.take_ids("pulled_document", len(documents)))
    rows = [
        {
            "id": new,
            "source": source,
            "document_id": document_id,
            "received_at": session.now,
            "records": records,
            "problem": None if problem is None else storable(problem),
        }
        for new, (document_id, records, problem) in zip(ids, documents, strict=True)
    ]
    if rows:
        session.conn.execute(insert(pulled_document), rows)
    return ids


def waiting_documents(conn: Connection, source: str, after: int, limit: int) -> list[PulledDocument]:
    """The source's next documents that wait to be read, in the order in which they came."""
    given = {"of_source": source, "after": after, "most": limit}
    return [_document(row) for row in conn.execute(_WAITING.where(_UNREAD), given)]


def documents_between(
    conn: Connection, source: str, since: int, until: int, after: int, limit: int
) -> list[PulledDocument]:
    """The source's next documents received in [since, until), microseconds since 1970 UTC, read or not."""
    given = {"of_source": source, "after": after, "most": limit, "since": since, "until": until}
    return [_document(row) for row in conn.execute(_WAITING.where(_RANGE), given)]


def mark_read(session: Session, ids: Iterable[int]) -> None:
    """Marks documents as read."""
    rows = [{"of_id": one, "at": session.now} for one in ids]
    if rows:
        session.conn.execute(_READ, rows)


def count_day(session: Session, source: str, day: str, counts: Mapping[str, int]) -> None:
    """Adds to the counts of a source's day, by outcome."""
    rows = [
        {"source": source, "day": day, "outcome": outcome[:10], "count": n}
        for outcome, n in sorted(counts.items())
        if n
    ]
    if not rows:
        return
    dialect: Any = sqlite if session.conn.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(source_day)
    more = {"count": source_day.c.count + statement.excluded.count}
    session.conn.execute(statement.on_conflict_do_update(index_elements=["source", "day", "outcome"], set_=more), rows)


def _document(row: Any) -> PulledDocument:
    return PulledDocument(row.id, row.document_id, row.media, row.size, row.problem, row.name)


def refs_of(session: Session, keys: Iterable[str]) -> dict[str, str]:
    """Keys by the refs under which they stand in columns."""
    listed = list(keys)
    session.hide_all(listed)
    return {session.hide(key): key for key in listed}
