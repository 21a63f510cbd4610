"""condition-changed: the clinician says that the patient's condition has changed."""

from __future__ import annotations

from tests.support.matching import REQUESTER, chest, lab, order
from tests.support.spec import Spec, case

SPEC = Spec(
    "condition-changed",
    "block",
    (
        case("not said", False, lab()),
        case("unchanged", False, lab(), condition_changed=False),
        case("changed", True, lab(), condition_changed=True),
        case("changed, own result", True, lab(performer=REQUESTER), condition_changed=True),
        case("changed, an exam", True, chest(), orders=(order("CT.CHEST"),), condition_changed=True),
    ),
)

test_condition_changed = SPEC.test()
