"""Rules of quality evidence: certified, in scope, agreed direction; own results need none of it."""

from __future__ import annotations

from service.domain.decision import Reason, Severity
from service.domain.network import Breadth, Direction
from service.matching.case import Case

MEASURES = "国卫医发〔2022〕6号"


def own_result(case: Case) -> Reason | None:
    """Performed by the ordering institution itself: needs no certificate."""
    if not case.own:
        return None
    return case.because("own-result", Severity.INFO, "contract section 4: own results need no certificate")


def not_certified(case: Case) -> Reason | None:
    """No certificate of the performing institution for the item was valid when the exam was performed
    (Measures ~12-14: what was not evaluated or failed must not be marked)."""
    if case.own or case.standing.certified:
        return None
    return case.because("not-certified", Severity.BLOCK, f"{MEASURES} ~12-14", issuer=case.head.performer)


def out_of_scope(case: Case) -> Reason | None:
    """Certified, but for a scope that does not cover the ordering institution (Measures ~13: the range follows the
    level of the evaluation passed)."""
    if case.own or not case.standing.certified or case.standing.in_scope:
        return None
    return case.because("out-of-scope", Severity.BLOCK, f"{MEASURES} ~13", issuer=case.head.performer)


def direction_not_agreed(case: Case) -> Reason | None:
    """A direction row of the network refuses this issuer's level for this requester's. The narrowest row that
    applies decides; of equals the refusing one. Holds inside an alliance too."""
    issuer, asking = case.issuer, case.asking
    if case.own or issuer is None or asking is None or issuer.level is None or asking.level is None:
        return None
    network = case.policy.network
    applying = [
        row
        for row in network.directions
        if (row.issuer_level, row.requester_level) == (issuer.level, asking.level)
        and network.covers(row.scope, issuer)
        and network.covers(row.scope, asking)
    ]
    if not applying or max(applying, key=_narrowness).allowed:
        return None
    return case.because(
        "direction-not-agreed", Severity.BLOCK, "network direction table",
        issuer_level=str(issuer.level), requester_level=str(asking.level),
    )  # fmt: skip


def level_unknown(case: Case) -> Reason | None:
    """A direction row may refuse, but the level of one side is not in the network file: someone must look."""
    issuer, asking = case.issuer, case.asking
    if case.own or issuer is None or asking is None or (issuer.level is not None and asking.level is not None):
        return None
    network = case.policy.network
    may_refuse = any(
        not row.allowed
        and issuer.level in (None, row.issuer_level)
        and asking.level in (None, row.requester_level)
        and network.covers(row.scope, issuer)
        and network.covers(row.scope, asking)
        for row in network.directions
    )
    if not may_refuse:
        return None
    return case.because("level-unknown", Severity.REVIEW, "network direction table")


def _narrowness(row: Direction) -> tuple[int, bool]:
    return (Breadth.NATIONAL if row.scope is None else row.scope.breadth, not row.allowed)


RULES = (own_result, not_certified, out_of_scope, direction_not_agreed, level_unknown)
