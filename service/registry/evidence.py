"""What the match path reads: records by identifier, then their results, exams and consents.

Every statement names the record, so that the tables can be spread by it. The order of what is found never depends on
how it came in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, literal_column, select, union

from service.domain.person import PatientFacts
from service.domain.report import ExamCandidate, ImagingExam, ItemResult, LabCandidate, Measured, ReportHead, Status
from service.domain.times import When
from service.registry import canonical
from service.registry.bulk import chunked
from service.registry.columns import from_us_or_none
from service.registry.ledger import CURRENT
from service.registry.patients import LOCAL_ID, open_facts
from service.registry.prepared import MOST_KEYS, AnyRow, AnySelect, Keys, Prepared
from service.registry.report_rows import when_of
from service.registry.tables import consent, exam, identifier, patient_record, report, result
from service.security.keys import KeyRing

_CURRENT: ColumnElement[str] = literal_column(f"'{CURRENT}'")
MOST_FOUND = 200
_LIMIT: ColumnElement[int] = literal_column(str(MOST_FOUND + 1))
_START: ColumnElement[int] = literal_column("0")  # else SQLAlchemy adds a parameter for it on SQLite
_STATUS = {one.value: one for one in Status}


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A patient record of an institution. `facts` None: named by reports, its patient has not arrived."""

    id: int
    institution: str
    local_token: bytes | None
    facts: PatientFacts | None


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """A consent of a record: whether it denies sharing, and when it holds (None: open)."""

    record_id: int
    denies: bool
    from_at: datetime | None
    to_at: datetime | None


def find_records(conn: Connection, keys: KeyRing, tokens: Collection[bytes]) -> list[RecordRow]:
    """The records that carry any of these identifier tokens (`keys.tokens` of each value, for a rotation may go on),
    and those of the same hospital patient number. More than `MOST_FOUND`: there are more still, and they are not one
    person's; a number was given to everybody who had none."""
    rows = _rows(_RECORDS, conn, tokens)
    if keys.rotating:
        rows |= _rows_of_numbers(conn, keys, rows.values())
    return [record_of(keys, rows[record_id]) for record_id in sorted(rows)]


def _rows(statement: Prepared, conn: Connection, tokens: Collection[bytes]) -> dict[int, AnyRow]:
    chunks = chunked(sorted(set(tokens)), MOST_KEYS)
    return {row[0]: row for chunk in chunks for row in statement.rows(conn, [chunk])}


def _rows_of_numbers(conn: Connection, keys: KeyRing, known: Collection[AnyRow]) -> dict[int, AnyRow]:
    """The records of the same hospital patient numbers, whichever key their rows stand under: while the keys are
    rotated the statement, which compares rows with one another, does not see them."""
    numbers = {
        (institution, token)
        for _, institution, local, _ in known
        if local is not None
        for token in keys.variants(LOCAL_ID, bytes(local))
    }
    found = _rows(_NUMBERED, conn, {token for _, token in numbers})
    return {record_id: row for record_id, row in found.items() if (row[1], bytes(row[2])) in numbers}


def record_of(keys: KeyRing, row: Sequence[Any]) -> RecordRow:
    """A record from its row: id, institution, local_token, facts."""
    record_id, institution, local, facts = row
    number = None if local is None else keys.renewed(LOCAL_ID, bytes(local))
    return RecordRow(record_id, institution, number, None if facts is None else open_facts(keys, record_id, facts))


def results_of(
    conn: Connection, record_ids: Collection[int], items: Collection[str], since_us: int
) -> list[tuple[int, LabCandidate]]:
    """The current results of these records and items performed at `since_us` (microseconds since 1970 UTC) or later,
    or at no known time; each with its record, in the order of record, item, time and report."""
    heads: dict[int, ReportHead] = {}
    times: dict[AnyRow, When | None] = {}
    return [
        (row[0], _candidate(row, heads, times))
        for row in _by_record(_RESULTS, conn, record_ids, sorted(set(items)), since_us)
    ]


def exams_of(
    conn: Connection, record_ids: Collection[int], modalities: Collection[str], since_us: int
) -> list[tuple[int, ExamCandidate]]:
    """The current exams, each once, chosen as `results_of` chooses; in the order of record, time and report."""
    found: dict[tuple[int, int, int], ImagingExam] = {}
    for record_id, start_at, report_id, body in _by_record(_EXAMS, conn, record_ids, sorted(set(modalities)), since_us):
        if (record_id, start_at, report_id) not in found:
            found[record_id, start_at, report_id] = canonical.decode_exam(body)
    return [(key[0], ExamCandidate(found[key].head, found[key])) for key in sorted(found)]


