"""A storm of unlinks: 1,000 of them, touching 50,000 decisions, until every decision is superseded and all are told."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select

from benchmarks.home import database_url
from benchmarks.stored import fill, person
from fixtures.region import network_text
from service.bootstrap import open_parts
from service.decisions.codec import Given, encode_given
from service.decisions.evidence import EvidenceReader, Gathered
from service.decisions.request import read_request
from service.decisions.rests import ground_rows
from service.decisions.rows import Made, make_decision, new_decision_id
from service.edge.parts import Parts
from service.reference.catalogue_file import package_catalogue, package_files
from service.registry import reference_store
from service.registry.bulk import add
from service.registry.database import Database
from service.registry.reach import mark_rested
from service.registry.tables import (
    decision,
    decision_record,
    identifier,
    identity_change,
    identity_ruling,
    notice,
    patient_record,
    person_member,
    prompt,
)
from service.security.keys import KeyRing
from service.settings import Settings

ISSUERS = ("changhe-central", "changhe-second")
REQUESTER = "qingxi-county"
QUESTIONS = (
    ("718-7",), ("58410-2",), ("14682-9", "1742-6"), ("718-7", "777-3", "6690-2", "14682-9", "1742-6"), ("CT.CHEST",),
)  # fmt: skip
"""What is asked for each person, over and over: items, panels, several orders at once, an exam nobody has."""


def measure(unlinks: int, decisions: int, database: str, folder: Path) -> dict[str, Any]:
    """Stores `decisions` decisions on persons of two records each, takes `unlinks` of these persons apart, works it
    off. `database` is sqlite or postgres."""
    home = folder / f"reach-{database}"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with database_url(database, home) as url:
        parts = _open(home, url)
        try:
            records = _fill(parts, unlinks, decisions)
            began, cpu = time.perf_counter(), _cpu_seconds()
            marked = sum(len(_unlink(parts.database, pair)) for pair in records)
            marked_at = time.perf_counter()
            affected = parts.reach.run()
            done_at, cpu = time.perf_counter(), _cpu_seconds() - cpu
            with parts.database.read() as conn:
                told = conn.execute(select(func.count()).select_from(notice)).scalar_one()
        finally:
            parts.close()
    shutil.rmtree(home, ignore_errors=True)
    return {
        "database": database,
        "unlinks": unlinks,
        "decisions_touched": marked,
        "superseded": sum(1 for one in affected if one.superseded_by),
        "notices": told,
        "unlink_seconds": round(marked_at - began, 2),
        "reach_seconds": round(done_at - marked_at, 2),
        "cpu_seconds": round(cpu, 1),
        "decisions_per_s": round(len(affected) / (done_at - marked_at)),
    }


def _cpu_seconds() -> float:
    """CPU time of this process and of those it started that have ended; a database server's own is not in it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _open(home: Path, url: str) -> Parts:
    settings = Settings(home=home, database_url=url)
    KeyRing.generate().save(settings.resolved_keys_file)
    opened = Database.open(url, create=True)
    opened.upgrade()
    with opened.write() as conn:
        files = msgspec.json.encode(dict(package_files())).decode()
        reference_store.save(conn, "catalogue", package_catalogue().version, files)
        reference_store.save(conn, "network", "benchmark", network_text(date.today()))  # noqa: DTZ011 - certificates
    opened.close()
    return open_parts(settings)


def _fill(parts: Parts, persons: int, decisions: int) -> list[tuple[int, int]]:
    """The records of each person, who has `decisions / persons` decisions."""
    now = datetime.now(UTC)
    fill(parts.database, parts.keys, ISSUERS, persons * 100, now)
    _join(parts.database)
    policy, reader = parts.reference.current_policy(), EvidenceReader(parts.keys)
    pairs = []
    for index in range(persons):
        asked = []
        with parts.database.read() as conn:
            for items in QUESTIONS:
                orders = [
                    {"id": f"o{n}", "code": {"system": "urn:testonce:item", "code": item}}
                    for n, item in enumerate(items)
                ]
                request = read_request(
                    {"patient": person(index), "orders": orders}, REQUESTER, now, policy.network.zone
                )
                known = reader.gather(conn, request, policy)
                given = encode_given(Given(request, known.evidence, policy.network_version, policy.catalogue.version))
                made = make_decision(
                    request, known.evidence, policy, parts.keys, now=now, public_url="http://localhost"
                )
                asked.append((made, known, given))
        first, second = asked[0][1].rests_on
        pairs.append((first, second))
        with parts.database.write() as conn:
            copies = [
                _copy(parts.keys, *asked[n % len(asked)], now - timedelta(seconds=n))
                for n in range(decisions // persons)
            ]
            add(conn, decision, [row for row, _, _ in copies])
            add(conn, prompt, [row for _, rows, _ in copies for row in rows])
            add(conn, decision_record, [row for _, _, rows in copies for row in rows])
    return pairs


def _join(database: Database) -> None:
    """Each person's second record loses its numbers, and is the person's by the index alone."""
    with database.write() as conn:
        records = list(conn.execute(select(patient_record.c.id).order_by(patient_record.c.id)).scalars())
        conn.execute(delete(identifier).where(identifier.c.record_id % 2 != records[0] % 2))
        add(
            conn, person_member, [{"record_id": one, "person_id": records[n // 2 * 2]} for n, one in enumerate(records)]
        )


def _copy(
    keys: KeyRing, made: Made, known: Gathered, given: bytes, at: datetime
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """The same decision once more, under an id of its own."""
    copy = new_decision_id(at)
    answer = made.answer.replace(made.row["id"].encode(), copy.encode())
    row = {
        **made.row,
        "id": copy,
        "given": keys.seal(given, f"decision|given|{copy}"),
        "answer": keys.seal(answer, f"decision|answer|{copy}"),
    }
    return row, [{**one, "decision_id": copy} for one in made.prompts], ground_rows(copy, known.rests_on)


def _unlink(database: Database, records: Sequence[int]) -> list[str]:
    """Two records are ruled not to be one person's: ruling, persons, the change and its decisions, in one commit."""
    a, b = sorted(records)
    with database.write() as conn:
        change, ruling = (database.take_ids(conn, name, 1) for name in ("identity_change", "identity_ruling"))
        now = database.now_us()
        ruled = {"id": ruling, "a": a, "b": b, "ruling": "not-same", "state": "in-force", "why": b""}
        conn.execute(insert(identity_ruling), [{**ruled, "proposed_at": now, "proposed_by": "benchmark"}])
        conn.execute(delete(person_member).where(person_member.c.record_id.in_((a, b))))
        row = {"id": change, "at": now, "cause": "unlink", "actor": "benchmark", "records": f"[{a},{b}]"}
        conn.execute(insert(identity_change), [row])
        return mark_rested(conn, change, [{a}, {b}])
