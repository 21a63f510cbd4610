"""future-dated: performed after it was ordered; the clock or the record is wrong.

A date without a time counts from that day's start, so the day of the order is not ahead of it.
"""

from __future__ import annotations

from tests.support.matching import REQUESTER, ago, chest, lab, order
from tests.support.spec import Spec, case

SPEC = Spec(
    "future-dated",
    "block",
    (
        case("one second before the order", False, lab(performed=ago(seconds=1))),
        case("at the very moment of the order", False, lab(performed=ago(seconds=0))),
        case("one second after the order", True, lab(performed=ago(seconds=-1))),
        case("10:00 +08:00 is not ahead of 02:00 UTC", False, lab(performed="2026-11-22T10:00:00+08:00")),
        case("10:00 UTC is eight hours ahead", True, lab(performed="2026-11-22T10:00:00Z")),
        case("day-only on the day of the order", False, lab(performed="2026-11-22")),
        case("day-only on the next day", True, lab(performed="2026-11-23")),
        case("the month of the order", False, lab(performed="2026-11")),
        case("the next month", True, lab(performed="2026-12")),
        case("never, as some sources write it", True, lab(performed="9999-12-31")),
        case("the calendar's last hours", True, lab(performed="9999-12-31T20:00:00Z")),
        case("own result from the future", True, lab(performed=ago(hours=-1), performer=REQUESTER)),
        case("exam from the future", True, chest(performed=ago(hours=-1)), orders=(order("CT.CHEST"),)),
    ),
)

test_future_dated = SPEC.test()