def consents_of(conn: Connection, record_ids: Collection[int]) -> list[ConsentRow]:
    """All consents of these records."""
    return [
        ConsentRow(record_id, bool(denies), from_us_or_none(from_at), from_us_or_none(to_at))
        for chunk in chunked(sorted(set(record_ids)), MOST_KEYS)
        for record_id, denies, from_at, to_at in _CONSENTS.rows(conn, [chunk])
    ]


def _by_record(
    statement: Prepared, conn: Connection, record_ids: Collection[int], names: list[str], since_us: int
) -> Iterator[AnyRow]:
    for records in chunked(sorted(set(record_ids)), MOST_KEYS):
        yield from statement.rows(conn, [records, names], since_us)


def _candidate(row: AnyRow, heads: dict[int, ReportHead], times: dict[AnyRow, When | None]) -> LabCandidate:
    """A result from its row. `heads` and `times` hold what others have already read: results of a report share them."""
    (
        _, item, start_at, report_id, _, end_at, precision, performed, status, reported, unit, value, is_number,
        comparator, interpretation, reference_range, issues, methods, name, ref, packed,
    ) = row  # fmt: skip
    head = heads.get(report_id)
    if head is None:
        head = heads[report_id] = canonical.decode_head(packed)
    time = (start_at, end_at, precision, performed)
    if time not in times:
        times[time] = when_of(*time)
    return LabCandidate(
        head,
        ItemResult(
            item,
            _STATUS[status],
            times[time],
            Measured(reported, unit, Decimal(value) if is_number else value, comparator),
            _split(interpretation),
            reference_range,
            _split(issues),
            _split(methods),
            (),
            name,
            ref,
        ),
    )


def _split(joined: str) -> tuple[str, ...]:
    return tuple(joined.split("\t")) if joined else ()


def _records(tokens: Keys) -> AnySelect:
    some = select(identifier.c.record_id).where(identifier.c.token.in_(tokens)).limit(_LIMIT).offset(_START).subquery()
    hit = select(some.c.record_id)
    one, same = patient_record.alias("one"), patient_record.alias("same")
    ids = union(
        hit,
        select(same.c.id)
        .join(one, (same.c.institution == one.c.institution) & (same.c.local_token == one.c.local_token))
        .where(one.c.id.in_(hit)),
    )
    wanted = patient_record
    return select(wanted.c.id, wanted.c.institution, wanted.c.local_token, wanted.c.facts).where(wanted.c.id.in_(ids))


def _numbered(tokens: Keys) -> AnySelect:
    wanted = patient_record
    return select(wanted.c.id, wanted.c.institution, wanted.c.local_token, wanted.c.facts).where(
        wanted.c.local_token.in_(tokens)
    )


def _results(records: Keys, items: Keys, since: BindParameter[int]) -> AnySelect:
    found = result.c
    return (
        select(
            found.record_id, found.item, found.start_at, found.report_id, found.n, found.end_at, found.precision,
            found.performed, found.status, found.reported, found.unit, found.value, found.value_is_number,
            found.comparator, found.interpretation, found.reference_range, found.issues, found.methods, found.name,
            found.ref, report.c.head,
        )
        .join(report, (report.c.id == found.report_id) & (report.c.record_id == found.record_id))
        .where(found.record_id.in_(records), found.item.in_(items), found.start_at >= since)
        .where(report.c.state == _CURRENT)
        .order_by(found.record_id, found.item, found.start_at, found.report_id, found.n)
    )  # fmt: skip


def _exams(records: Keys, modalities: Keys, since: BindParameter[int]) -> AnySelect:
    found = exam.c
    return (
        select(found.record_id, found.start_at, found.report_id, found.body)
        .join(report, (report.c.id == found.report_id) & (report.c.record_id == found.record_id))
        .where(found.record_id.in_(records), found.modality.in_(modalities), found.start_at >= since)
        .where(report.c.state == _CURRENT)
    )


def _consents(records: Keys) -> AnySelect:
    found = consent.c
    return (
        select(found.record_id, found.denies, found.from_at, found.to_at)
        .where(found.record_id.in_(records))
        .order_by(found.record_id, found.institution, found.ref)
    )


_RECORDS = Prepared(_records)
_NUMBERED = Prepared(_numbered)
_RESULTS = Prepared(_results, singles=1)
_EXAMS = Prepared(_exams, singles=1)
_CONSENTS = Prepared(_consents)
