"""Rules of the visit: the national measures' cases in which a repeat is allowed."""

from __future__ import annotations

from service.domain.decision import Reason, Severity
from service.matching.case import Case

MEASURES = "国卫医发〔2022〕6号"


def legal_assessment(case: Case) -> Reason | None:
    """Judicial, disability or early-retirement assessment (Measures, six cases: 5)."""
    if case.encounter.purpose != "legal":
        return None
    return case.because("legal-assessment", Severity.BLOCK, f"{MEASURES}, case 5")


def condition_changed(case: Case) -> Reason | None:
    """The clinician says the condition has changed (Measures, six cases: 1)."""
    if not case.encounter.condition_changed:
        return None
    return case.because("condition-changed", Severity.BLOCK, f"{MEASURES}, case 1")


def emergency(case: Case) -> Reason | None:
    """Emergency or rescue (Measures, six cases: 4)."""
    if case.encounter.visit_class != "EMER":
        return None
    return case.because("emergency", Severity.REVIEW, f"{MEASURES}, case 4")


RULES = (legal_assessment, condition_changed, emergency)
