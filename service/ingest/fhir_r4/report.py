"""FHIR R4 DiagnosticReport, or a laboratory Observation that stands alone, to LabReport."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from service.domain.report import ImagingExam, LabReport, ReportHead
from service.ingest.fhir_r4.observation import Frame, Performed, read_observation, read_results, read_specimens
from service.ingest.fhir_r4.performer import find_institution
from service.ingest.fhir_r4.shapes import DiagnosticReport, Identifier, Observation, concepts, references
from service.ingest.fhir_r4.specimens import issues_of_words
from service.ingest.fhir_r4.values import Context, codes_of, effective, status_of, version_of
from service.ingest.fhir_r4.view import Newest, View

_NOT_REPORT_NUMBERS = frozenset({"PLAC", "ACSN", "VN", "MR", "PI", "AN", "PGN"})
"""v2-0203 types of order, accession, visit and patient numbers, which sources put beside the report's own."""

_LAB_CATEGORIES = frozenset(
    {"LAB", "LABORATORY", "HM", "CH", "CHM", "HEM", "MB", "MCB", "BLB", "SR", "IMM", "TX", "URN", "COAG", "VR", "MYC"}
)


@dataclass(slots=True)
class Strange:
    """A result that names another patient than its report, and the place of that statement."""

    observation: Newest
    theirs: str


@dataclass(slots=True)
class Assembled:
    """What a root makes: reports (more than one when results were performed elsewhere), and results refused."""

    patient_key: str
    reports: list[LabReport] | list[ImagingExam]
    strangers: list[Strange] = field(default_factory=list)


def report_number(identifiers: list[Identifier] | None, fallback: str) -> str:
    """The report's number: an identifier of type FILL (filler order number), else an untyped or unknown one, else
    `fallback`. Order, accession and patient numbers are none."""
    given = [one for one in identifiers or () if one.value and one.use != "old"]
    filled = [one for one in given if one.type_code == "FILL"]
    other = [one for one in given if one.type_code not in _NOT_REPORT_NUMBERS]
    found = (*filled, *other)[:1]
    return next(((one.value or "").strip()[:200] for one in found), "") or fallback


def report_head(view: View, at: Newest, report: DiagnosticReport, context: Context) -> ReportHead:
    """The head of a report. Unless another institution is named, the one that sent it performed it."""
    return ReportHead(
        institution=context.institution,
        number=report_number(report.identifier, at.ref.partition("/")[2]),
        ref=at.ref,
        status=status_of(report.status, report),
        performer=find_institution(view, at, references(report.performer), context.network) or context.institution,
        interpreter=find_institution(view, at, references(report.resultsInterpreter), context.network),
        issued=context.when(report.issued),
        version_at=version_of(report, report.issued, context),
    )


def read_lab_report(
    view: View, at: Newest, report: DiagnosticReport, subject: str, context: Context,
    same_patient: Callable[[str], bool] | None = None,
) -> Assembled:  # fmt: skip
    """A DiagnosticReport with the results known so far. `same_patient` tells whether another key is the subject's."""
    head = report_head(view, at, report, context)
    frame = Frame(
        subject=subject,
        performed=effective(report, context),
        specimens=read_specimens(view, at, references(report.specimen), subject, context),
        issues=issues_of_words([report.conclusion, *(note.text for note in report.note or ())]),
        same_patient=same_patient,
    )
    performed = list(read_results(view, at, references(report.result), frame, context))
    items = (context.catalogue.items.get(one.result.item or "") for one in performed)
    head = replace(head, holds_sensitive=any(item is not None and item.sensitive for item in items))
    return _assemble(head, performed, frame)


def read_single(view: View, at: Newest, observation: Observation, subject: str, context: Context) -> Assembled:
    """A laboratory Observation that no report uses: a report of one, named by the Observation."""
    status = status_of(observation.status, observation)
    head = ReportHead(
        institution=context.institution,
        number=at.ref,
        ref=at.ref,
        status=status,
        performer=context.institution,
        issued=context.when(observation.issued),
        version_at=version_of(observation, observation.issued, context),
    )
    frame = Frame(subject=subject, seen={at.ref})
    return _assemble(head, list(read_observation(view, at, observation, frame, context)), frame)


def _assemble(head: ReportHead, performed: list[Performed], frame: Frame) -> Assembled:
    """One report per performing institution: a certificate is the performer's own, so results that another
    institution performed must not pass under the report's name."""
    groups: dict[str, list[Performed]] = {head.performer: []}
    for one in performed:
        groups.setdefault(one.performer or head.performer, []).append(one)
    if not groups[head.performer] and len(groups) == 2:  # all by one other, named only in the results
        del groups[head.performer]
    reports = []
    for n, (performer, mine) in enumerate(groups.items()):
        number = head.number if n == 0 else f"{head.number[:120]}@{performer}"
        reports.append(LabReport(replace(head, number=number, performer=performer), tuple(one.result for one in mine)))
    return Assembled(frame.subject, reports, [Strange(at, theirs) for at, theirs in frame.strangers])


def is_laboratory(observation: Observation, context: Context) -> bool:
    """Whether an Observation that stands alone is a laboratory's: its category says so, or it has none and one of
    its codes is a laboratory item."""
    categories = {(one.code or "").upper() for concept in concepts(observation.category) for one in concept.codings}
    if categories:
        return not _LAB_CATEGORIES.isdisjoint(categories)
    own = [codes_of(observation.code), *(codes_of(part.code) for part in observation.component or ())]
    return any(context.item(codes) for codes in own)
