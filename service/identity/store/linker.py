"""Keeps the person index in step: in the transaction that stores patients, the index is brought up to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

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
    is written under it that a load holds. Under it the time is read, too: who began earlier and came later must not
    date what he changes before what he saw.
    """

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    def take_up(self, conn: Connection, institution: str, patients: Mapping[int, PatientFacts], now: int) -> None:
        """Links new or changed records of an institution; `now` in microseconds since 1970 UTC: not before then."""
        profiles = [read_profile(record, institution, facts) for record, facts in patients.items()]
        index = self._index(conn, now)
        now = index.now = max(now, self._database.now_us())
        result = relink(index, profiles, Cause.RECORDS, RULES)
        several = result.parted + result.ruled_two
        if several or result.corrected:
            change_id = self._record(conn, _touched(several) | result.corrected, Cause.RECORDS, RULES, now)
            self._mark(conn, change_id, several)
            reach.mark_misfound(conn, change_id, institution, result.corrected)

    def take_up_again(self, conn: Connection, records: Collection[int], now: int) -> None:
        """Judges stored records anew, under the rules as they are now."""
        index = self._index(conn, now)
        stored = index.profiles(records).values()
        result = relink(index, stored, Cause.RULES, RULES)
        several = result.parted + result.ruled_two
        if several:
            change_id = self._record(conn, _touched(several), Cause.RULES, RULES, now)
            self._mark(conn, change_id, several)

    def follow(self, conn: Connection, records: Collection[int], cause: Cause, actor: str, now: int) -> Rewritten:
        """Brings the index up to a ruling on these records; call it after the ruling's row was written."""
        result = settle_again(self._index(conn, now), records, cause, actor)
        change_id = self._record(conn, _touched([result.persons]), cause, actor, now)
        self._mark(conn, change_id, result.parted + result.ruled_two)
        if cause in (Cause.UNLINK, Cause.NOT_SAME):  # also those that no link held: a question may have named both
            ruled = set(records)
            self._mark(conn, change_id, [[one for one in result.persons if not ruled.isdisjoint(one)]])
        return result

    def _index(self, conn: Connection, now: int) -> SqlIndex:
        self._database.lock(conn, "identity")

        def take_ids(name: str, n: int) -> range:
            first = self._database.take_ids(conn, name, n) if n else 0
            return range(first, first + n)

        return SqlIndex(conn, self._keys.pinned(), now, take_ids)  # one transaction, one set of keys

    def _record(self, conn: Connection, touched: Collection[int], cause: Cause, actor: str, now: int) -> int:
        """Notes that persons changed: `decisions.reach` looks at what rested on them, and a decision that is just
        being stored is made anew. Gives the id of the change."""
        reach.hold_persons(conn)
        change_id = self._database.take_ids(conn, "identity_change", 1)
        records = encode(sorted(touched)).decode()
        row = {"id": change_id, "at": now, "cause": cause.value, "actor": actor, "records": records}
        conn.execute(insert(identity_change), [row])
        return change_id

    def _mark(self, conn: Connection, change_id: int, parted: Sequence[Sequence[frozenset[int]]]) -> None:
        """Finds, in this transaction, the decisions that rested on records of several who were taken for one."""
        for groups in parted:
            reach.mark_rested(conn, change_id, groups)


def _touched(groups: Sequence[Sequence[frozenset[int]]]) -> set[int]:
    return {record for several in groups for person in several for record in person}
