"""The decision: pure, from what is known to what can be reused, what must be repeated, and why.

Every rule is evaluated for every ordered item of every candidate; then, for each item, the newest candidate that no
rule blocks is chosen. Nothing here reads a clock or a database: the same input gives the same decision, for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from service.domain.catalogue import Item
from service.domain.decision import (
    Decision,
    Evidence,
    JudgedCandidate,
    JudgedResult,
    Match,
    OrderDecision,
    Outcome,
    Reason,
    Repeat,
    Reuse,
    Severity,
    Verdict,
    verdict_of,
)
from service.domain.order import MatchRequest, Order
from service.domain.report import LabCandidate, ReportHead
from service.domain.times import When
from service.matching.case import Case
from service.matching.coverage import find_coverage
from service.matching.explain import summarise
from service.matching.ordered import Ordered, understand
from service.matching.policy import Policy
from service.matching.rules import EXAM_RULES, LAB_RULES
from service.matching.rules.identity import consent_withheld, identity_conflict, item_not_recognised

_TELLS_CONTENT = frozenset({"critical-value", "specimen-issue", "unit-unknown", "method-differs"})
"""Review reasons that tell something of the value; left out where no value may be shown."""

_RANK = {Verdict.REUSABLE: 0, Verdict.REVIEW: 1, Verdict.NOT_REUSABLE: 2}
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


def evaluate(request: MatchRequest, evidence: Evidence, policy: Policy) -> Decision:
    """Decides every order of the request on what was known (contract, section 4)."""
    # a window of months counts the months of the network's calendar, not of UTC's
    request = replace(request, ordered_at=policy.network.local_time(request.ordered_at))
    orders = tuple(_decide(order, request, evidence, policy) for order in request.orders)
    amount = sum((_amount(order, request.requester, policy) for order in orders), Decimal(0))
    dose = sum(one.dose_msv for order in orders for one in order.reuse if one.decision is Verdict.REUSABLE)
    return Decision(evidence.match, orders, amount, round(dose, 3))


def earliest_listed(item: Item, request: MatchRequest, policy: Policy) -> datetime:
    """How far back candidates of the item are listed: the look-back or the window, whichever is longer."""
    window = policy.window_of(item, request.requester).duration
    at = policy.network.local_time(request.ordered_at)
    return min(window.before(at), policy.network.policy.lookback.before(at))


def _decide(order: Order, request: MatchRequest, evidence: Evidence, policy: Policy) -> OrderDecision:
    ordered = understand(order, policy.catalogue)
    if ordered is None:
        said = (
            order.codes[0].code
            if order.codes
            else f"{order.imaging.modality}.{order.imaging.region}"
            if order.imaging
            else ""
        )
        return summarise(OrderDecision(order.id, Outcome.NO_RESULT, None, reasons=(item_not_recognised(said),)), policy)
    if evidence.match is Match.CONFLICT:
        decided = OrderDecision(order.id, Outcome.REVIEW, ordered.target, reasons=(identity_conflict(),))
        return summarise(decided, policy)
    candidates = _candidates(ordered, request, evidence, policy)
    decided = _choose(order.id, ordered, candidates, request, policy)
    if evidence.consent_withheld and decided.outcome is not Outcome.REUSABLE:
        decided = replace(decided, reasons=(consent_withheld(), *decided.reasons))
    return summarise(decided, policy)


def _candidates(
    ordered: Ordered, request: MatchRequest, evidence: Evidence, policy: Policy
) -> tuple[JudgedCandidate, ...]:
    """Every report that answers the order, judged, newest first; those with an identity reason last."""
    if ordered.imaging is not None:
        judged = list(_judge_exams(ordered, request, evidence, policy))
    else:
        judged = list(_judge_results(ordered, request, evidence, policy))
    judged.sort(key=lambda one: (one.head.institution, one.head.number, one.head.ref))
    judged.sort(key=_order_of_choice)
    return tuple(judged)


def _order_of_choice(one: JudgedCandidate) -> tuple[bool, float, int]:
    return (not one.disclosed, -_seconds(one.performed), _RANK[one.verdict])


def _seconds(when: When | None) -> float:
    return ((when.start if when else _LONG_AGO) - _LONG_AGO).total_seconds()


def _may_be_told(item: Item, head: ReportHead, request: MatchRequest, evidence: Evidence) -> bool:
    """Whether a result may be spoken of at all: own ones always; none where the patient refused sharing; those of
    sensitive items only with the patient's restricted consent. What is not told is not counted as existing."""
    if head.performer == request.requester:
        return True
    return not evidence.consent_withheld and (not item.sensitive or request.encounter.restricted_consent)


