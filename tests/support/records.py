"""Short ways to say reports and patients in tests of the registry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from service.domain.person import PatientFacts, PatientIdentifier
from service.domain.report import ExamPart, ImagingExam, ItemResult, LabReport, Measured, ReportHead, Status
from service.domain.times import When, moment
from service.ingest.port import IndexedReport

HOSPITAL = "jl-central"
RESIDENT = "urn:oid:2.16.156.10011.1.3"
NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


def at(hours: float) -> When:
    """That many hours after `NOON`."""
    return moment(NOON + timedelta(hours=hours))


def patient(key: str = "Patient/1", resident: str = "11010519491231002X", **facts: object) -> PatientFacts:
    """A patient with a valid resident number and a patient number of the hospital."""
    local = key.rpartition("/")[2]
    identifiers = (PatientIdentifier(RESIDENT, resident), PatientIdentifier("urn:h", f"H{local}", "MR"))
    given: dict[str, object] = {"names": ("李敏",), "birth_date": "1949-12-31", "sex": "female", **facts}
    return PatientFacts(key, **{"local_id": f"H{local}", "identifiers": identifiers, **given})


def result(
    value: str = "132", item: str | None = "718-7", status: Status = Status.FINAL, **facts: object
) -> ItemResult:
    """One result in g/L."""
    given: dict[str, object] = {"performed": at(0), "measured": Measured(value, "g/L", Decimal(value)), **facts}
    return ItemResult(item=item, status=status, **given)


def lab(
    number: str = "N1",
    *results: ItemResult,
    version: float | None = 0,
    status: Status = Status.FINAL,
    root: str = "DiagnosticReport/1",
    patient_key: str = "Patient/1",
    institution: str = HOSPITAL,
) -> IndexedReport:
    """A laboratory report, `version` hours after `NOON`."""
    when = None if version is None else at(version)
    head = ReportHead(institution, number, root, status, institution, None, when, when)
    return IndexedReport(root, patient_key, LabReport(head, results or (result(),)))


def imaging(number: str = "E1", *modalities: str, root: str = "study/1.2.3", **facts: object) -> IndexedReport:
    """A chest exam of these modalities."""
    head = ReportHead(HOSPITAL, number, root, Status.FINAL, HOSPITAL, version_at=at(0))
    parts = tuple(ExamPart(one, "CHEST") for one in modalities or ("CT",))
    given: dict[str, object] = {"performed": at(0), **facts}
    return IndexedReport(root, "Patient/1", ImagingExam(head, parts=parts, **given))
