"""Rules of imaging: side, contrast, region, images and report at hand."""

from __future__ import annotations

from service.domain.catalogue import IMAGE_MODALITIES
from service.domain.decision import Reason, Severity
from service.matching.case import Case

COVERAGE = "contract section 4: what an exam shows"


def laterality_differs(case: Case) -> Reason | None:
    """The exam shows the other side, or only one of two."""
    if case.coverage is None or case.coverage.side != "differs":
        return None
    return case.because("laterality-differs", Severity.BLOCK, COVERAGE)


def laterality_unknown(case: Case) -> Reason | None:
    """The region is paired, and exam or order does not say the side: an unknown side never equals a side."""
    if case.coverage is None or case.coverage.side != "unknown":
        return None
    return case.because("laterality-unknown", Severity.REVIEW, COVERAGE)


def contrast_missing(case: Case) -> Reason | None:
    """Ordered with contrast, the exam is plain."""
    if case.coverage is None or case.coverage.contrast != "missing":
        return None
    return case.because("contrast-missing", Severity.BLOCK, COVERAGE)


def contrast_differs(case: Case) -> Reason | None:
    """Ordered plain, the exam was made only with contrast."""
    if case.coverage is None or case.coverage.contrast != "differs":
        return None
    return case.because("contrast-differs", Severity.REVIEW, COVERAGE)


def contrast_unknown(case: Case) -> Reason | None:
    """Contrast matters, and exam or order does not say. An absent agent says nothing (it is often left out)."""
    if case.coverage is None or case.coverage.contrast != "unknown":
        return None
    return case.because("contrast-unknown", Severity.REVIEW, COVERAGE)


def region_unsure(case: Case) -> Reason | None:
    """Header and description name different regions: BodyPartExamined follows the protocol and is often wrong."""
    if case.coverage is None or case.coverage.region_basis != "conflict":
        return None
    return case.because("region-unsure", Severity.REVIEW, "DICOM PS3.3 (0018,0015) against the description")


def region_from_words(case: Case) -> Reason | None:
    """Says that the region was read from the description or the requested procedure alone."""
    if case.coverage is None or case.coverage.region_basis != "words":
        return None
    return case.because("region-from-words", Severity.INFO, "DICOM PS3.3 (0018,0015) absent or of no use")


def images_unavailable(case: Case) -> Reason | None:
    """No endpoint or source holds the images (Measures 2: what is recognised is the image), or none that holds them
    answered when last tried. Where sources are known they decide: an endpoint is an address that nobody has tried."""
    if case.exam is None or case.item.modality not in IMAGE_MODALITIES:
        return None
    if any(one.state == "held" and one.reachable for one in case.held_by) or (case.exam.images and not case.held_by):
        return None
    return case.because("images-unavailable", Severity.REVIEW, "国卫医发〔2022〕6号 art. 2; regional reason 98")


def report_missing(case: Case) -> Reason | None:
    """Images without any report."""
    if case.exam is None or case.exam.has_report:
        return None
    return case.because("report-missing", Severity.REVIEW, "contract section 4")


RULES = (
    laterality_differs,
    laterality_unknown,
    contrast_missing,
    contrast_differs,
    contrast_unknown,
    region_unsure,
    region_from_words,
    images_unavailable,
    report_missing,
)
