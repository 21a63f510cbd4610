"""Judges all stored records again, under the rules as they are now; what people ruled stays."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, func, select

from service.audit.events import Action
from service.audit.log import AuditEntry, AuditLog
from service.identity.rules import VERSION
from service.identity.store.linker import Linker
from service.registry.bulk import put
from service.registry.database import Database
from service.registry.tables import counter, patient_record, trait
from service.security.caller import Caller

BATCH = 500
"""Records judged in one transaction: loads wait no longer than that takes."""

OnProgress = Callable[[int, int], None]


class Rebuild:
    """Goes through the records by id, a transaction for each batch that also says how far it is: broken off anywhere
    and run again it goes on, and once through it starts anew. Loads go on meanwhile."""

    def __init__(self, database: Database, linker: Linker, audit: AuditLog) -> None:
        self._database = database
        self._linker = linker
        self._audit = audit
        self._place = f"identity-rebuild-{VERSION}"

    def run(self, caller: Caller, on_progress: OnProgress) -> int:
        """How many records were judged in this run; `on_progress` is told how many of how many. Raises Unavailable."""
        with self._database.read() as conn:
            after, total = self._position(conn), _count(conn, 0)
            before = total - _count(conn, after)
        done = 0
        while records := self._batch(after):
            after, done = records[-1], done + len(records)
            on_progress(before + done, total)
        self._finish(caller, done)
        return done

    def _batch(self, after: int) -> list[int]:
        with self._database.write() as conn:
            self._database.lock(conn, "identity")
            found = select(patient_record.c.id).where(patient_record.c.id > after, patient_record.c.facts.is_not(None))
            records = list(conn.execute(found.order_by(patient_record.c.id).limit(BATCH)).scalars())
            if records:
                self._linker.take_up_again(conn, records, self._database.now_us())
                self._mark(conn, records[-1])
        return records

    def _finish(self, caller: Caller, done: int) -> None:
        detail = {"records": done, "rules": VERSION}
        entry = AuditEntry.by(caller, self._database.now_us(), Action.IDENTITY_REBUILT, "Identity", detail)
        with self._database.write() as conn:
            self._mark(conn, 0)
            self._audit.append(conn, entry)

    def _position(self, conn: Connection) -> int:
        return int(conn.execute(select(counter.c.next).where(counter.c.name == self._place)).scalar() or 0)

    def _mark(self, conn: Connection, record: int) -> None:
        put(conn, counter, [{"name": self._place, "next": record}], ("next",))


def count_untaken(conn: Connection) -> int:
    """How many records have facts that the index never took up: they stand with no trait."""
    untaken = select(func.count()).where(
        patient_record.c.facts.is_not(None),
        ~select(trait.c.record_id).where(trait.c.record_id == patient_record.c.id).exists(),
    )
    return int(conn.execute(untaken).scalar_one())


def _count(conn: Connection, after: int) -> int:
    known = select(func.count()).where(patient_record.c.id > after, patient_record.c.facts.is_not(None))
    return int(conn.execute(known).scalar_one())
