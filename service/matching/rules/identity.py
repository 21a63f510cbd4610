"""Rules of identity: whose result it is, and what may be said."""

from __future__ import annotations

from service.domain.decision import Reason, Severity
from service.matching.case import Case


def identity_probable(case: Case) -> Reason | None:
    """The link between the records is not confirmed, or the study's own parts name different patients: no value,
    report or link is shown."""
    if case.identity == "confirmed" and not (case.exam and case.exam.subject_conflict):
        return None
    return case.because("identity-probable", Severity.REVIEW, "contract section 4: a missed link costs money")


def identity_conflict() -> Reason:
    """The identifiers contradict each other: nothing is shown, someone must look."""
    return Reason("identity-conflict", Severity.REVIEW, "identity-conflict/1", "contract section 4")


def consent_withheld() -> Reason:
    """The patient refused sharing (个人信息保护法 art. 23, 29): the same answer whether or not anything exists."""
    return Reason(
        "consent-withheld", Severity.INFO, "consent-withheld/1", "个人信息保护法 art. 23, 29; FHIR R4 Consent"
    )


def item_not_recognised(code: str) -> Reason:
    """The order is not a catalogue item: answered, not refused (Measures ~15: the list of items is published)."""
    return Reason(
        "item-not-recognised", Severity.BLOCK, "item-not-recognised/1", "国卫医发〔2022〕6号 ~12, ~15",
        facts=(("code", code),),
    )  # fmt: skip


RULES = (identity_probable,)
