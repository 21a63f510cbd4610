"""consent-withheld: the patient refused sharing; the same answer whether or not anything exists.

Own results stay visible (个人信息保护法 art. 23, 29; FHIR R4 Consent).
"""

from __future__ import annotations

from service.domain.decision import Outcome
from tests.support.matching import REQUESTER, ago, chest, decide, lab, only_order, order
from tests.support.spec import Spec, case

SPEC = Spec(
    "consent-withheld",
    "info",
    (
        case("shared", False, lab()),
        case("refused, nothing exists", True, consent_withheld=True),
        case("refused, results exist", True, lab(), consent_withheld=True),
        case("refused, an exam exists", True, chest(), orders=(order("CT.CHEST"),), consent_withheld=True),
        case("refused in an emergency", True, lab(), consent_withheld=True, visit_class="EMER"),
        case("refused, restricted consent given", True, lab(), consent_withheld=True, restricted_consent=True),
        case("refused, own result can be reused at once", False, lab(performer=REQUESTER), consent_withheld=True),
        case("refused, own result is too old", True, lab(performed=ago(days=30), performer=REQUESTER),
             consent_withheld=True),
    ),
)  # fmt: skip

test_consent_withheld = SPEC.test()


def test_refused_sharing_answers_alike_whether_or_not_anything_exists():
    nothing = decide(consent_withheld=True, orders=(order("58410-2"),))
    something = decide(lab(), lab("777-3"), consent_withheld=True, orders=(order("58410-2"),))
    assert nothing == something
    assert only_order(nothing).outcome is Outcome.NO_RESULT


def test_own_result_stays_visible_where_sharing_is_refused():
    found = only_order(decide(lab(), lab(performed=ago(days=3), performer=REQUESTER), consent_withheld=True))
    assert found.outcome is Outcome.REUSABLE
    assert [one.head.performer for one in found.candidates] == [REQUESTER]
