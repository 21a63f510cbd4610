"""changes-fast: the item is volatile, inside its window. Potassium here has P1D."""

from __future__ import annotations

from service.domain.network import Policy as NetworkPolicy
from tests.support.matching import REQUESTER, ago, head, lab, order, policy
from tests.support.spec import Spec, case

K = (order("2823-3"),)

SPEC = Spec(
    "changes-fast",
    "review",
    (
        case("volatile, inside its window", True, lab("2823-3", ago(hours=2)), orders=K),
        case("volatile, exactly at its window", True, lab("2823-3", ago(days=1)), orders=K),
        case("volatile, one second past its window", False, lab("2823-3", ago(days=1, seconds=1)), orders=K),
        case("volatile, day-only today", True, lab("2823-3", "2026-11-22"), orders=K),
        case("volatile, month-only is never inside", False, lab("2823-3", "2026-11"), orders=K),
        case("volatile, own result", True, lab("2823-3", ago(hours=2), performer=REQUESTER), orders=K),
        case("volatile with P0D is never inside", False, lab("2744-1", ago(hours=1)), orders=(order("2744-1"),)),
        case("not volatile", False, lab()),
        case("inside as counted from the issue", True, lab("2823-3", ago(days=2), report=head(issued=ago(hours=3))), orders=K,
             under=policy(policy=NetworkPolicy(window_from="issued"))),
    ),
)  # fmt: skip

test_changes_fast = SPEC.test()
