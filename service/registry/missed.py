"""Records that a complete listing of a source names and that are not here as they are there: kept until they come, or
are named no more.

As in `service.registry.pulling`, what changes rows works in the batch of the source's institution.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, func, select, update

from service.registry.bulk import ByKeys, put
from service.registry.columns import fit, to_us
from service.registry.pulling import LISTED_NO_MORE, refs_of
from service.registry.session import Session
from service.registry.tables import missed_record, pulled_record, resource
from service.security.keys import KeyRing

MOST_TRIES = 10
"""So often a record is asked for by its key; then it is left to a person."""

_had = pulled_record.c
_HAD = select(_had.ref, _had.is_gone, _had.misses).where(_had.source == bindparam("of_source"))
_HAD_IN_SCOPE = _HAD.where(_had.scope == bindparam("of_scope"))
_HAD_OF = ByKeys(lambda among: _HAD.where(among(_had.ref)))
_VERSIONS = ByKeys(
    lambda among: select(resource.c.ref, resource.c.version_at).where(
        resource.c.institution == bindparam("institution"), among(resource.c.ref)
    )
)

_missed = missed_record.c
_MISSED_IN_SCOPE = select(_missed.ref).where(
    _missed.source == bindparam("of_source"), _missed.scope == bindparam("of_scope")
)
_FORGET = ByKeys(
    lambda among: delete(missed_record).where(_missed.source == bindparam("of_source"), among(_missed.ref))
)
_TRIED = ByKeys(
    lambda among: (
        update(missed_record)
        .where(_missed.source == bindparam("of_source"), among(_missed.ref))
        .values(tries=_missed.tries + 1)
    )
)
_DUE = (
    select(_missed.ref, _missed.key)
    .where(
        _missed.source == bindparam("of_source"),
        _missed.tries < MOST_TRIES,
        _missed.named_at < bindparam("before"),
    )
    .order_by(_missed.tries, _missed.ref)
    .limit(bindparam("most"))
)


def note_listed(
    session: Session, source: str, scope: str, keys: Collection[str], expected: Collection[str],
    changed: Mapping[str, datetime],
) -> None:  # fmt: skip
    """Remembers those `expected` keys that never came, that listings took for deleted, or that `changed` later than
    what is stored of them; forgets those of the scope that the listing of `keys` names no more.

    What the source itself said is deleted is not asked for: an index that is late must not bring it back.
    """
    named = refs_of(session, keys)
    wanted = {ref: named[ref] for ref in refs_of(session, expected)}
    given = {"of_source": source, "of_scope": fit(scope)}
    settled = {row.ref for row in session.conn.execute(_HAD_IN_SCOPE, given) if _is_settled(row)}
    elsewhere = _HAD_OF.rows(session.conn, wanted.keys() - settled, of_source=source)
    settled |= {row.ref for row in elsewhere if _is_settled(row)}
    settled -= _outdated(session, {key: at for key, at in changed.items() if key in expected})
    before = set(session.conn.execute(_MISSED_IN_SCOPE, given).scalars())
    _FORGET.execute(session.conn, before - named.keys(), of_source=source)
    new = wanted.keys() - settled - before
    put(session.conn, missed_record, [_row(session, source, scope, ref, wanted[ref]) for ref in sorted(new)])


def _outdated(session: Session, changed: Mapping[str, datetime]) -> set[str]:
    """Refs of which an older version is stored than that of these times."""
    times = {ref: to_us(changed[key]) for ref, key in refs_of(session, changed).items()}
    rows = _VERSIONS.rows(session.conn, times, institution=session.institution)
    return {row.ref for row in rows if row.version_at is not None and row.version_at < times[row.ref]}


def note_came(session: Session, source: str, keys: Collection[str]) -> None:
    """These records came: they are missed no more."""
    _FORGET.execute(session.conn, refs_of(session, keys), of_source=source)


def note_not_given(session: Session, source: str, keys: Collection[str]) -> None:
    """These were asked for by their keys, and are not there."""
    _TRIED.execute(session.conn, refs_of(session, keys), of_source=source)


def due(conn: Connection, keys: KeyRing, source: str, before: int, most: int) -> list[str]:
    """The keys to ask for next: those that were named before that time (microseconds since 1970 UTC), the least tried
    first."""
    rows = conn.execute(_DUE, {"of_source": source, "before": before, "most": most})
    return [_key_of(keys, source, row) for row in rows]


def count_missed(conn: Connection, before: int) -> dict[str, tuple[int, int]]:
    """For each source how many records were named before that time (microseconds since 1970 UTC) and are missed still,
    and how many were asked for in vain so often that they are asked for no more."""
    vain = _missed.tries >= MOST_TRIES
    late = _missed.named_at < before
    waiting, given_up = (func.sum(case((one, 1), else_=0)) for one in (late & ~vain, vain))
    rows = conn.execute(select(_missed.source, waiting, given_up).group_by(_missed.source))
    return {source: (int(first), int(second)) for source, first, second in rows}


def key_bound_to(source: str, ref: str) -> str:
    """The place that the key of a missed record is sealed for."""
    return f"missed_record|key|{source}|{ref}"


def _is_settled(row: Any) -> bool:
    """Whether a record that came once is here, or is gone by the source's own word."""
    return not row.is_gone or row.misses < LISTED_NO_MORE


def _row(session: Session, source: str, scope: str, ref: str, key: str) -> dict[str, Any]:
    return {
        "ref": ref,
        "source": source,
        "institution": session.institution,
        "scope": fit(scope),
        "key": None if ref == key else session.keys.seal(key.encode(), key_bound_to(source, ref)),
        "named_at": session.now,
        "tries": 0,
    }


def _key_of(keys: KeyRing, source: str, row: Any) -> str:
    return row.ref if row.key is None else keys.open(row.key, key_bound_to(source, row.ref)).decode()
