"""critical-value: interpretation HH, LL or AA asks for confirmation (HL7 v3 ObservationInterpretation)."""

from __future__ import annotations

from service.domain.decision import Match
from tests.support.matching import REQUESTER, ago, chest, lab, order
from tests.support.spec import Spec, case

SPEC = Spec(
    "critical-value",
    "review",
    (
        case("no interpretation", False, lab()),
        *(case(f"interpretation {one}", False, lab(interpretation=(one,))) for one in ("N", "H", "L", "A", "HU", "POS")),
        *(case(f"interpretation {one}", True, lab(interpretation=(one,))) for one in ("HH", "LL", "AA")),
        case("one of several", True, lab(interpretation=("H", "HH"))),
        case("own result", True, lab(interpretation=("LL",), performer=REQUESTER)),
        case("beside a good one of the same moment", True,
             lab(performed=ago(days=1)), lab(performed=ago(days=1), interpretation=("HH",))),
        case("not told of a record that is only probable", False,
             lab(interpretation=("HH",), identity="probable"), match=Match.PROBABLE),
        case("an exam has none", False, chest(), orders=(order("CT.CHEST"),)),
    ),
)  # fmt: skip

test_critical_value = SPEC.test()
