"""All records judged again: from nothing, after a break, and twice."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, select

from service.audit.log import AuditLog
from service.identity.store import rebuild
from service.identity.store.linker import Linker
from service.identity.store.rebuild import Rebuild, count_untaken
from service.registry.database import Database
from service.registry.tables import audit, identity_link, person_member, trait
from service.security.keys import KeyRing
from tests.support.persons import LI, WANG, patient, register

PEOPLE = tuple(
    (hospital, patient(f"{n}", name=f"李{given}", birth_date=f"1985-11-1{n}", phones=("13900001111",)))
    for n, given in enumerate("敏芳丽娟红")
    for hospital in ("city", "county")
)


class Broken(Exception):
    """The process ends here."""


def persons(database: Database) -> list[tuple[int, int]]:
    with database.read() as conn:
        rows = conn.execute(select(person_member.c.record_id, person_member.c.person_id))
        return sorted((row.record_id, row.person_id) for row in rows)


def forget(database: Database) -> None:
    """The index as it is where records were stored before there was one."""
    with database.write() as conn:
        for table in (trait, person_member, identity_link):
            conn.execute(delete(table))


def run(database: Database, keys: KeyRing, on_progress: Any = lambda _n, _total: None) -> int:
    return Rebuild(database, Linker(database, keys), AuditLog(database, keys)).run(WANG, on_progress)


def test_index_is_made_anew_and_doctor_has_nothing_left_to_say(
    database: Database, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "BATCH", 3)
    register(database, keys, *PEOPLE)
    before = persons(database)
    assert len(before) == 10
    forget(database)
    with database.read() as conn:
        assert count_untaken(conn) == 10
    told: list[tuple[int, int]] = []
    assert run(database, keys, lambda n, total: told.append((n, total))) == 10
    assert told == [(3, 10), (6, 10), (9, 10), (10, 10)]
    assert persons(database) == before
    with database.read() as conn:
        assert count_untaken(conn) == 0
        assert conn.execute(select(audit.c.detail).where(audit.c.action == "identity:index:rebuilt")).all()


def test_broken_off_it_goes_on_where_it_was_and_once_through_begins_anew(
    database: Database, keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "BATCH", 4)
    register(database, keys, *PEOPLE)
    before = persons(database)
    forget(database)

    def breaks(n: int, _total: int) -> None:
        if n == 8:
            raise Broken

    with pytest.raises(Broken):
        run(database, keys, breaks)
    told: list[int] = []
    assert run(database, keys, lambda n, _total: told.append(n)) == 2
    assert told == [10]
    assert persons(database) == before
    assert run(database, keys) == 10
    assert persons(database) == before


def test_rebuilding_what_is_up_to_date_writes_no_link(database: Database, keys: KeyRing) -> None:
    register(database, keys, *PEOPLE, ("town", patient("77", LI)), ("rural", patient("78")))
    with database.read() as conn:
        before = conn.execute(select(identity_link).order_by(identity_link.c.id)).all()
    run(database, keys)
    with database.read() as conn:
        assert conn.execute(select(identity_link).order_by(identity_link.c.id)).all() == before
