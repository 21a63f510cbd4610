"""The whole service on one database, and beside it what it was told; what must hold of both at any time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, select

from service.audit.log import AuditEntry, AuditLog
from service.domain.errors import Unavailable
from service.domain.person import PatientFacts
from service.identity.evidence import compare
from service.identity.links import Ruling
from service.identity.persons import Pair
from service.identity.profile import read_profile
from service.identity.store.history import person_at
from service.identity.store.linker import Linker
from service.identity.store.rulings import Ruled, Rulings
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.registry.rotation.run import Rotation
from service.registry.rotation.states import State
from service.registry.tables import decision, decision_record, metadata
from service.security.caller import Caller, Role
from tests.support.holds import check
from tests.support.records import lab
from tests.support.region import ORDERED, Hospitals
from tests.support.told import Own, Told

HOSPITALS = ("req", "nat", "prov", "city")
_ORDER = {"id": "o1", "code": {"system": "http://loinc.org", "code": "718-7"}}


class Killed(Exception):
    """The process ends here."""


class _Dying(Linker):
    def take_up(self, conn: Connection, institution: str, patients: Mapping[int, PatientFacts], now: int) -> None:
        super().take_up(conn, institution, patients, now)
        raise Killed


class _FullLog(AuditLog):
    def append(self, conn: Connection, entry: AuditEntry) -> None:
        super().append(conn, entry)
        raise Unavailable("the disk is full")


@dataclass(frozen=True)
class Decided:
    """What a decision rested on when it was stored, and who was one person then."""

    institution: str
    match: str
    records: tuple[int, ...]
    persons: Mapping[int, frozenset[int]]
    numbers: Mapping[Own, frozenset[object]]

    @property
    def together(self) -> list[Pair]:
        """Its records that were taken for one person's."""
        return [(a, b) for a, b in combinations(self.records, 2) if b in self.persons.get(a, ())]


