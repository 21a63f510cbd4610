"""Every candidate of an order, judged by every rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from service.domain.catalogue import Item
from service.domain.decision import Evidence, JudgedCandidate, JudgedResult, Reason, Verdict, verdict_of
from service.domain.order import MatchRequest
from service.domain.report import LabCandidate, ReportHead
from service.domain.times import When
from service.matching.case import Asked, ask, make_case
from service.matching.coverage import find_coverage
from service.matching.ordered import Ordered
from service.matching.policy import Policy
from service.matching.rules import EXAM_RULES, LAB_RULES

_TELLS_CONTENT = frozenset({"values-differ", "critical-value", "specimen-issue", "unit-unknown", "method-differs"})
"""Review reasons that tell something of the value; left out where no value may be shown."""

RANK = {Verdict.REUSABLE: 0, Verdict.REVIEW: 1, Verdict.NOT_REUSABLE: 2}
"""Verdicts, best first."""

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def judge_candidates(
    ordered: Ordered, request: MatchRequest, evidence: Evidence, policy: Policy
) -> tuple[JudgedCandidate, ...]:
    """Every report that answers the order, judged, newest first; those with an identity reason last."""
    asked = {item.id: ask(item, request, policy) for item in ordered.items}
    if ordered.imaging is not None:
        judged = list(_judge_exams(ordered, asked, request, evidence, policy))
    else:
        judged = list(_judge_results(ordered, asked, request, evidence, policy))
    judged.sort(key=lambda one: (one.head.institution, one.head.number, one.head.ref))
    judged.sort(key=lambda one: (not one.disclosed, -seconds_of(one.performed), RANK[one.verdict]))
    return tuple(judged)


def seconds_of(when: When | None) -> float:
    """A time to sort by; no time at all is the oldest."""
    return (when.start - _LONG_AGO).total_seconds() if when else 0.0


def may_be_told(item: Item, head: ReportHead, request: MatchRequest, evidence: Evidence) -> bool:
    """Whether a result may be spoken of at all: own ones always; none where the patient refused sharing; those of
    sensitive items only with the patient's restricted consent. What is not told is not counted as existing."""
    if head.performer == request.requester:
        return True
    return not evidence.consent_withheld and (not item.sensitive or request.encounter.restricted_consent)


def _is_listed(asked: Asked, performed: When | None) -> bool:
    if performed is None:
        return True
    # of a month or a year the last possible moment counts: shown for reference rather than lost
    return (performed.start if performed.has_day else performed.end) >= asked.listed_since


def _judge_results(
    ordered: Ordered, items: dict[str, Asked], request: MatchRequest, evidence: Evidence, policy: Policy
) -> Iterable[JudgedCandidate]:
    groups: defaultdict[tuple[object, ...], list[tuple[LabCandidate, Asked]]] = defaultdict(list)
    for candidate in evidence.results:
        head, result = candidate.head, candidate.result
        asked = items.get(result.item or "")
        if (
            asked is not None
            and head.status.exists
            and result.status.exists
            and may_be_told(asked.item, head, request, evidence)
            and _is_listed(asked, result.performed)
        ):
            groups[head.id, head.institution, head.number, candidate.identity].append((candidate, asked))
    place = {item.id: n for n, item in enumerate(ordered.items)}
    for group in groups.values():
        doubted = _doubted(candidate for candidate, _ in group) if len(group) > 1 else frozenset()
        judged = [_judge_result(candidate, asked, request, policy, doubted) for candidate, asked in group]
        judged.sort(key=lambda one: (place[one.item], one.result.ref if one.result else ""))
        newest = max((c.result.performed for c, _ in group if c.result.performed), key=seconds_of, default=None)
        head = group[0][0].head
        whole = head.performer == request.requester or request.encounter.restricted_consent
        yield _judged_candidate(head, newest, tuple(judged), whole or not head.holds_sensitive)


def _doubted(group: Iterable[LabCandidate]) -> frozenset[tuple[str | None, When | None]]:
    """Items and times for which one report gives more than one value."""
    said: defaultdict[tuple[str | None, When | None], set[object]] = defaultdict(set)
    for one in group:
        if one.result.status.is_final and not one.result.measured.is_absent:
            measured = one.result.measured
            said[one.result.item, one.result.performed].add((measured.value or measured.reported, measured.comparator))
    return frozenset(key for key, values in said.items() if len(values) > 1)


def _judge_result(
    candidate: LabCandidate,
    asked: Asked,
    request: MatchRequest,
    policy: Policy,
    doubted: frozenset[tuple[str | None, When | None]],
) -> JudgedResult:
    result = candidate.result
    case = make_case(
        asked, candidate.head, result.performed, candidate.identity, request, policy,
        result=result, doubted=bool(doubted) and (result.item, result.performed) in doubted,
    )  # fmt: skip
    reasons = tuple([reason for rule in LAB_RULES if (reason := rule(case)) is not None])
    verdict, disclosed = verdict_of(reasons), candidate.identity == "confirmed"
    if not disclosed:
        reasons = tuple(reason for reason in reasons if reason.code not in _TELLS_CONTENT)
    return JudgedResult(asked.item.id, verdict, reasons, asked.window_hours, case.standing.mark, result, disclosed)


def _judge_exams(
    ordered: Ordered, items: dict[str, Asked], request: MatchRequest, evidence: Evidence, policy: Policy
) -> Iterable[JudgedCandidate]:
    need = ordered.imaging
    assert need is not None
    asked = items[ordered.required[0].id]
    for candidate in evidence.exams:
        head, exam = candidate.head, candidate.exam
        coverage = find_coverage(need, exam, policy.catalogue)
        if (
            coverage is None
            or not head.status.exists
            or not may_be_told(asked.item, head, request, evidence)
            or not _is_listed(asked, exam.performed)
        ):
            continue
        case = make_case(
            asked, head, exam.performed, candidate.identity, request, policy,
            exam=exam, coverage=coverage, held_by=candidate.held_by,
        )  # fmt: skip
        reasons = tuple([reason for rule in EXAM_RULES if (reason := rule(case)) is not None])
        disclosed = candidate.identity == "confirmed" and not exam.subject_conflict
        judged = JudgedResult(
            asked.item.id, verdict_of(reasons), reasons, asked.window_hours, case.standing.mark, None, disclosed
        )
        yield _judged_candidate(head, exam.performed, (judged,))._replace(
            images=exam.images, study_uid=exam.study_uid, kind="imaging", held_by=candidate.held_by,
        )  # fmt: skip


def _judged_candidate(
    head: ReportHead, performed: When | None, results: tuple[JudgedResult, ...], retrievable: bool = True
) -> JudgedCandidate:
    first = results[0]
    if len(results) == 1:
        return JudgedCandidate(
            head, performed, first.verdict, results, first.reasons, first.mark, first.window_hours, first.disclosed,
            retrievable,
        )  # fmt: skip
    best = min((one.verdict for one in results), key=RANK.__getitem__)
    reasons: dict[tuple[str, str | None], Reason] = {}
    for one in results:
        for reason in one.reasons:
            reasons.setdefault((reason.code, reason.item), reason)
    marks = {one.mark for one in results}
    return JudgedCandidate(
        head, performed, best, results, tuple(reasons.values()),
        mark=marks.pop() if len(marks) == 1 else next((one.mark for one in results if one.verdict is best), None),
        window_hours=min(one.window_hours for one in results),
        disclosed=all(one.disclosed for one in results),
        retrievable=retrievable,
    )  # fmt: skip
