"""Many rule and load at the same time: no deadlock, nobody joined against a ruling, one proposal confirmed once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from service.audit.log import AuditLog
from service.domain.errors import Contradiction
from service.identity.store.linker import Linker
from service.identity.store.records import RecordName, find_records, persons_of
from service.identity.store.rulings import Rulings
from service.registry.database import Database
from service.registry.tables import identity_ruling
from service.security.keys import KeyRing
from tests.support.persons import LI, WANG, patient, register

pytestmark = pytest.mark.slow

USERS = [replace(WANG, actor=f"user{n}") for n in range(8)]


def test_of_many_who_confirm_at_once_one_does(database: Database, keys: KeyRing) -> None:
    register(database, keys, ("city", patient("1", LI)), ("town", patient("3")))
    rulings = Rulings(database, keys, Linker(database, keys), AuditLog(database, keys))

    def link(user: int) -> str:
        try:
            return rulings.link("city/1", "town/3", "same book", USERS[user]).state
        except Contradiction:
            return "refused"

    with ThreadPoolExecutor(8) as pool:
        states = Counter(pool.map(link, range(8)))
    assert states == {"proposed": 1, "in-force": 1, "refused": 6}
    with database.read() as conn:
        (row,) = conn.execute(select(identity_ruling)).all()
    assert row.state == "in-force"
    assert row.proposed_by != row.settled_by


def test_rulings_hold_while_the_same_patients_are_loaded_again_and_again(database: Database, keys: KeyRing) -> None:
    register(database, keys, *((f"h{n}", patient("1", LI)) for n in range(4)))
    rulings = Rulings(database, keys, Linker(database, keys), AuditLog(database, keys))

    def load(hospital: int) -> None:
        for turn in range(5):
            changed = replace(patient("1", LI), phones=(f"1390000{hospital}{turn:03d}",))
            register(database, keys, (f"h{hospital}", changed))

    def part(other: int) -> None:
        rulings.not_same("h0/1", f"h{other}/1", "two people, one card", WANG)

    with ThreadPoolExecutor(7) as pool:
        work = [*(pool.submit(load, n) for n in range(4)), *(pool.submit(part, n) for n in range(1, 4))]
        for one in work:
            one.result()
    with database.read() as conn:
        (first,) = find_records(conn, keys, RecordName("h0", "1"), "a")
        others = [find_records(conn, keys, RecordName(f"h{n}", "1"), "b")[0] for n in range(1, 4)]
        assert persons_of(conn, [first, others[0]]) == {first: frozenset({first}), others[0]: frozenset(others)}
