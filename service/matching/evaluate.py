"""The decision: pure, from what is known to what can be reused, what must be repeated, and why.

Every rule is evaluated for every ordered item of every candidate; then, for each item, the newest candidate that no
rule blocks is chosen. Nothing here reads a clock or a database: the same input gives the same decision, for ever.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
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
)
from service.domain.order import MatchRequest, Order
from service.domain.times import When
from service.matching.explain import summarise
from service.matching.judge import RANK, judge_candidates, seconds_of
from service.matching.ordered import Ordered, understand
from service.matching.policy import Policy
from service.matching.rules.identity import consent_withheld, identity_conflict, item_not_recognised


def evaluate(request: MatchRequest, evidence: Evidence, policy: Policy) -> Decision:
    """Decides every order of the request on what was known (contract, section 4)."""
    orders = tuple(_decide(order, request, evidence, policy) for order in request.orders)
    # the same ordered twice and answered by the same reports saves one repeat, not two
    saving = {
        (one.item, tuple((n.item, one.candidates[n.candidate].head.id) for n in one.reuse)): one for one in orders
    }
    amount = sum((_amount(order, request.requester, policy) for order in saving.values()), Decimal(0))
    dose = sum(one.dose_msv for order in saving.values() for one in order.reuse if one.decision is Verdict.REUSABLE)
    return Decision(evidence.match, orders, amount, round(dose, 3))


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
    candidates = judge_candidates(ordered, request, evidence, policy)
    decided = _choose(order.id, ordered, candidates, request, policy)
    if evidence.consent_withheld and decided.outcome is not Outcome.REUSABLE:
        decided = decided._replace(reasons=(consent_withheld(), *decided.reasons))
    return summarise(decided, policy)


def _choose(
    order_id: str, ordered: Ordered, candidates: tuple[JudgedCandidate, ...], request: MatchRequest, policy: Policy
) -> OrderDecision:
    """Takes for each item the newest unblocked candidate, and says what follows for the order."""
    by_item: defaultdict[str, list[tuple[int, JudgedCandidate, JudgedResult]]] = defaultdict(list)
    for index, candidate in enumerate(candidates):
        for result in candidate.results:
            by_item[result.item].append((index, candidate, result))
    for found in by_item.values():
        found.sort(key=_order_of_choice)
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


def _order_of_choice(one: tuple[int, JudgedCandidate, JudgedResult]) -> tuple[bool, float, int, int]:
    """The newest first; those whose person is not sure come last, whatever their age (contract, section 4)."""
    index, candidate, result = one
    return (not candidate.disclosed, -seconds_of(_performed(candidate, result)), _tie(result), index)


def _tie(result: JudgedResult) -> int:
    """Of results of one moment. Of two records of an exam the more complete one; of two values of one moment the one
    that asks for a look: a critical or haemolysed one must not hide behind the other."""
    if result.result is None:
        return RANK[result.verdict]
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