def _is_listed(item: Item, performed: When | None, request: MatchRequest, policy: Policy) -> bool:
    if performed is None:
        return True
    # of a month or a year the last possible moment counts: shown for reference rather than lost
    last = performed.start if performed.has_day else performed.end
    return last >= earliest_listed(item, request, policy)


def _judge_results(
    ordered: Ordered, request: MatchRequest, evidence: Evidence, policy: Policy
) -> Iterable[JudgedCandidate]:
    items = {item.id: item for item in ordered.items}
    groups: defaultdict[tuple[object, ...], list[tuple[LabCandidate, Item]]] = defaultdict(list)
    for candidate in evidence.results:
        item = items.get(candidate.result.item or "")
        head, result = candidate.head, candidate.result
        if (
            item is not None
            and head.status.exists
            and result.status.exists
            and _may_be_told(item, head, request, evidence)
            and _is_listed(item, result.performed, request, policy)
        ):
            groups[head.id, head.institution, head.number, candidate.identity].append((candidate, item))
    for group in groups.values():
        judged = [_judge_result(candidate, item, request, policy) for candidate, item in group]
        judged.sort(key=lambda one: (ordered.items.index(items[one.item]), one.result.ref if one.result else ""))
        newest = max((c.result.performed for c, _ in group if c.result.performed), key=_seconds, default=None)
        yield _judged_candidate(group[0][0].head, newest, tuple(judged))


def _judge_result(candidate: LabCandidate, item: Item, request: MatchRequest, policy: Policy) -> JudgedResult:
    performed = candidate.result.performed
    standing = policy.standing(candidate.head.performer, item, request.requester, performed)
    window = policy.window_of(item, request.requester)
    case = Case(
        policy, item, request.requester, request.ordered_at, request.encounter, candidate.head, performed,
        candidate.identity, window, standing, result=candidate.result,
    )  # fmt: skip
    reasons = tuple(reason for rule in LAB_RULES if (reason := rule(case)) is not None)
    hours = window.duration.hours(request.ordered_at)
    disclosed = candidate.identity == "confirmed"
    if not disclosed:
        reasons = tuple(reason for reason in reasons if reason.code not in _TELLS_CONTENT)
    return JudgedResult(item.id, verdict_of(reasons), reasons, hours, standing.mark, candidate.result, disclosed)


def _judge_exams(
    ordered: Ordered, request: MatchRequest, evidence: Evidence, policy: Policy
) -> Iterable[JudgedCandidate]:
    need = ordered.imaging
    assert need is not None
    item = ordered.required[0]
    for candidate in evidence.exams:
        head, exam = candidate.head, candidate.exam
        coverage = find_coverage(need, exam, policy.catalogue)
        if (
            coverage is None
            or not head.status.exists
            or not _may_be_told(item, head, request, evidence)
            or not _is_listed(item, exam.performed, request, policy)
        ):
            continue
        standing = policy.standing(head.performer, item, request.requester, exam.performed)
        window = policy.window_of(item, request.requester)
        case = Case(
            policy, item, request.requester, request.ordered_at, request.encounter, head, exam.performed,
            candidate.identity, window, standing, exam=exam, coverage=coverage,
        )  # fmt: skip
        reasons = tuple(reason for rule in EXAM_RULES if (reason := rule(case)) is not None)
        hours = window.duration.hours(request.ordered_at)
        disclosed = candidate.identity == "confirmed" and not exam.subject_conflict
        judged = JudgedResult(item.id, verdict_of(reasons), reasons, hours, standing.mark, None, disclosed)
        yield replace(
            _judged_candidate(head, exam.performed, (judged,)),
            images=exam.images, study_uid=exam.study_uid, kind="imaging",
        )  # fmt: skip


