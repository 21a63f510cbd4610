"""The person index as the match path reads it: of each record the others of its person, and what people ruled."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, literal_column, or_, select

from service.registry.bulk import chunked
from service.registry.evidence import RecordRow, record_of
from service.registry.prepared import MOST_KEYS, AnySelect, Keys, Prepared
from service.registry.tables import identity_ruling, patient_record, person_member
from service.security.keys import KeyRing

IN_FORCE = "in-force"
"""`identity_ruling.state` of what holds now."""

_IN_FORCE: ColumnElement[str] = literal_column(f"'{IN_FORCE}'")

SAME, NOT_SAME = "same", "not-same"
"""`identity_ruling.ruling`."""

Pair = tuple[int, int]


def fellow_records(
    conn: Connection, keys: KeyRing, record_ids: Collection[int]
) -> tuple[dict[int, frozenset[int]], list[RecordRow]]:
    """The persons of these records, where they have several: of each record all its person's; and those of them that
    are not among `record_ids`, which alone are opened."""
    members: dict[int, set[int]] = {}
    others: dict[int, RecordRow] = {}
    here = set(record_ids)
    for chunk in chunked(sorted(here), MOST_KEYS):
        for person_id, *row in _FELLOWS.rows(conn, [chunk]):
            members.setdefault(person_id, set()).add(row[0])
            if row[0] not in here and row[0] not in others:
                others[row[0]] = record_of(keys, row)
    persons = {one: frozenset(group) for group in members.values() for one in group}
    return persons, list(others.values())


def rulings_on(conn: Connection, record_ids: Collection[int]) -> dict[Pair, str]:
    """What people ruled on pairs with any of these records, in force now: `same` or `not-same`."""
    return {
        (a, b): ruling
        for chunk in chunked(sorted(set(record_ids)), MOST_KEYS)
        for a, b, ruling in _RULINGS.rows(conn, [chunk])
    }


def _fellows(records: Keys) -> AnySelect:
    one, fellow, wanted = person_member.alias("one"), person_member.c, patient_record.c
    theirs = select(one.c.person_id).where(one.c.record_id.in_(records))
    return (
        select(fellow.person_id, wanted.id, wanted.institution, wanted.local_token, wanted.facts)
        .join(patient_record, wanted.id == fellow.record_id)
        .where(fellow.person_id.in_(theirs))
    )


def _rulings(records: Keys) -> AnySelect:
    ruled = identity_ruling.c
    return select(ruled.a, ruled.b, ruled.ruling).where(
        or_(ruled.a.in_(records), ruled.b.in_(records)), ruled.state == _IN_FORCE
    )


_FELLOWS = Prepared(_fellows)
_RULINGS = Prepared(_rulings)
