"""The rows a report becomes: one of its version, and while it is current those that the match path reads."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from service.domain.report import ImagingExam, ItemResult, LabReport
from service.domain.times import Precision, When
from service.ingest.port import IndexedReport
from service.registry import canonical
from service.registry.columns import UNKNOWN_AT, fit, from_us, storable, storable_or_none, to_us, to_us_or_none
from service.registry.session import Session
from service.security.keys import KeyRing

NONE = "none"
"""`result.precision` where no time is known."""

_PRECISION = {one.value: one for one in Precision}

LAB, IMAGING = "lab", "imaging"

Row = dict[str, Any]


def report_row(session: Session, incoming: IndexedReport, report_id: int) -> Row:
    """What a report's row says of its content."""
    head, source = incoming.content.head, incoming.source
    masked = session.hide(head.ref)
    return {
        "id": report_id,
        "institution": session.institution,
        "kind": IMAGING if isinstance(incoming.content, ImagingExam) else LAB,
        "ref": masked,
        "status": head.status.value,
        "issued_at": to_us_or_none(head.issued.start if head.issued else None),
        "version_at": to_us_or_none(head.version_at.start if head.version_at else None),
        "rank": head.status.rank,
        "received_at": session.now,
        "document_id": source.document_id if source else None,
        "start": source.start if source else None,
        "length": source.length if source else None,
        "head": canonical.encode_head(replace(head, id=report_id, ref=masked)),
        "body": session.keys.seal(canonical.encode(incoming.content), _bound_to(report_id)),
    }


def open_body(keys: KeyRing, report_id: int, kind: str, sealed: bytes) -> LabReport | ImagingExam:
    """The whole canonical record of a version."""
    return canonical.decode(kind == IMAGING, keys.open(sealed, _bound_to(report_id)), report_id)


def _bound_to(report_id: int) -> str:
    return f"report|body|{report_id}"


def result_rows(report: LabReport, record_id: int, report_id: int) -> list[Row]:
    """The rows of all results that exist and are catalogue items."""
    if not report.head.status.exists:
        return []
    return [
        _result_row(one, n, record_id, report_id)
        for n, one in enumerate(report.results)
        if one.item is not None and one.status.exists
    ]


def _result_row(one: ItemResult, n: int, record_id: int, report_id: int) -> Row:
    measured, performed = one.measured, one.performed
    value = measured.value
    return {
        "record_id": record_id,
        "item": one.item,
        "start_at": UNKNOWN_AT if performed is None else to_us(performed.start),
        "report_id": report_id,
        "n": n,
        "end_at": UNKNOWN_AT if performed is None else to_us(performed.end),
        "precision": NONE if performed is None else performed.precision.value,
        "performed": "" if performed is None else storable(performed.text),
        "status": one.status.value,
        "reported": storable_or_none(measured.reported),
        "unit": storable_or_none(measured.unit),
        "value": None if value is None else storable(str(value)),
        "value_is_number": isinstance(value, Decimal),
        "comparator": measured.comparator,
        "interpretation": storable("\t".join(one.interpretation)),
        "reference_range": storable_or_none(one.reference_range),
        "issues": storable("\t".join(one.specimen_issues)),
        "methods": storable("\t".join(one.methods)),
        "name": storable(one.name),
        "ref": storable(one.ref),
    }


def exam_rows(exam: ImagingExam, record_id: int, report_id: int) -> list[Row]:
    """One row for each modality of an exam that exists."""
    if not exam.head.status.exists:
        return []
    start_at = UNKNOWN_AT if exam.performed is None else to_us(exam.performed.start)
    body = canonical.encode_exam(replace(exam, head=replace(exam.head, id=report_id)))
    return [
        {"record_id": record_id, "modality": modality, "start_at": start_at, "report_id": report_id, "body": body}
        for modality in sorted({fit(part.modality, 16) for part in exam.parts})
    ]


def when_of(start_at: int, end_at: int, precision: str, text: str) -> When | None:
    """The time that `result_rows` wrote."""
    if precision == NONE:
        return None
    start = from_us(start_at)
    return When(start, start if end_at == start_at else from_us(end_at), _PRECISION[precision], text)
