"""A decision as the contract's JSON (section 4). Nothing is judged here, and nothing undisclosed leaves."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from service.domain.decision import Decision, JudgedCandidate, JudgedResult, OrderDecision, Reason
from service.domain.network import Network
from service.domain.report import Measured
from service.domain.times import Precision, When
from service.matching.explain import explain
from service.matching.policy import Policy


def render_decision(
    decision: Decision, policy: Policy, *, decision_id: str, decided_at: datetime, ordered_at: datetime, public_url: str
) -> dict[str, Any]:
    """The answer to `POST /api/v1/match`. `public_url` is where this service is reached."""
    render = _Renderer(policy, ordered_at, public_url, decision_id)
    return {
        "decisionId": decision_id,
        "decidedAt": policy.network.local_time(decided_at).isoformat(timespec="milliseconds"),
        "policyVersion": policy.version,
        "patient": {"match": decision.match.value},
        "orders": [render.order(one) for one in decision.orders],
        "savings": {"amount": _number(decision.amount), "currency": "CNY", "doseMSv": decision.dose_msv},
    }


_NEVER_OFFERED = frozenset({"rejected", "other-patient", "ambiguous"})


def offers_study(one: JudgedCandidate) -> bool:
    """Whether the study may be seen because of this candidate: where a source holds it or comes to hold it, its images
    too. Not where an archive holds it under another patient, or its radiologists rejected it."""
    is_at_fault = bool(one.held_by) and not any(held.may_open for held in one.held_by)
    return one.disclosed and bool(one.study_uid) and not is_at_fault


class _Renderer:
    def __init__(self, policy: Policy, ordered_at: datetime, public_url: str, decision_id: str) -> None:
        self.policy = policy
        self.ordered_at = ordered_at
        self.base = public_url.rstrip("/")
        self.decision_id = decision_id
        # by identity: a reason stands at its result, its candidate and its order, a time at all results of its report
        self._reasons: dict[int, dict[str, Any]] = {}
        self._times: dict[int, tuple[str, float | None]] = {}

    def order(self, one: OrderDecision) -> dict[str, Any]:
        return {
            "id": one.id,
            "item": one.item,
            "decision": one.outcome.value,
            "summary": {"zh": one.summary_zh, "en": one.summary_en},
            "reuse": [
                {"item": reuse.item, "decision": reuse.decision.value, "candidate": reuse.candidate}
                for reuse in one.reuse
            ],
            "repeat": [{"item": repeat.item, "reasons": list(repeat.reasons)} for repeat in one.repeat],
            "reasons": [self.reason(reason) for reason in one.reasons],
            "candidates": [self.candidate(candidate) for candidate in one.candidates],
        }

    def reason(self, reason: Reason) -> dict[str, Any]:
        found = self._reasons.get(id(reason))
        if found is None:
            found = self._reasons[id(reason)] = self._reason(reason)
        return found

    def _reason(self, reason: Reason) -> dict[str, Any]:
        zh, en = explain(reason, self.policy)
        return {
            "code": reason.code,
            "severity": reason.severity.value,
            "item": reason.item,
            "text": {"zh": zh, "en": en},
            "rule": reason.rule,
            "source": reason.source,
        }

    def candidate(self, one: JudgedCandidate) -> dict[str, Any]:
        issuer = self.policy.institution(one.head.performer)
        performed, age = self.time(one.performed)
        reports = f"{self.base}/api/v1/reports/{one.head.id}?decision={self.decision_id}"
        return {
            "report": one.head.ref if one.disclosed else None,
            "institution": one.head.performer,
            "institutionName": issuer.name if issuer else one.head.performer,
            "source": one.head.institution,
            "interpreter": one.head.interpreter if one.disclosed else None,
            "kind": one.kind,
            "mark": one.mark,
            "performedAt": performed,
            "ageHours": age,
            "windowHours": _plain(one.window_hours),
            "verdict": one.verdict.value,
            "reasons": [self.reason(reason) for reason in one.reasons],
            "results": [self.result(result, one.performed) for result in one.results],
            "retrieve": {
                "report": reports if one.disclosed and one.retrievable and one.head.id else None,
                "images": self.images(one) if one.disclosed else None,
            },
        }

    def images(self, one: JudgedCandidate) -> str | None:
        """Where the images are opened: here, where a source holds them, else at their endpoint. What an archive holds
        under another patient, or its radiologists rejected, is not offered at all."""
        if one.held_by and offers_study(one):
            return f"{self.base}/dicomweb/studies/{one.study_uid}?decision={self.decision_id}"
        if not one.images or any(held.state in _NEVER_OFFERED for held in one.held_by):
            return None
        base = one.images[0].rstrip("/")
        return f"{base}/studies/{one.study_uid}" if one.study_uid and "/studies/" not in base else base

    def time(self, when: When | None) -> tuple[str | None, float | None]:
        """A time as text, and how many hours before the order it lies."""
        if when is None:
            return None, None
        found = self._times.get(id(when))
        if found is None:
            found = self._times[id(when)] = render_when(when, self.policy.network), self.age(when)
        return found

    def age(self, performed: When) -> float | None:
        if not performed.has_day:
            return None
        return round((self.ordered_at - performed.start).total_seconds() / 3600, 2) + 0.0  # never -0.0

    def result(self, one: JudgedResult, exam_performed: When | None) -> dict[str, Any]:
        shown = one.result if one.disclosed else None
        measured = shown.measured if shown else Measured()
        return {
            "item": one.item,
            "value": render_value(measured),
            "unit": (self.policy.catalogue.items[one.item].unit or None)
            if isinstance(measured.value, Decimal)
            else None,
            "reported": {"value": measured.reported, "unit": measured.unit} if shown else None,
            "interpretation": " ".join(shown.interpretation) or None if shown else None,
            "referenceRange": shown.reference_range if shown else None,
            "performedAt": self.time(one.result.performed if one.result else exam_performed)[0],
            "mark": one.mark,
            "verdict": one.verdict.value,
            "reasons": [self.reason(reason) for reason in one.reasons],
        }


def render_value(measured: Measured) -> int | float | str | None:
    """The value in the canonical unit: a number, a text, or, with its comparator, `<0.5`. A censored value is never
    a bare number: a caller who overlooks the comparator would read a measurement."""
    if isinstance(measured.value, Decimal):
        if measured.comparator:
            return f"{measured.comparator}{measured.value:f}"
        return _number(measured.value)
    return measured.value


def render_when(when: When, network: Network) -> str:
    """A moment with the network's offset, a day or a month as what it is."""
    local = network.local_time(when.start)
    if when.precision is Precision.MOMENT:
        return local.isoformat()
    form = {Precision.DAY: "%Y-%m-%d", Precision.MONTH: "%Y-%m", Precision.YEAR: "%Y"}
    return local.strftime(form[when.precision])


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() and abs(value) < 10**15 else float(value)


def _plain(hours: float) -> int | float:
    return int(hours) if hours == int(hours) else round(hours, 2)
