"""identity-conflict: the identifiers contradict each other; decision `review`, and nothing is shown.

`reuse`, `repeat` and `candidates` are empty whatever is known.
"""

from __future__ import annotations

from service.domain.decision import Match, Outcome
from tests.support.matching import chest, decide, lab, only_order, order
from tests.support.spec import Spec, case

SPEC = Spec(
    "identity-conflict",
    "review",
    (
        case("confirmed", False, lab()),
        case("probable", False, lab(identity="probable"), match=Match.PROBABLE),
        case("unknown", False, match=Match.UNKNOWN),
        case("conflict, nothing known", True, match=Match.CONFLICT),
        case("conflict, results known", True, lab(), match=Match.CONFLICT),
        case("conflict, exams known", True, chest(), orders=(order("CT.CHEST"),), match=Match.CONFLICT),
        case("conflict and sharing refused", True, lab(), match=Match.CONFLICT, consent_withheld=True),
        case("conflict in an emergency", True, lab(), match=Match.CONFLICT, visit_class="EMER"),
    ),
)

test_identity_conflict = SPEC.test()


def test_conflict_shows_nothing_and_asks_for_a_look():
    found = only_order(decide(lab(), orders=(order("58410-2"),), match=Match.CONFLICT))
    assert (found.outcome, found.reuse, found.repeat, found.candidates) == (Outcome.REVIEW, (), (), ())
    assert [reason.code for reason in found.reasons] == ["identity-conflict"]
