"""legal-assessment: `purpose` is `legal` (judicial, disability, early-retirement assessment)."""

from __future__ import annotations

from tests.support.matching import REQUESTER, chest, lab, order
from tests.support.spec import Spec, case

SPEC = Spec(
    "legal-assessment",
    "block",
    (
        case("clinical", False, lab(), purpose="clinical"),
        case("not said", False, lab()),
        case("legal", True, lab(), purpose="legal"),
        case("legal, own result", True, lab(performer=REQUESTER), purpose="legal"),
        case("legal, an exam", True, chest(), orders=(order("CT.CHEST"),), purpose="legal"),
    ),
)

test_legal_assessment = SPEC.test()
