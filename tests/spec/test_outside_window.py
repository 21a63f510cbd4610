"""outside-window: older than the window when ordered.

The age counts from the specimen's collection or the exam. The window of haemoglobin here is P7D, ordered on
2026-11-22 at 10:00 +08:00.
"""

from __future__ import annotations

from service.domain.network import Policy as NetworkPolicy
from service.domain.network import Scope, WindowOverride
from service.domain.times import Duration
from tests.support.matching import REQUESTER, ago, head, lab, order, policy
from tests.support.spec import Spec, case

P14D = WindowOverride(("718-7",), Duration.parse("P14D"), Scope.parse("region:220200"))
PANEL = WindowOverride(("58410-2",), Duration.parse("P14D"), Scope.parse("region:220000"))
OWN_WIDER = WindowOverride(("718-7",), Duration.parse("P30D"), Scope.parse(f"institution:{REQUESTER}"))
OWN_TIGHTER = WindowOverride(("718-7",), Duration.parse("P1D"), Scope.parse(f"institution:{REQUESTER}"))
ELSEWHERE = WindowOverride(("718-7",), Duration.parse("P14D"), Scope.parse("region:110000"))
FROM_ISSUE = policy(policy=NetworkPolicy(window_from="issued"))

SPEC = Spec(
    "outside-window",
    "block",
    (
        case("one second younger than the window", False, lab(performed=ago(days=7, seconds=-1))),
        case("exactly as old as the window", False, lab(performed=ago(days=7))),
        case("one second older than the window", True, lab(performed=ago(days=7, seconds=1))),
        case("the edge written in +08:00", False, lab(performed="2026-11-15T10:00:00+08:00")),
        case("the same edge written in UTC", False, lab(performed="2026-11-15T02:00:00Z")),
        case("10:00 UTC is eight hours younger", False, lab(performed="2026-11-15T10:00:00Z")),
        case("09:59:59 +08:00 is one second too old", True, lab(performed="2026-11-15T09:59:59+08:00")),
        case("no offset: the network's zone", True, lab(performed="2026-11-15T09:59:59")),
        case("day-only on the window's day: counts from its start", True, lab(performed="2026-11-15")),
        case("day-only on the day after", False, lab(performed="2026-11-16")),
        case("a month has no day", True, lab(performed="2026-11")),
        case("a year has no day", True, lab(performed="2026")),
        case("P0D at any age", True, lab("2744-1", ago(seconds=0)), orders=(order("2744-1"),)),
        case("the region's wider window", False, lab(performed=ago(days=14)), under=policy(windows=(P14D,))),
        case("a panel's window stands for its members", False, lab(performed=ago(days=14)), under=policy(windows=(PANEL,))),
        case("another region's window does not help", True, lab(performed=ago(days=14)), under=policy(windows=(ELSEWHERE,))),
        case("an institution may not widen", True, lab(performed=ago(days=8)), under=policy(windows=(OWN_WIDER,))),
        case("an institution may tighten", True, lab(performed=ago(days=2)), under=policy(windows=(OWN_TIGHTER,))),
        case(
            "counted from the issue where the policy says so", False,
            lab(performed=ago(days=8), report=head(issued=ago(days=6))), under=FROM_ISSUE,
        ),
        case(
            "by default not counted from the issue", True,
            lab(performed=ago(days=8), report=head(issued=ago(days=6))),
        ),
    ),
)  # fmt: skip

test_outside_window = SPEC.test()
