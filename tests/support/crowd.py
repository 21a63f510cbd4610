"""Hospitals that register the same few people again and again, many at a time; what it must come to is known."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import combinations
from pathlib import Path

from sqlalchemy import select

from service.audit.log import AuditLog
from service.domain.errors import Contradiction, NotFound, Unavailable
from service.domain.person import PatientFacts, PatientIdentifier
from service.edge.parts import Parts
from service.identity.links import Ruling
from service.identity.store.linker import Linker
from service.identity.store.rulings import Rulings
from service.ingest.port import IndexedReport
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.registry.tables import decision, decision_record, identity_ruling, patient_record, report
from service.security.caller import Caller, Role
from service.security.keys import KeyRing
from tests.support.people import MRN, RESIDENT, resident
from tests.support.records import lab
from tests.support.told import Own, Told
from tests.support.whole import question

Job = tuple[str, PatientFacts]
"""A hospital, and what it says of one of its patients."""

MOST_RETRIES = 3
HOSPITALS = ("req", "city", "tj", "alli", "nat", "prov")
NAMES = (("李敏", "LI^MIN"), ("王芳", "WANG^FANG"), ("赵磊", "ZHAO^LEI"), ("孙丽娟", "SUN^LIJUAN"))
_FIRST, _LATER = (datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=n) for n in range(2))


def jobs() -> list[Job]:
    """All that the hospitals have to say: each person in five ways, a twin of each, and one record that was another
    person's until it was corrected."""
    found: list[Job] = []
    for n, (name, letters) in enumerate(NAMES):
        number, phone, local = resident(sequence=f"{2 * n + 100:03d}"), f"1391234567{n}", f"M-0000{n}"
        said = PatientFacts(f"Patient/{local}", local, (name,), "1985-11-23", "female", version_at=_LATER)
        bare, numbered = _identified(said), _identified(said, number)
        found += [
            ("req", replace(numbered, phones=(phone,))),
            ("nat", numbered),
            ("prov", replace(bare, phones=(phone,))),
            ("city", replace(numbered, names=(letters,))),
            ("tj", replace(bare, phones=(phone,), birth_date="1985")),
        ]
        twin = _identified(replace(said, names=(f"{name[0]}双",)), resident(sequence=f"{2 * n + 200:03d}"))
        found.append(("alli", replace(twin, phones=(phone,))))
        was = NAMES[(n + 1) % len(NAMES)][0]
        mistaken = _identified(replace(said, names=(was,)), resident(sequence=f"{2 * ((n + 1) % 4) + 100:03d}"))
        found.append(("nat", replace(mistaken, version_at=_FIRST)))
    return found


def _identified(said: PatientFacts, *numbers: str) -> PatientFacts:
    given = (*(PatientIdentifier(RESIDENT, one) for one in numbers), PatientIdentifier(MRN, said.local_id, "MR"))
    return replace(said, identifiers=given)


def person_of(own: Own) -> str:
    """Whose record it is in truth."""
    return f"{own[1]}{' twin' if own[0] == 'alli' else ''}"


RULED = (
    ("not_same", "req/M-00000", "nat/M-00000"),
    ("link", "req/M-00001", "tj/M-00001"),
    ("not_same", "city/M-00002", "alli/M-00002"),
)
"""What people rule, whatever the hospitals say meanwhile."""


class Writer:
    """Loads and rules on one database, each as often as the database undoes it because of others."""

    def __init__(self, url: str, key_file: Path) -> None:
        self._database, self._keys = Database.open(url), KeyRing.load(key_file)
        linker = Linker(self._database, self._keys)
        self._store = SqlIngestStore(self._database, self._keys, persons=linker)
        self._rulings = Rulings(self._database, self._keys, linker, AuditLog(self._database, self._keys))
        self.retries: list[int] = []

    def load(self, batch: Sequence[Job]) -> None:
        """One batch of one hospital."""

        def load_once() -> None:
            with self._store.batch(batch[0][0]) as stored:
                stored.put_patients([facts for _, facts in batch])
                stored.index_reports([_report(*one) for one in batch])

        self.insist(load_once)

    def load_all(self, luck: random.Random, must: Sequence[Job], extra: int) -> None:
        """These, and as many of all again, in any order, one to three of a hospital in a batch."""
        todo = [*must, *luck.choices(jobs(), k=extra)]
        luck.shuffle(todo)
        while todo:
            batch = [one for one in todo if one[0] == todo[0][0]][: luck.randint(1, 3)]
            for one in batch:
                todo.remove(one)
            self.load(batch)

    def rule(self, how: str, a: str, b: str) -> None:
        """What people rule, as soon as both records are there; a link by two of them. What is ruled already stays."""
        ruling = getattr(self._rulings, how)
        for user in ("wang", "zhao") if how == "link" else ("wang",):
            steward = Caller("req", Role.STEWARD, user)
            self.insist(partial(_patiently, partial(ruling, a, b, "as the ward says", steward)))

    def insist(self, work: Callable[[], None]) -> None:
        """Does it, again where another writer was in the way; fails when that was so too often."""
        for attempt in range(MOST_RETRIES + 1):
            try:
                work()
            except Unavailable as error:
                trouble = str(error)
            else:
                self.retries.append(attempt)
                return
        raise AssertionError(f"not done after {MOST_RETRIES} retries: {trouble}")

    def close(self) -> None:
        """Lets go of the database."""
        self._database.close()


