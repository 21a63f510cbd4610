"""intervening-event: surgery, transfusion, treatment… between the exam and the order.

What may lie between counts: an event of the same moment or, where one of both is only a day, of the same day. The
result here is of 2026-11-20 at 10:00 +08:00, the order of 2026-11-22 at 10:00 +08:00.
"""

from __future__ import annotations

from service.domain.order import EVENT_TYPES
from tests.support.matching import REQUESTER, ago, chest, lab, order
from tests.support.spec import Spec, case


def at(text: str, kind: str = "surgery") -> tuple[tuple[str, str]]:
    return ((kind, text),)


DAY = "2026-11-20"

SPEC = Spec(
    "intervening-event",
    "review",
    (
        case("no event", False, lab()),
        *(case(f"{one} in between", True, lab(), events=at(ago(days=1), one)) for one in EVENT_TYPES),
        case("one second before the exam", False, lab(), events=at(ago(days=2, seconds=1))),
        case("at the exam's own moment", True, lab(), events=at(ago(days=2))),
        case("at the order's moment", True, lab(), events=at(ago(seconds=0))),
        case("one second after the order", False, lab(), events=at(ago(seconds=-1))),
        case("planned for tomorrow", False, lab(), events=at("2026-11-23")),
        case("some time today", True, lab(), events=at("2026-11-22")),
        case("some time on the exam's day", True, lab(), events=at(DAY)),
        case("some time on the day before the exam", False, lab(), events=at("2026-11-19")),
        case("day-only exam, event in the morning of that day", True, lab(performed=DAY), events=at(f"{DAY}T00:00:00+08:00")),
        case("day-only exam, event on that day", True, lab(performed=DAY), events=at(DAY)),
        case("day-only exam, event on the day before", False, lab(performed=DAY), events=at("2026-11-19")),
        case("day-only exam, event in the last second before", False, lab(performed=DAY),
             events=at("2026-11-19T23:59:59+08:00")),
        case("in UTC: 16:00 of the day before is the exam's day", True, lab(performed=DAY),
             events=at("2026-11-19T16:00:00Z")),
        case("the second of two events lies between", True, lab(), events=(*at(ago(days=9)), *at(ago(days=1)))),
        case("in the month of the exam, day unknown", True, lab(), events=at("2026-11")),
        case("in the month before", False, lab(), events=at("2026-10")),
        case("own result", True, lab(performer=REQUESTER), events=at(ago(days=1))),
        case("an exam", True, chest(), orders=(order("CT.CHEST"),), events=at(ago(days=1), "contrast")),
    ),
)  # fmt: skip

test_intervening_event = SPEC.test()
