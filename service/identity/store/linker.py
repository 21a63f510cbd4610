"""Keeps the person index in step: in the transaction that stores patients, the index is brought up to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.json import encode
from sqlalchemy import Connection, insert

from service.domain.person import PatientFacts
from service.identity.index import relink, settle_again
from service.identity.links import Cause, Rewritten
from service.identity.profile import read_profile
from service.identity.store.sql_index import SqlIndex
from service.registry import reach
from service.registry.database import Database
from service.registry.tables import identity_change
from service.security.keys import KeyRing

RULES = "rules"
"""The actor of what no person decided."""


class Linker:
    """Runs the index within others' transactions.

    One run at a time: two that each see half of what the other brings would miss a pair, or join what contradicts.
    The lock is taken last but for the audit log's, after an institution's, so nobody waits in a circle; nothing else
    is written under it that a load holds.
    """

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    def take_up(self, conn: Connection, institution: str, patients: Mapping[int, PatientFacts], now: int) -> None:
        """Links new or changed records of an institution; `now` in microseconds since 1970 UTC."""
        profiles = [read_profile(record, institution, facts) for record, facts in patients.items()]
        index = self._index(conn, now)
        self._reach_back(conn, relink(index, profiles, Cause.RECORDS, RULES), Cause.RECORDS, RULES, now)

    def take_up_again(self, conn: Connection, records: Collection[int], now: int) -> None:
        """Judges stored records anew, under the rules as they are now."""
        index = self._index(conn, now)
        stored = index.profiles(records).values()
        self._reach_back(conn, relink(index, stored, Cause.RULES, RULES), Cause.RULES, RULES, now)

    def follow(self, conn: Connection, records: Collection[int], cause: Cause, actor: str, now: int) -> Rewritten:
        """Brings the index up to a ruling on these records; call it after the ruling's row was written."""
        result = settle_again(self._index(conn, now), records, cause, actor)
        self._reach_back(conn, result, cause, actor, now)
        return result

    def _index(self, conn: Connection, now: int) -> SqlIndex:
        self._database.lock(conn, "identity")

        def take_ids(name: str, n: int) -> range:
            first = self._database.take_ids(conn, name, n) if n else 0
            return range(first, first + n)

        return SqlIndex(conn, self._keys.pinned(), now, take_ids)  # one transaction, one set of keys

    def _reach_back(self, conn: Connection, result: Rewritten, cause: Cause, actor: str, now: int) -> None:
        """Where persons came apart, or people ruled: finds the decisions that rested on it, in this transaction."""
        if not result.parted and cause in (Cause.RECORDS, Cause.RULES):
            return
        reach.hold_persons(conn)
        change_id = self._database.take_ids(conn, "identity_change", 1)
        records = sorted({one for person in result.persons for one in person})
        row = {"id": change_id, "at": now, "cause": cause.value, "actor": actor, "records": encode(records).decode()}
        conn.execute(insert(identity_change), [row])
        apart = [*result.parted, *([result.persons] if cause in _APART else [])]
        for groups in apart:
            reach.mark_rested(conn, change_id, groups)


_APART = (Cause.UNLINK, Cause.NOT_SAME)
"""A ruling parts also those that no link held together: a question may have named both."""
