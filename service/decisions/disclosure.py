"""What of a decision's input may be shown to those who may see the decision.

Everything known is stored, so that replay is exact; but who reads the input must learn no more from it than the answer
told: nothing that was not counted as existing, and of a probable record no value, report or link.
"""

from __future__ import annotations

from dataclasses import replace

from service.decisions.codec import Given
from service.domain.decision import Evidence
from service.domain.report import ExamCandidate, ImagingExam, ItemResult, LabCandidate, Measured, ReportHead
from service.matching.judge import may_be_told
from service.matching.ordered import understand
from service.matching.policy import Policy


def disclosable(given: Given, policy: Policy) -> Given:
    """The input without what the answer withheld."""
    request, evidence = given.request, given.evidence
    catalogue = policy.catalogue
    imaging = [
        one.required[0] for order in request.orders if (one := understand(order, catalogue)) is not None and one.imaging
    ]
    told = Evidence(
        evidence.match,
        evidence.consent_withheld,
        tuple(
            _shown_result(one)
            for one in evidence.results
            if (item := catalogue.items.get(one.result.item or "")) is not None
            and may_be_told(item, one.head, request, evidence)
        ),
        tuple(
            _shown_exam(one)
            for one in evidence.exams
            if any(may_be_told(item, one.head, request, evidence) for item in imaging)
        ),
    )
    return replace(given, evidence=told)


def _shown_result(one: LabCandidate) -> LabCandidate:
    if one.identity == "confirmed":
        return one
    bare = ItemResult(one.result.item, one.result.status, one.result.performed, Measured())
    return LabCandidate(_bare_head(one.head), bare, one.identity)


def _shown_exam(one: ExamCandidate) -> ExamCandidate:
    if one.identity == "confirmed" and not one.exam.subject_conflict:
        return one
    head, exam = _bare_head(one.head), one.exam
    bare = ImagingExam(
        head, exam.performed, exam.parts, has_report=exam.has_report, region_basis=exam.region_basis,
        subject_conflict=exam.subject_conflict,
    )  # fmt: skip
    return ExamCandidate(head, bare, one.identity)


def _bare_head(head: ReportHead) -> ReportHead:
    return ReportHead(head.institution, "", "", head.status, head.performer)
