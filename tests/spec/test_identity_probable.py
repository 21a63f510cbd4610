"""identity-probable: the link between the records is not confirmed.

Institution, item and date may be shown; no value, report or link. The parts of one study that name different
patients are no confirmed link either.
"""

from __future__ import annotations

from service.domain.decision import Match
from tests.support.matching import chest, lab, order
from tests.support.spec import Spec, case

CT = (order("CT.CHEST"),)

SPEC = Spec(
    "identity-probable",
    "review",
    (
        case("confirmed link", False, lab()),
        case("probable link", True, lab(identity="probable"), match=Match.PROBABLE),
        case("probable beside confirmed records", True, lab(), lab(identity="probable")),
        case("exam with a probable link", True, chest(identity="probable"), orders=CT, match=Match.PROBABLE),
        case("exam whose parts name different patients", True, chest(subject_conflict=True), orders=CT),
        case("exam of one patient", False, chest(), orders=CT),
    ),
)

test_identity_probable = SPEC.test()
