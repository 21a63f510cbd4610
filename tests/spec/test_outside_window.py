"""outside-window: older than the window when ordered.

The age counts from the specimen's collection or the exam. The window of haemoglobin here is P7D, ordered on
2026-11-22 at 10:00 +08:00.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from service.domain.network import Policy as NetworkPolicy
from service.domain.network import Scope, WindowOverride
from service.domain.times import Duration
from tests.support.matching import REQUESTER, ago, chest, head, lab, order, policy
from tests.support.spec import Spec, case

P14D = WindowOverride(("718-7",), Duration.parse("P14D"), Scope.parse("region:220200"))
PANEL = WindowOverride(("58410-2",), Duration.parse("P14D"), Scope.parse("region:220000"))
OWN_WIDER = WindowOverride(("718-7",), Duration.parse("P30D"), Scope.parse(f"institution:{REQUESTER}"))
OWN_TIGHTER = WindowOverride(("718-7",), Duration.parse("P1D"), Scope.parse(f"institution:{REQUESTER}"))
ELSEWHERE = WindowOverride(("718-7",), Duration.parse("P14D"), Scope.parse("region:110000"))
FROM_ISSUE = policy(policy=NetworkPolicy(window_from="issued"))
FOR_ALL = WindowOverride(("718-7",), Duration.parse("P14D"))
NATIONAL_TIGHT = WindowOverride(("718-7",), Duration.parse("P2D"), Scope.parse("national"))
ALLIANCE = WindowOverride(("718-7",), Duration.parse("P1D"), Scope.parse("alliance:a1"))
PANEL_CITY = WindowOverride(("58410-2",), Duration.parse("P1D"), Scope.parse("region:220200"))
MONTH = policy(windows=(WindowOverride(("718-7",), Duration.parse("P1M")),))
FIRST_OF_MARCH = datetime(2026, 2, 28, 16, tzinfo=UTC)  # 1 March 00:00 in Shanghai


def undated():
    found = lab()
    return replace(found, result=replace(found.result, performed=None))


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
        case("a window for all", False, lab(performed=ago(days=14)), under=policy(windows=(FOR_ALL,))),
        case("the narrower row wins: region over all", False, lab(performed=ago(days=14)), under=policy(windows=(P14D, NATIONAL_TIGHT))),
        case("the narrower row wins: alliance over region", True, lab(performed=ago(days=2)), under=policy(windows=(P14D, ALLIANCE))),
        case("of one scope the item's own row wins over its panel's", False, lab(performed=ago(days=14)), under=policy(windows=(P14D, PANEL_CITY))),
        case("an institution may not widen what its region tightened", True, lab(performed=ago(days=2)), under=policy(windows=(ALLIANCE, OWN_WIDER))),
        case("no date at all", True, undated()),
        case("own result past its window", True, lab(performed=ago(days=8), performer=REQUESTER)),
        case("an exam past its window", True, chest(performed=ago(days=31)), orders=(order("CT.CHEST"),)),
        case("an exam exactly as old as its window", False, chest(performed=ago(days=30)), orders=(order("CT.CHEST"),)),
        case("P1M: the same time on the month's day before", False, lab(performed="2026-10-22T10:00:00+08:00"), under=MONTH),
        case("P1M: one second older", True, lab(performed="2026-10-22T09:59:59+08:00"), under=MONTH),
        case("P1M counts the network's months: 1 February in Shanghai", False,
             lab(performed="2026-02-01T00:00:00+08:00"), under=MONTH, at=FIRST_OF_MARCH),
        case("P1M counts the network's months: 31 January in Shanghai", True,
             lab(performed="2026-01-31T23:59:59+08:00"), under=MONTH, at=FIRST_OF_MARCH),
        case(
            "no issue time: counted from the performance", True, lab(performed=ago(days=8)), under=FROM_ISSUE,
        ),
        case(
            "an issue without a day is never inside", True,
            lab(performed=ago(days=2), report=head(issued="2026-11")), under=FROM_ISSUE,
        ),
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
