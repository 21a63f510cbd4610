"""Rules of time: how old, whether from the future, whether something happened in between."""

from __future__ import annotations

from service.domain.decision import Reason, Severity
from service.matching.case import Case

MEASURES = "国卫医发〔2022〕6号"


def outside_window(case: Case) -> Reason | None:
    """Older than the window when ordered. Counts from collection or exam: counting from the issue would let a
    result that waited a week in the laboratory pass as new. P0D is never inside."""
    if case.inside_window:
        return None
    counted = case.counted_from
    return case.because(
        "outside-window", Severity.BLOCK, case.asked.window.source,
        window=case.asked.window.duration.text, performed=case.tell(counted),
    )  # fmt: skip


def future_dated(case: Case) -> Reason | None:
    """Performed after it was ordered: the clock or the record is wrong."""
    if case.performed is None or case.performed.start <= case.at:
        return None
    return case.because(
        "future-dated", Severity.BLOCK, "contract section 4: performed after it was ordered",
        performed=case.tell(case.performed),
    )  # fmt: skip


def changes_fast(case: Case) -> Reason | None:
    """The item is volatile by nature, inside its window (Measures, six cases: 2)."""
    if not case.item.volatile or not case.inside_window:
        return None
    return case.because("changes-fast", Severity.REVIEW, f"{MEASURES}, case 2; catalogue {case.item.id}: volatile")


def intervening_event(case: Case) -> Reason | None:
    """Surgery, transfusion, treatment… between the exam and the order. An event of the same day as a day-only exam
    may have come after it, so it counts; one whose last moment (a day's end is the next day's start) lies before the
    exam does not."""
    for event in case.encounter.events:
        if event.at.start > case.at:
            continue
        if case.performed is None or event.at.start >= case.performed.start or event.at.end > case.performed.start:
            return case.because(
                "intervening-event", Severity.REVIEW, f"{MEASURES}, case 1 and 3",
                event=event.type, at=case.tell(event.at),
            )  # fmt: skip
    return None


RULES = (outside_window, future_dated, changes_fast, intervening_event)