class Whole:
    """Does what it is told to both. Every method leaves them to be compared by `check`."""

    def __init__(self, home: Path, url: str) -> None:
        empty(url)
        self.parts = Hospitals.open(home, url).parts
        self.told = Told()
        self.decided: dict[str, Decided] = {}
        self.past: list[tuple[int, dict[int, frozenset[int]]]] = []
        self._roots: dict[Own, str] = {}

    def close(self) -> None:
        """Lets go of the database."""
        self.parts.close()

    def arrive(self, institution: str, patients: Sequence[PatientFacts], *, killed: bool = False) -> None:
        """A batch of patients, each with a result of their own."""
        parts = self.parts
        linker = (_Dying if killed else Linker)(parts.database, parts.keys)
        store = SqlIngestStore(parts.database, parts.keys, persons=linker)
        roots = {one.key: self._root((institution, one.key)) for one in patients}
        with suppress(Killed), store.batch(institution) as batch:
            batch.put_patients(patients)
            batch.index_reports(
                lab(root, root=root, patient_key=key, institution=institution) for key, root in roots.items()
            )
            stored: Mapping[int, PatientFacts] = dict(batch.patients)  # type: ignore[attr-defined]
        if not killed:
            expected = {}
            for one in patients:
                if self.told.accepts((institution, one.key), one):
                    self.told.facts[institution, one.key] = expected[one.key] = one
            assert {one.key: one for one in stored.values()} == expected
            self.told.ids |= {(institution, one.key): record for record, one in stored.items()}

    def _root(self, own: Own) -> str:
        """The one report of a record."""
        return self._roots.setdefault(own, f"DiagnosticReport/{len(self._roots)}")

    def rule(self, how: str, a: str, b: str, user: str, *, fails: bool = False) -> Ruled:
        """What a user rules; raises as `Rulings`. `fails`: the audit log cannot be written."""
        parts = self.parts
        audit = _FullLog(parts.database, parts.keys) if fails else parts.audit
        rulings = Rulings(parts.database, parts.keys, Linker(parts.database, parts.keys), audit)
        ruled: Ruled = getattr(rulings, how)(a, b, "as the ward says", Caller("req", Role.STEWARD, user))
        return ruled

    def decide(self, institution: str, asked: PatientFacts) -> None:
        """A question of a clinician's; whoever is shown is one person."""
        answer = json.loads(self.parts.desk.decide(question(asked), Caller(institution, Role.CLINICIAN, "dr-wang")))
        self.note_decisions()
        own_of = {root: own for own, root in self._roots.items()}
        shown = [own_of[one["report"]] for one in answer["orders"][0]["candidates"] if one["report"]]
        self.check_shown(shown)

    def check_shown(self, shown: Sequence[Own]) -> None:
        """No two of the records of which a clinician is shown results are two people's, but for what people joined."""
        persons, ids = self.told.persons(), self.told.ids
        joined = {one for ruling in self.told.rulings.values() if ruling.same for one in persons[ruling.a]}
        for a, b in combinations(shown, 2):
            assert not self.told.apart(ids[a], ids[b]), "results of two persons, as people ruled, are shown as one's"
            if not joined.isdisjoint((ids[a], ids[b])):
                continue  # people knew what contradicts
            ours, theirs = (read_profile(0, own[0], self.told.facts[own]) for own in (a, b))
            assert not compare(ours, theirs).contradicts, "two people's results are shown as one's"

    def reach(self) -> None:
        """Works off what waits: nothing is left that was invalidated and has nothing in its place."""
        self.parts.reach.run()
        self.note_decisions()
        with self.parts.database.read() as conn:
            rows = conn.execute(select(decision)).all()
        by_id = {row.id: row for row in rows}
        for row in rows:
            assert (row.state == "standing") == (row.superseded_by is None), row.state
            if row.superseded_by is not None:
                assert by_id[row.superseded_by].supersedes == row.id
                assert row.settled_at is not None

    def rotate(self, until: State) -> None:
        """Keys are rotated as far as that."""
        parts = self.parts
        Rotation(parts.database, parts.settings.resolved_keys_file, grace=0.0, settle=0.0).run(until, lambda _: None)

    def note_decisions(self) -> None:
        """Notes on what the decisions rest that are new."""
        persons, numbers = self.told.persons(), self.told.numbers()
        with self.parts.database.read() as conn:
            for row in conn.execute(select(decision.c.id, decision.c.institution, decision.c.match)).all():
                if row.id not in self.decided:
                    found = select(decision_record.c.record_id).where(decision_record.c.decision_id == row.id)
                    records = tuple(sorted(conn.execute(found).scalars()))
                    self.decided[row.id] = Decided(row.institution, row.match, records, persons, numbers)

    def check(self) -> None:
        """All that must hold now."""
        check(self.parts.database, self.parts.keys, self.told)
        self._check_decisions()
        self._check_history()

    def _check_decisions(self) -> None:
        """No decision stands on records that were one person's when it was made, and are two persons' now; nor on two
        that people ruled to be two; nor on another hospital's that bore a number then which it does not bear now."""
        persons, numbers = self.told.persons(), self.told.numbers()
        with self.parts.database.read() as conn:
            rows = conn.execute(select(decision.c.id, decision.c.state)).all()
        for row in rows:
            made = self.decided[row.id]
            if row.state == "standing":
                assert all(b in persons[a] for a, b in made.together)
                for own in self.told.facts:
                    if self.told.ids[own] in made.records and own[0] != made.institution:
                        assert made.numbers[own] <= numbers[own]
                if made.match == "confirmed":
                    assert not any(self.told.apart(a, b) for a, b in combinations(made.records, 2))

    def _check_history(self) -> None:
        """Who was one person at each earlier time, still."""
        self.past.append((Database.now_us(), self.told.persons()))
        with self.parts.database.read() as conn:
            for at, persons in self.past[-8:]:
                assert {one: person_at(conn, [one], at) for one in persons} == persons


def ruled_from(ids: Sequence[int], pairs: Sequence[Pair], same: bool) -> Iterator[Ruling]:
    """The rulings of these numbers, one for each pair."""
    return (Ruling(number, *both, same) for number, both in zip(ids, pairs, strict=True))


def question(asked: PatientFacts) -> dict[str, Any]:
    """A match request that describes the patient so."""
    identifiers = [{"system": one.system, "value": one.value, "type": one.type} for one in asked.identifiers]
    said = {"name": next(iter(asked.names), None), "birthDate": asked.birth_date, "sex": asked.sex}
    patient = {"identifiers": identifiers, **{name: value for name, value in said.items() if value is not None}}
    return {"patient": patient, "orders": [_ORDER], "orderedAt": ORDERED}


def empty(url: str) -> None:
    """A database as it is when it is new."""
    database = Database.open(url)
    with database.write() as conn:
        for table in reversed(metadata.sorted_tables):
            conn.execute(delete(table))
    database.close()
