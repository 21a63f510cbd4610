"""What must hold of a database at any time, given what it was told."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from sqlalchemy import Connection, select

from service.audit.verify import verify_log
from service.domain.person import PatientFacts
from service.identity.evidence import compare
from service.identity.profile import read_profile
from service.identity.store.history import person_at
from service.identity.store.records import persons_of
from service.identity.store.sql_index import link_of
from service.registry.database import Database
from service.registry.tables import identity_link, metadata
from service.security.keys import KeyRing
from tests.support.told import Told


def check(database: Database, keys: KeyRing, told: Told) -> None:
    """All of it."""
    check_persons(told)
    with database.snapshot() as conn:
        check_index(conn, told)
        check_history(conn, told)
        assert verify_log(conn, keys).is_intact
        check_secrets(conn, told)


def check_index(conn: Connection, told: Told) -> None:
    """Persons and links are those of an index built at once of all that was told."""
    index, ids = told.index(), told.ids.values()
    assert persons_of(conn, ids) == index.persons_of(ids)
    links = [link_of(row) for row in conn.execute(select(identity_link).where(identity_link.c.to_at.is_(None)))]
    assert len({one.pair for one in links}) == len(links), "two links of one pair stand"
    wanted = {one.pair: replace(one, id=0) for one in index.links_of(ids)}
    assert {one.pair: replace(one, id=0) for one in links} == wanted


def check_persons(told: Told) -> None:
    """Nobody is joined whose records contradict, but by people; nobody at all against what people ruled."""
    profiles = {told.ids[own]: read_profile(0, own[0], facts) for own, facts in told.facts.items()}
    for person in set(told.persons().values()):
        inside = [one for one in told.rulings.values() if person >= {one.a, one.b}]
        assert all(one.same for one in inside)
        if not inside:
            assert not any(compare(profiles[a], profiles[b]).contradicts for a, b in combinations(person, 2))


def check_history(conn: Connection, told: Told) -> None:
    """The dated links say who is one person now; none ends before it begins, and of one pair none stands twice."""
    now = Database.now_us()
    persons = told.persons()
    assert {one: person_at(conn, [one], now) for one in persons} == persons
    until: dict[tuple[int, int], int] = {}
    for row in conn.execute(select(identity_link).order_by(identity_link.c.id)):
        assert until.get((row.a, row.b), 0) <= row.from_at, "a link began before the one in its place ended"
        until[row.a, row.b] = now if row.to_at is None else row.to_at
        assert row.from_at <= until[row.a, row.b], "a link ended before it began"


def check_secrets(conn: Connection, told: Told) -> None:
    """No name, number or phone stands in any column."""
    secret = {word for facts in told.facts.values() for word in _words(facts)}
    for table in metadata.sorted_tables:
        for row in conn.execute(select(table)):
            for value in row:
                if isinstance(value, str):
                    assert not any(word in value for word in secret), table.name
                elif isinstance(value, bytes) and table.name != "reference_file":
                    assert not any(word.encode() in value for word in secret), table.name


def _words(facts: PatientFacts) -> set[str]:
    given = (*facts.names, *facts.phones, *(one.value for one in facts.identifiers), facts.local_id, facts.key)
    return {one for one in given if len(one.encode()) > 4}  # less comes about by chance in what is encrypted
