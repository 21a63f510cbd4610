"""Fills a registry with as many results as asked, straight into the tables: what a match is measured against.

Each person has a record at two hospitals, two reports of 25 items at each: 100 results. The newest report is two
days old at `at`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Table

from service.domain.person import PatientFacts, PatientIdentifier, resident_check
from service.domain.report import ReportHead, Status
from service.registry import canonical
from service.registry.columns import to_us
from service.registry.database import Database
from service.registry.patients import local_token, person_token
from service.registry.tables import identifier, patient_record, report, result
from service.security.keys import KeyRing

ITEMS = (
    ("6690-2", "10*9/L"), ("789-8", "10*12/L"), ("718-7", "g/L"), ("4544-3", "%"), ("787-2", "fL"),
    ("785-6", "pg"), ("786-4", "g/L"), ("777-3", "10*9/L"), ("14682-9", "umol/L"), ("22664-7", "mmol/L"),
    ("1742-6", "U/L"), ("1920-8", "U/L"), ("6768-6", "U/L"), ("2324-2", "U/L"), ("14631-6", "umol/L"),
    ("14629-0", "umol/L"), ("2885-2", "g/L"), ("1751-7", "g/L"), ("14933-6", "umol/L"), ("14749-6", "mmol/L"),
    ("14647-2", "mmol/L"), ("14927-8", "mmol/L"), ("14646-4", "mmol/L"), ("22748-8", "mmol/L"), ("2000-8", "mmol/L"),
)  # fmt: skip
RESULTS_A_PERSON = 100
_AGES = (2, 160)
_CHUNK = 50_000
RESIDENT = "urn:oid:2.16.156.10011.1.3"
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华玉萍红玲芬燕彬兰凤洁梅琳云莲真环雪荣爱妹香月莺媛瑞凡佳"


def resident_number(index: int) -> str:
    """A well-formed number for person `index`; region 990000 is assigned to nobody."""
    born = 19300101 + 10000 * (index // 999 // 28 % 80) + index // 999 % 28
    region = 990000 + index // (999 * 28 * 80)
    body = f"{region:06d}{born:08d}{index % 999 + 1:03d}"
    return body + resident_check(body)


def _name(index: int) -> str:
    """A name that a person may bear: what looks like a test patient's is nobody's, and no result would be shown."""
    rest, surname = divmod(index, len(_SURNAMES))
    first, second = divmod(rest, len(_GIVEN))
    return _SURNAMES[surname] + _GIVEN[first % len(_GIVEN)] + _GIVEN[second]


def person(index: int) -> dict[str, Any]:
    """The patient block of a match request for person `index`."""
    number = resident_number(index)
    born = f"{number[6:10]}-{number[10:12]}-{number[12:14]}"
    return {
        "identifiers": [{"system": RESIDENT, "value": number}],
        "name": _name(index),
        "birthDate": born,
        "sex": "male" if int(number[16]) % 2 else "female",
    }


def fill(database: Database, keys: KeyRing, hospitals: Sequence[str], results: int, at: datetime) -> int:
    """Stores `results` results (rounded down to whole persons); gives the number of persons."""
    persons = results // RESULTS_A_PERSON
    with database.write() as conn:
        first_record = database.take_ids(conn, "patient_record", persons * 2)
        first_report = database.take_ids(conn, "report", persons * 2 * len(_AGES))
    records = range(first_record, first_record + persons * 2)
    _copy(database, patient_record, _record_rows(keys, hospitals, records))
    _copy(database, identifier, _identifier_rows(keys, hospitals, records))
    _copy(database, report, _report_rows(keys, hospitals, records, first_report, at))
    _copy(database, result, _result_rows(records, first_report, at))
    _analyse(database)
    return persons


def _facts(index: int, institution: str) -> PatientFacts:
    one = person(index)
    return PatientFacts(
        f"Patient/{index}", f"{institution}-{index}", (one["name"],), one["birthDate"], one["sex"],
        (PatientIdentifier(RESIDENT, one["identifiers"][0]["value"]),),
    )  # fmt: skip


def _record_rows(keys: KeyRing, hospitals: Sequence[str], records: range) -> Iterator[tuple[Any, ...]]:
    for offset, record in enumerate(records):
        institution = hospitals[offset % 2]
        facts = _facts(offset // 2, institution)
        yield (
            record, institution, keys.token("record", f"{institution}|{facts.key}"),
            keys.token("local-id", f"{institution}|{facts.local_id}"), None, None, 0,
            keys.seal(msgspec.json.encode(facts), f"patient_record|facts|{record}"),
        )  # fmt: skip


def _identifier_rows(keys: KeyRing, hospitals: Sequence[str], records: range) -> Iterator[tuple[Any, ...]]:
    for offset, record in enumerate(records):
        number = resident_number(offset // 2)
        yield person_token(keys, "resident", number), record, "resident"
        yield local_token(keys, hospitals[offset % 2], RESIDENT, number), record, "local"


def _report_rows(
    keys: KeyRing, hospitals: Sequence[str], records: range, first_report: int, at: datetime
) -> Iterator[tuple[Any, ...]]:
    body = keys.seal(b"{}", "report|body|benchmark")
    for offset, record in enumerate(records):
        institution = hospitals[offset % 2]
        for turn, age in enumerate(_AGES):
            key = first_report + offset * len(_AGES) + turn
            issued = to_us(at - timedelta(days=age) + timedelta(hours=2))
            head = ReportHead(institution, f"B{key}", f"DiagnosticReport/B{key}", Status.FINAL, institution, id=key)
            yield (
                key, institution, head.number, 1, "current", "lab", head.ref, head.ref, record, "final", issued,
                issued, 1, issued, key.to_bytes(32, "big"), None, None, None, canonical.encode_head(head), body,
            )  # fmt: skip


def _result_rows(records: range, first_report: int, at: datetime) -> Iterator[tuple[Any, ...]]:
    chance = random.Random(20261122)
    moments = [(at - timedelta(days=age)).replace(microsecond=0) for age in _AGES]
    times = [(to_us(moment), moment.isoformat()) for moment in moments]
    ordered = sorted(ITEMS)
    for offset, record in enumerate(records):
        for n, (item, unit) in enumerate(ordered):
            for turn in reversed(range(len(_AGES))):
                start, text = times[turn]
                value = f"{chance.randrange(100, 999) / 10}"
                yield (
                    record, item, start, first_report + offset * len(_AGES) + turn, n, start, "moment", text, "final",
                    value, unit, value, True, None, "N", "3.5-9.5", "", "", item, f"Observation/{n}",
                )  # fmt: skip


def _copy(database: Database, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
    names = [column.name for column in table.columns]
    if database.is_sqlite:
        sql = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        source = iter(rows)
        while chunk := list(islice(source, _CHUNK)):
            with database.write() as conn:
                conn.exec_driver_sql(sql, chunk)
        return
    with database.write() as conn:
        cursor = conn.connection.cursor()
        with cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:  # type: ignore[attr-defined]
            for row in rows:
                copy.write_row(row)


def _analyse(database: Database) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("ANALYZE")
