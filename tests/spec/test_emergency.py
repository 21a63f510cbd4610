"""emergency: `encounter.class` is `EMER`. Own results too: the measures speak of the patient, not of the issuer."""

from __future__ import annotations

from tests.support.matching import REQUESTER, chest, lab, order
from tests.support.spec import Spec, case

SPEC = Spec(
    "emergency",
    "review",
    (
        case("no class", False, lab()),
        *(case(f"class {one}", False, lab(), visit_class=one) for one in ("AMB", "IMP", "ACUTE", "HH")),
        case("class EMER", True, lab(), visit_class="EMER"),
        case("class EMER, own result", True, lab(performer=REQUESTER), visit_class="EMER"),
        case("class EMER, an exam", True, chest(), orders=(order("CT.CHEST"),), visit_class="EMER"),
    ),
)

test_emergency = SPEC.test()
