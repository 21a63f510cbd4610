"""A change of persons invalidates the decisions that rested on it, all of them and no other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from service.registry.database import Database
from service.registry.reach import STANDING, SUPERSEDED
from service.registry.tables import decision, decision_record, identity_change
from tests.support.parting import part
from tests.support.strategies import quick

pytestmark = pytest.mark.slow

RECORDS = list(range(1, 9))
rested = st.lists(st.frozensets(st.sampled_from(RECORDS), max_size=5), min_size=1, max_size=12)
persons = st.lists(st.integers(0, 3), min_size=len(RECORDS), max_size=len(RECORDS))
"""For each record the person it is now; 0 where the change does not touch it."""


@dataclass
class Decided:
    """What must become of a decision."""

    records: frozenset[int]
    state: str
    change: int | None = None


@pytest.fixture(scope="module")
def store(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    file = shutil.copy(sqlite_template, tmp_path_factory.mktemp("reach") / "registry.db")
    opened = Database.open(f"sqlite:///{file}")
    yield opened
    opened.close()


def write(store: Database, expected: dict[str, Decided]) -> None:
    with store.write() as conn:
        for table in (decision, decision_record, identity_change):
            conn.execute(delete(table))
        for name, one in expected.items():
            row = {"id": name, "institution": "here", "decided_at": 0, "match": "confirmed", "policy_version": "1"}
            conn.execute(insert(decision), {**row, "state": one.state, "given": b"", "answer": b""})
            if one.records:
                rows = [{"record_id": record, "decision_id": name} for record in one.records]
                conn.execute(insert(decision_record), rows)


def states(store: Database) -> dict[str, tuple[str, int | None]]:
    with store.read() as conn:
        rows = conn.execute(select(decision.c.id, decision.c.state, decision.c.change_id))
        return {row.id: (row.state, row.change_id) for row in rows}


@quick
@given(rested, st.data(), st.lists(persons, min_size=1, max_size=4))
def test_exactly_the_decisions_on_two_persons_are_invalidated(
    store: Database, grounds: list[frozenset[int]], data: st.DataObject, changes: list[list[int]]
) -> None:
    expected = {
        f"d{n}": Decided(ground, data.draw(st.sampled_from([STANDING, SUPERSEDED]))) for n, ground in enumerate(grounds)
    }
    write(store, expected)
    for assigned in changes:
        person_of = {record: person for record, person in zip(RECORDS, assigned, strict=True) if person}
        groups = [{one for one in person_of if person_of[one] == person} for person in set(person_of.values())]
        change, marked = part(store, groups)
        torn = [
            name
            for name, one in expected.items()
            if one.change is None and len({person_of[record] for record in one.records & person_of.keys()}) > 1
        ]
        for name in torn:
            expected[name].state, expected[name].change = "identity-invalidated", change
        assert marked == sorted(torn)
        assert states(store) == {name: (one.state, one.change) for name, one in expected.items()}
