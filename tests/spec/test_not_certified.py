"""not-certified: no certificate of the performing institution for the item was valid when the exam was performed.

Days count in the network's zone and the last day is inclusive. Of a date without a day every possible day must be
covered. The order is placed on 2026-11-22, so the edges lie around it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from service.domain.report import LabCandidate
from tests.support.matching import REQUESTER, ago, certificate, chest, lab, order, policy
from tests.support.spec import Spec, case

NEW_YEAR = datetime(2027, 1, 2, 2, tzinfo=UTC)


def held(*items: str, valid_from: date = date(2026, 1, 1), valid_to: date = date(2026, 12, 31), **more: str):
    return policy(certificates=(certificate(items or ("*",), valid_from=valid_from, valid_to=valid_to, **more),))


def undated() -> LabCandidate:
    found = lab()
    return replace(found, result=replace(found.result, performed=None))


NONE = policy(certificates=())
UNTIL_20 = held(valid_to=date(2026, 11, 20))
FROM_20 = held(valid_from=date(2026, 11, 20))
TWO_HALVES = policy(certificates=(
    certificate(valid_to=date(2026, 11, 19)), certificate(valid_from=date(2026, 11, 20)),
))  # fmt: skip

SPEC = Spec(
    "not-certified",
    "block",
    (
        case("a certificate for everything", False, lab()),
        case("no certificate", True, lab(), under=NONE),
        case("a certificate of the item", False, lab(), under=held("718-7")),
        case("a certificate of a panel stands for its members", False, lab(), under=held("58410-2")),
        case("... the optional ones too", False, lab("788-0"), under=held("58410-2"), orders=(order("788-0"),)),
        case("a certificate of another item", True, lab(), under=held("777-3")),
        case("another institution's certificate", True, lab(), under=held(issuer="outside-hospital")),
        case("the requester's certificate does not help the issuer", True, lab(), under=held(issuer=REQUESTER)),
        case("out of scope is certified all the same", False, lab(), under=held(scope="region:110000")),
        case("performer outside the network", True, lab(performer="某诊所")),
        case("first day, its first second", False, lab(performed="2026-11-20T00:00:00+08:00"), under=FROM_20),
        case("one second before the first day", True, lab(performed="2026-11-19T23:59:59+08:00"), under=FROM_20),
        case("first day in UTC: 16:00 of the day before", False, lab(performed="2026-11-19T16:00:00Z"), under=FROM_20),
        case("last day, its last second", False, lab(performed="2026-11-20T23:59:59+08:00"), under=UNTIL_20),
        case("one second after the last day", True, lab(performed="2026-11-21T00:00:00+08:00"), under=UNTIL_20),
        case("16:00 UTC of the last day is the next day", True, lab(performed="2026-11-20T16:00:00Z"), under=UNTIL_20),
        case("the year's last second", False, lab(performed="2026-12-31T23:59:59+08:00"), at=NEW_YEAR),
        case("16:00 UTC of 31 December is next year", True, lab(performed="2026-12-31T16:00:00Z"), at=NEW_YEAR),
        case("day-only on the last day", False, lab(performed="2026-11-20"), under=UNTIL_20),
        case("day-only on the day after", True, lab(performed="2026-11-21"), under=UNTIL_20),
        case("day-only on the first day", False, lab(performed="2026-11-20"), under=FROM_20),
        case("month-only inside the certificate", False, lab(performed="2026-11")),
        case("month-only across its end", True, lab(performed="2026-11"), under=UNTIL_20),
        case("month-only across its start", True, lab(performed="2026-11"), under=FROM_20),
        case("year-only inside the certificate", False, lab(performed="2026")),
        case("no date at all", True, undated()),
        case("two certificates that meet: the day each covers", False, lab(performed=ago(days=2)), under=TWO_HALVES),
        case("valid when ordered but not when performed", True, lab(performed=ago(days=5)), under=FROM_20),
        case("expired when ordered but valid when performed", False, lab(performed=ago(days=2)), under=UNTIL_20),
        case("own result needs none", False, lab(performer=REQUESTER), under=NONE),
        case("the ordered exam's certificate counts", False, chest(), orders=(order("CT.CHEST"),), under=held("CT.CHEST")),
        case("a certificate of the enhanced item does not certify the plain one", True,
             chest("both"), orders=(order("CT.CHEST"),), under=held("CT.CHEST.C")),
    ),
)  # fmt: skip

test_not_certified = SPEC.test()
