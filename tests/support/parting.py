"""Takes records apart as the person index does: a change, its decisions marked, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import delete, insert, select

from service.registry.database import Database
from service.registry.reach import mark_rested
from service.registry.tables import identifier, identity_change, patient_record, person_member


def part(database: Database, groups: Sequence[Collection[int]], cause: str = "unlink") -> tuple[int, list[str]]:
    """Records that these groups are persons now; the change's id, and the decisions invalidated by it."""
    with database.write() as conn:
        change = database.take_ids(conn, "identity_change", 1)
        records = msgspec.json.encode(sorted({one for group in groups for one in group})).decode()
        row = {"id": change, "at": database.now_us(), "cause": cause, "actor": "wang", "records": records}
        conn.execute(insert(identity_change), [row])
        return change, mark_rested(conn, change, groups)


def hide(database: Database, record: int) -> None:
    """Nobody finds the record any more, neither by its numbers nor as one of a person's."""
    with database.write() as conn:
        conn.execute(delete(identifier).where(identifier.c.record_id == record))
        one = select(person_member.c.person_id).where(person_member.c.record_id == record).scalar_subquery()
        conn.execute(delete(person_member).where(person_member.c.person_id == one))


def records_of(database: Database, institution: str) -> list[int]:
    """The records of an institution, in their order."""
    with database.read() as conn:
        found = select(patient_record.c.id).where(patient_record.c.institution == institution)
        return list(conn.execute(found.order_by(patient_record.c.id)).scalars())
