"""The person index through the real store: records linked a second as the index grows, and finding a person in a match.

The records are those of `fixtures.population`, of as many towns as are needed: each town's people have numbers, names
and phones of their own seed, so names recur as they do in a larger country. Placeholder numbers, phones of desks and
common names recur in every town, which is what makes an index slow.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.home import database_url
from fixtures.people import ID_SYSTEM
from fixtures.population import Record, generate
from service.decisions.evidence import EvidenceReader
from service.domain.order import PatientQuery
from service.domain.person import PatientFacts, PatientIdentifier
from service.identity.store.linker import Linker
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.registry.reference_store import bind_keys
from service.security.keys import KeyRing

_TOWN = 20_000
_BATCH = 3_000
_WINDOW = 6_000
_LOOKUPS = 500


def measure(sizes: Sequence[int], database: str, folder: Path) -> list[dict[str, Any]]:
    """Fills a registry and measures around each of `sizes` (records stored). `database` is sqlite or postgres."""
    home = folder / f"identity-{database}"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    keys = KeyRing.generate()
    try:
        with _opened(database, home) as opened:
            with opened.write() as conn:
                bind_keys(conn, keys.fingerprints)
            return list(_grow(opened, keys, sorted(sizes), database))
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _opened(kind: str, home: Path) -> Iterator[Database]:
    with database_url(kind, home) as url:
        database = Database.open(url, create=True)
        database.upgrade()
        yield database
        database.close()


def _grow(database: Database, keys: KeyRing, sizes: Sequence[int], kind: str) -> Iterator[dict[str, Any]]:
    store = SqlIngestStore(database, keys, persons=Linker(database, keys))
    rows, stored, first_rate = _rows(), 0, 0.0
    known: list[Record] = []
    for size in sizes:
        began = time.perf_counter()
        ahead = max(size - _WINDOW - stored, 0)
        known = _store(store, islice(rows, ahead)) or known
        taken = time.perf_counter() - began
        _analyse(database)
        began = time.perf_counter()
        window = _store(store, islice(rows, _WINDOW))
        rate = _WINDOW / (time.perf_counter() - began)
        first_rate = first_rate or rate
        stored += ahead + _WINDOW
        median, slow = _look_up(database, keys, window)
        yield {
            "database": kind,
            "records stored": stored,
            "records/s while filling": round(ahead / taken) if ahead else None,
            f"records/s, the last {_WINDOW}": round(rate),
            "cost of a record against the smallest": round(first_rate / rate, 2),
            "finding a person, median ms": round(median, 3),
            "finding a person, p99 ms": round(slow, 3),
        }


def _rows() -> Iterator[Record]:
    """Records of one town after another, without end; no two towns share a hospital number."""
    seed = 0
    while True:
        seed += 1
        for row in generate(_TOWN, seed).records:
            row.local_id = f"{row.local_id}-{seed}"
            yield row


def _store(store: SqlIngestStore, rows: Iterator[Record]) -> list[Record]:
    """Stores rows as loads of one hospital after another do; gives the last rows."""
    last: list[Record] = []
    while chunk := list(islice(rows, _BATCH)):
        for institution in sorted({row.institution for row in chunk}):
            with store.batch(institution) as batch:
                batch.put_patients(_facts(row) for row in chunk if row.institution == institution)
        last = chunk
    return last


def _facts(row: Record) -> PatientFacts:
    names = (row.name.replace("^", " "),) if row.name else ()
    return PatientFacts(
        f"Patient/{row.local_id}", row.local_id, names, row.birth_date or None, row.sex or None,
        tuple(PatientIdentifier(system, value, code) for system, value, code in _identifiers(row)),
        (row.phone,) if row.phone else (),
    )  # fmt: skip


def _identifiers(row: Record) -> Iterator[tuple[str, str, str]]:
    yield f"urn:hospital:{row.institution}", row.local_id, "MR"
    for column, value in row.papers.items():
        system = ID_SYSTEM if column == "resident_number" else f"urn:testonce:identifier:{column.replace('_', '-')}"
        yield system, value, ""


def _look_up(database: Database, keys: KeyRing, rows: Sequence[Record]) -> tuple[float, float]:
    """Milliseconds of finding everybody's records by their own hospital's number: median and 99th percentile."""
    reader, chance = EvidenceReader(keys), random.Random(1)
    taken = []
    for row in chance.choices(rows, k=_LOOKUPS):
        query = PatientQuery(tuple(_identifiers(row)), row.name or None, row.birth_date or None, row.sex or None)
        began = time.perf_counter()
        with database.read() as conn:
            reader.identify(conn, query, row.institution)
        taken.append(1000 * (time.perf_counter() - began))
    taken.sort()
    return taken[len(taken) // 2], taken[len(taken) * 99 // 100]


def _analyse(database: Database) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("ANALYZE")