def _judged_candidate(head: ReportHead, performed: When | None, results: tuple[JudgedResult, ...]) -> JudgedCandidate:
    best = min((one.verdict for one in results), key=_RANK.__getitem__)
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
    )  # fmt: skip


def _choose(
    order_id: str, ordered: Ordered, candidates: tuple[JudgedCandidate, ...], request: MatchRequest, policy: Policy
) -> OrderDecision:
    """Takes for each item the newest unblocked candidate, and says what follows for the order."""
    by_item: defaultdict[str, list[tuple[int, JudgedCandidate, JudgedResult]]] = defaultdict(list)
    for index, candidate in enumerate(candidates):
        for result in candidate.results:
            by_item[result.item].append((index, candidate, result))
    for found in by_item.values():
        found.sort(key=lambda one: (not one[1].disclosed, -_seconds(_performed(one[1], one[2])), _tie(one[2]), one[0]))
    reuse: list[Reuse] = []
    repeat: list[Repeat] = []
    reasons: dict[tuple[str, str | None], Reason] = {}
    for item in ordered.items:
        found = by_item[item.id]
        chosen = next((one for one in found if one[2].verdict is not Verdict.NOT_REUSABLE), None)
        if chosen is not None:
            reuse.append(_reuse(item, chosen, request, policy))
            concerned = [chosen[2]] if chosen[2].verdict is Verdict.REVIEW else []
        else:
            concerned = [result for _, _, result in found]
            if item in ordered.required:
                repeat.append(Repeat(item.id, _block_codes(concerned)))
        for result in concerned:
            for reason in result.reasons:
                reasons.setdefault((reason.code, reason.item), reason)
    offered = {one.item: one.decision for one in reuse}
    required = [offered.get(item.id) for item in ordered.required]
    if all(required):
        outcome = Outcome.REVIEW if Verdict.REVIEW in required else Outcome.REUSABLE
    elif any(required):
        outcome = Outcome.PARTIAL
    else:
        outcome, reuse = (Outcome.NOT_REUSABLE if candidates else Outcome.NO_RESULT), []
    return OrderDecision(
        order_id, outcome, ordered.target, tuple(reuse), tuple(repeat), tuple(reasons.values()), candidates
    )


def _tie(result: JudgedResult) -> int:
    """Of results of one moment. Of two records of an exam the more complete one; of two values of one moment the one
    that asks for a look: a critical or haemolysed one must not hide behind the other."""
    if result.result is None:
        return _RANK[result.verdict]
    return 0 if result.verdict is Verdict.REVIEW else 1


def _performed(candidate: JudgedCandidate, result: JudgedResult) -> When | None:
    return result.result.performed if result.result else candidate.performed


def _block_codes(results: Sequence[JudgedResult]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(reason.code for one in results for reason in one.reasons if reason.severity is Severity.BLOCK)
    )


def _reuse(
    item: Item, chosen: tuple[int, JudgedCandidate, JudgedResult], request: MatchRequest, policy: Policy
) -> Reuse:
    index, candidate, result = chosen
    price = policy.network.price_of(request.requester, item.id) or Decimal(0)
    return Reuse(item.id, result.verdict, index, result.mark, candidate.head.performer, price, item.dose_msv or 0.0)


def _amount(order: OrderDecision, requester: str, policy: Policy) -> Decimal:
    """What is saved by what can be reused at once: the panel's price when the whole panel is, else the items'."""
    panel_price = policy.network.price_of(requester, order.item or "")
    if order.outcome is Outcome.REUSABLE and panel_price is not None:
        return panel_price
    return sum((one.amount for one in order.reuse if one.decision is Verdict.REUSABLE), Decimal(0))


__all__ = ["earliest_listed", "evaluate"]
