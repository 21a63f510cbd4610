"""What matching answers: decisions, verdicts and reasons, a closed family of frozen values.

Those made for every candidate are named tuples: a frozen dataclass takes five times as long to make.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from service.domain.report import ExamCandidate, HeldBy, ItemResult, LabCandidate, ReportHead
from service.domain.times import When


class Match(StrEnum):
    """How sure the link between the patient asked for and the records is."""

    CONFIRMED = "confirmed"
    PROBABLE = "probable"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """What a reason does: block reuse, ask for a look, or just say."""

    BLOCK = "block"
    REVIEW = "review"
    INFO = "info"


class Verdict(StrEnum):
    """What can be done with one result."""

    REUSABLE = "reusable"
    REVIEW = "review"
    NOT_REUSABLE = "not-reusable"


class Outcome(StrEnum):
    """The decision for one order (contract, section 4)."""

    REUSABLE = "reusable"
    REVIEW = "review"
    PARTIAL = "partial"
    NOT_REUSABLE = "not-reusable"
    NO_RESULT = "no-result"


class Reason(NamedTuple):
    """Why. `rule` names the rule and version that gave it, `source` where the rule comes from, `facts` what the
    explanation says (already text)."""

    code: str
    severity: Severity
    rule: str
    source: str
    item: str | None = None
    facts: tuple[tuple[str, str], ...] = ()

    def fact(self, key: str, default: str = "") -> str:
        """One fact by name."""
        return dict(self.facts).get(key, default)


def verdict_of(reasons: tuple[Reason, ...]) -> Verdict:
    """The verdict that follows from reasons: any block refuses, else any review asks for a look."""
    if not reasons:
        return Verdict.REUSABLE
    severities = {reason.severity for reason in reasons}
    if Severity.BLOCK in severities:
        return Verdict.NOT_REUSABLE
    return Verdict.REVIEW if Severity.REVIEW in severities else Verdict.REUSABLE


class JudgedResult(NamedTuple):
    """One ordered item answered by one candidate. `result` is None for an exam."""

    item: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    window_hours: float
    mark: str | None
    result: ItemResult | None = None
    disclosed: bool = True  # False: institution, item and date only (identity-probable)


class JudgedCandidate(NamedTuple):
    """One report with all its results that answer the order. `images` as the registry knows them."""

    head: ReportHead
    performed: When | None
    verdict: Verdict
    results: tuple[JudgedResult, ...]
    reasons: tuple[Reason, ...]
    mark: str | None
    window_hours: float
    disclosed: bool = True
    retrievable: bool = True  # False: the report as a whole holds what this order may not see
    images: tuple[str, ...] = ()
    study_uid: str | None = None
    kind: str = "lab"
    held_by: tuple[HeldBy, ...] = ()


@dataclass(frozen=True, slots=True)
class Reuse:
    """An item that can be reused, from which candidate."""

    item: str
    decision: Verdict
    candidate: int
    mark: str | None = None
    issuer: str = ""
    amount: Decimal = Decimal(0)
    dose_msv: float = 0.0


@dataclass(frozen=True, slots=True)
class Repeat:
    """An item that must be repeated, and the codes of what blocks each candidate (empty: nothing is known)."""

    item: str
    reasons: tuple[str, ...] = ()


class OrderDecision(NamedTuple):
    """The decision for one order."""

    id: str
    outcome: Outcome
    item: str | None  # the item or panel ordered; None when nobody knows the code
    reuse: tuple[Reuse, ...] = ()
    repeat: tuple[Repeat, ...] = ()
    reasons: tuple[Reason, ...] = ()
    candidates: tuple[JudgedCandidate, ...] = ()
    summary_zh: str = ""
    summary_en: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a match request: pure, without id or clock."""

    match: Match
    orders: tuple[OrderDecision, ...]
    amount: Decimal = Decimal(0)
    dose_msv: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the registry and the identity room knew when the question was asked: the rest of matching's input."""

    match: Match
    consent_withheld: bool = False
    results: tuple[LabCandidate, ...] = ()
    exams: tuple[ExamCandidate, ...] = ()
    record_ids: tuple[int, ...] = field(default=())
