"""Rules of the result itself: final, with a value, in a known unit, by a comparable method, from a good specimen."""

from __future__ import annotations

from service.domain.codes import CRITICAL
from service.domain.decision import Reason, Severity
from service.matching.case import Case


def not_final(case: Case) -> Reason | None:
    """The report's or the result's status is registered, partial, preliminary or unknown (FHIR R4
    DiagnosticReport.status, Observation.status)."""
    status = case.head.status
    if status.is_final and case.result is not None:
        status = case.result.status
    if status.is_final:
        return None
    return case.because(
        "not-final", Severity.BLOCK, "FHIR R4 diagnosticreport-status, observation-status", status=status.value
    )


def no_value(case: Case) -> Reason | None:
    """The result carries no value."""
    if case.result is None or not case.result.measured.is_absent:
        return None
    return case.because("no-value", Severity.BLOCK, "FHIR R4 Observation.value[x], dataAbsentReason")


def unit_unknown(case: Case) -> Reason | None:
    """The unit cannot surely be converted to the item's: mixed units are the silent hazard."""
    if case.result is None or case.result.measured.is_absent or case.result.measured.unit_is_known:
        return None
    return case.because(
        "unit-unknown", Severity.REVIEW, f"UCUM; catalogue {case.item.id}: unit {case.item.unit}",
        unit=case.result.measured.unit or "", wanted=case.item.unit,
    )  # fmt: skip


def method_differs(case: Case) -> Reason | None:
    """The item is method-dependent, and issuer and requester are not known to measure it on the same platform.
    An institution's own result is compared only where both its platforms are known."""
    if not case.item.method_dependent or case.result is None:
        return None
    network, names = case.policy.network, case.policy.catalogue.names_of(case.item.id)
    named = network.method_of(case.head.performer, names)
    theirs = {normalise_method(one) for one in case.result.methods} or ({normalise_method(named)} if named else set())
    named = network.method_of(case.requester, names)
    ours = normalise_method(named) if named else None
    if ours in theirs or (case.own and (ours is None or not theirs)):
        return None
    return case.because(
        "method-differs", Severity.REVIEW, f"catalogue {case.item.id}: method-dependent; network method table",
        theirs=", ".join(sorted(theirs)), ours=ours or "",
    )  # fmt: skip


def normalise_method(text: str) -> str:
    """The form in which platforms are compared: case folded, everything but letters and digits one hyphen."""
    return "-".join("".join(ch if ch.isalnum() else " " for ch in text.casefold()).split())


def values_differ(case: Case) -> Reason | None:
    """One report gives two values for the item at the same time (a rerun kept beside the first): nobody but the
    clinician can say which one holds."""
    if not case.doubted:
        return None
    return case.because("values-differ", Severity.REVIEW, "when in doubt the answer is review")


def specimen_issue(case: Case) -> Reason | None:
    """The laboratory reports a haemolysed, lipaemic, clotted… specimen (HL7 v2 table 0493)."""
    if case.result is None or not case.result.specimen_issues:
        return None
    return case.because(
        "specimen-issue", Severity.REVIEW, "HL7 v2 table 0493; the report's notes",
        issues=" ".join(case.result.specimen_issues),
    )  # fmt: skip


def critical_value(case: Case) -> Reason | None:
    """A critical value (HH, LL, AA) asks for confirmation, not for reuse (v3-ObservationInterpretation)."""
    found = sorted(CRITICAL.intersection(case.result.interpretation)) if case.result else []
    if not found:
        return None
    return case.because("critical-value", Severity.REVIEW, "HL7 v3 ObservationInterpretation", flag=found[0])


RULES = (not_final, no_value, values_differ, unit_unknown, method_differs, specimen_issue, critical_value)
