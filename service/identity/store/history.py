"""Who did we think this was at a time: the dated links, walked as they stood then. Nothing of them is overwritten."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, Row, bindparam, or_, select

from service.registry.bulk import ByKeys
from service.registry.tables import identity_link


@dataclass(frozen=True, slots=True)
class DatedLink:
    """A link with its time: from `from_at` until just before `to_at` (None: it stands), microseconds since 1970 UTC."""

    a: int
    b: int
    tier: str
    rule: str
    rule_version: int
    score: int
    why: Mapping[str, str]
    ruling_id: int | None
    from_at: int
    from_cause: str
    from_actor: str
    to_at: int | None
    to_cause: str | None
    to_actor: str | None


def person_at(conn: Connection, records: Collection[int], at_us: int) -> frozenset[int]:
    """The records that were thought to be one person with any of these at `at_us`, these included."""
    found: set[int] = set()
    ahead = set(records)
    while ahead:
        found |= ahead
        rows = (row for one in _JOINED_THEN for row in one.rows(conn, sorted(ahead), at=at_us))
        ahead = {one for row in rows for one in (row.a, row.b)} - found
    return frozenset(found)


def links_between(conn: Connection, ours: Collection[int], theirs: Collection[int]) -> list[DatedLink]:
    """Every link that ever stood between one of ours and one of theirs, oldest first."""
    left, right = set(ours), set(theirs)
    rows = {row.id: row for one in _EVER for row in one.rows(conn, sorted(left))}
    between = [row for row in rows.values() if (row.a in left and row.b in right) or (row.b in left and row.a in right)]
    return [_dated(row) for row in sorted(between, key=lambda row: (row.from_at, row.id))]


def _dated(row: Row[*tuple[object, ...]]) -> DatedLink:
    values = {name: getattr(row, name) for name in DatedLink.__slots__}
    return DatedLink(**{**values, "why": msgspec.json.decode(row.why, type=dict[str, str])})


_LINK = identity_link.c
_THEN = (
    _LINK.tier == "confirmed",
    _LINK.from_at <= bindparam("at"),
    or_(_LINK.to_at.is_(None), _LINK.to_at > bindparam("at")),
)
_JOINED_THEN = [
    ByKeys(lambda among: select(_LINK.a, _LINK.b).where(among(_LINK.a), *_THEN)),
    ByKeys(lambda among: select(_LINK.a, _LINK.b).where(among(_LINK.b), *_THEN)),
]
_EVER = [
    ByKeys(lambda among: select(identity_link).where(among(_LINK.a))),
    ByKeys(lambda among: select(identity_link).where(among(_LINK.b))),
]
