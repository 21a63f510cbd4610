"""Patient records by the name people know them by: `institution/local_id`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, Row, select

from service.domain.errors import Fault, InvalidInput, NotFound
from service.registry.bulk import ByKeys
from service.registry.patients import LOCAL_ID
from service.registry.tables import patient_record, person_member
from service.security.keys import KeyRing


class _Own(msgspec.Struct, frozen=True):
    key: str
    local_id: str


_OWN = msgspec.json.Decoder(_Own)


@dataclass(frozen=True, slots=True, order=True)
class RecordName:
    """A patient record as its hospital knows it. `local_id` is the hospital's patient number, else the resource id;
    `key` the source's own key, which alone tells two records under one number apart."""

    institution: str
    local_id: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.institution}/{self.local_id}"


def read_name(text: str, pointer: str) -> RecordName:
    """`institution/local_id`; what follows the first stroke is the hospital's own, strokes and all. InvalidInput names
    `pointer`, and says nothing of the value."""
    institution, stroke, local_id = text.strip().partition("/")
    if not (institution and stroke and local_id):
        raise InvalidInput(
            "a patient record cannot be read",
            [Fault(pointer, "write institution/local_id, as jl-central/000123: the hospital's id in the network file, "
                            "and its own number of the patient")],
        )  # fmt: skip
    return RecordName(institution, local_id)


def find_records(conn: Connection, keys: KeyRing, name: RecordName, pointer: str) -> tuple[int, ...]:
    """The records under that number, lowest first; NotFound names `pointer`."""
    tokens = keys.tokens(LOCAL_ID, f"{name.institution}|{name.local_id}")
    rows = conn.execute(
        select(patient_record.c.id)
        .where(patient_record.c.local_token.in_(tokens), patient_record.c.facts.is_not(None))
        .where(patient_record.c.institution == name.institution)
    )
    found = tuple(sorted(rows.scalars()))
    if not found:
        raise NotFound(f"{pointer} names no patient record: that institution has none under that number")
    return found


def name_of(keys: KeyRing, row: Row[*tuple[object, ...]]) -> RecordName:
    """The name of a row with id, institution and facts of `patient_record`."""
    own = _OWN.decode(keys.open(row.facts, f"patient_record|facts|{row.id}"))
    return RecordName(row.institution, own.local_id, own.key)


def names_of(conn: Connection, keys: KeyRing, records: Collection[int]) -> dict[int, RecordName]:
    """The names of records; those of which nothing is known yet are left out."""
    return {row.id: name_of(keys, row) for row in _NAMES.rows(conn, sorted(set(records)))}


def persons_of(conn: Connection, records: Collection[int]) -> dict[int, frozenset[int]]:
    """The person of each record, as all its records."""
    wanted = sorted(set(records))
    ids = {row.record_id: row.person_id for row in _MEMBERSHIP.rows(conn, wanted)}
    members: dict[int, set[int]] = {}
    for row in _MEMBERS.rows(conn, sorted(set(ids.values()))):
        members.setdefault(row.person_id, set()).add(row.record_id)
    return {one: frozenset(members[ids[one]]) if one in ids else frozenset({one}) for one in wanted}


def all_names(conn: Connection, keys: KeyRing) -> Iterator[tuple[int, int, RecordName]]:
    """Every record that has facts: its id, its person (the lowest id of it), its name. Read as it is asked for, within
    a snapshot."""
    found = conn.execute(_ALL, execution_options={"yield_per": 2000})
    for row in found:
        yield row.id, row.person_id or row.id, name_of(keys, row)


_NAMES = ByKeys(
    lambda among: select(patient_record.c.id, patient_record.c.institution, patient_record.c.facts).where(
        among(patient_record.c.id), patient_record.c.facts.is_not(None)
    )
)
_MEMBERSHIP = ByKeys(lambda among: select(person_member).where(among(person_member.c.record_id)))
_MEMBERS = ByKeys(lambda among: select(person_member).where(among(person_member.c.person_id)))
_ALL = (
    select(patient_record.c.id, patient_record.c.institution, patient_record.c.facts, person_member.c.person_id)
    .outerjoin(person_member, person_member.c.record_id == patient_record.c.id)
    .where(patient_record.c.facts.is_not(None))
)