def report_of(hospital: str, facts: PatientFacts) -> str:
    """The one report of a record."""
    return f"DiagnosticReport/{hospital}-{facts.local_id[-1]}"


def _report(hospital: str, facts: PatientFacts) -> IndexedReport:
    root = report_of(hospital, facts)
    return lab(root, root=root, patient_key=facts.key, institution=hospital)


def _patiently(work: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            work()
        except NotFound:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        except Contradiction:
            return
        else:
            return


def write_together(url: str, key_file: Path, seed: int, writers: int, extra: int) -> list[int]:
    """So many writers at once, each with a share of all there is to load and more; how often each piece of work had to
    be done again. In a process of its own it is one of a few that do so."""
    work, start = Writer(url, key_file), threading.Barrier(writers)

    def write(place: int) -> None:
        start.wait()
        work.load_all(random.Random(seed * 1000 + place), jobs()[place::writers], extra)

    try:
        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(write, range(writers)))
        return work.retries
    finally:
        work.close()


def told_by(database: Database, keys: KeyRing) -> Told:
    """What the hospitals said last, and what people ruled, by the ids that the database has for them."""
    told = Told()
    for hospital, facts in jobs():
        if told.accepts((hospital, facts.key), facts):
            told.facts[hospital, facts.key] = facts
    with database.read() as conn:
        tokens = {bytes(row.key_token): row.id for row in conn.execute(select(patient_record))}
        assert len(tokens) == len(told.facts), "a record was lost or doubled"
        told.ids = {own: tokens[keys.token("record", f"{own[0]}|{own[1]}")] for own in told.facts}
        in_force = conn.execute(select(identity_ruling).where(identity_ruling.c.state == "in-force"))
        told.rulings = {row.id: Ruling(row.id, row.a, row.b, row.ruling == "same") for row in in_force}
    expected = sorted((told.pairs(a, b)[0], how == "link") for how, a, b in RULED)
    assert sorted((one.pair, one.same) for one in told.rulings.values()) == expected
    return told


def do_all(parts: Parts) -> None:
    """All the work of one process: everything is loaded, asked about, ruled on, and what rested on it made again."""
    writer = Writer(parts.settings.resolved_database_url, parts.settings.resolved_keys_file)
    try:
        for hospital in HOSPITALS:
            for one in sorted((job for job in jobs() if job[0] == hospital), key=lambda job: str(job[1].version_at)):
                writer.load([one])
            ask_for_all(parts)
        for what in RULED:
            writer.rule(*what)
        parts.reach.run()
        ask_for_all(parts)
    finally:
        writer.close()


def ask_for_all(parts: Parts) -> None:
    """A clinician asks for each of the people."""
    for hospital, facts in jobs():
        if hospital == "req":
            parts.desk.decide(question(facts), Caller("req", Role.CLINICIAN, "dr-wang"))


def check_reports(parts: Parts) -> None:
    """Each report is there, and once."""
    with parts.database.read() as conn:
        found = conn.execute(select(report.c.institution, report.c.number, report.c.version)).all()
    expected = {(hospital, report_of(hospital, facts), 1) for hospital, facts in jobs()}
    assert sorted(tuple(row) for row in found) == sorted(expected)


def check_decisions(parts: Parts, told: Told) -> int:
    """What stands and is sure rests on one person's records: on none that was another's once, or that people parted.
    What does not stand is settled. Gives how many do not."""
    own_of = {record: own for own, record in told.ids.items()}
    sure = select(decision.c.id).where(decision.c.state == "standing", decision.c.match == "confirmed")
    with parts.database.read() as conn:
        for name in list(conn.execute(sure).scalars()):
            ground = select(decision_record.c.record_id).where(decision_record.c.decision_id == name)
            records = list(conn.execute(ground).scalars())
            assert len({person_of(own_of[one]) for one in records}) == 1
            assert not any(told.apart(a, b) for a, b in combinations(records, 2))
        gone = conn.execute(select(decision).where(decision.c.state != "standing")).all()
    assert all(row.settled_at is not None and row.superseded_by is not None for row in gone)
    return len(gone)
