"""unit-unknown: the unit cannot surely be converted to the item's; the value is shown only as reported."""

from __future__ import annotations

from decimal import Decimal

from service.domain.decision import Match
from tests.support.matching import REQUESTER, chest, lab, order
from tests.support.spec import Spec, case

SPEC = Spec(
    "unit-unknown",
    "review",
    (
        case("the item's own unit", False, lab()),
        case("converted", False, lab(value=Decimal("132"), reported="13.2", unit="g/dL")),
        case("not convertible", True, lab(value=None, reported="8.2", unit="mmol/L")),
        case("no unit at all", True, lab(value=None, reported="132", unit=None)),
        case("an empty unit", True, lab(value=None, reported="132", unit="")),
        case("own result", True, lab(value=None, reported="132", unit="?", performer=REQUESTER)),
        case("no value: nothing to convert", False, lab(value=None, reported=None)),
        case("a word needs no unit", False, lab("56888-1", value="阴性", reported="阴性", unit=None),
             orders=(order("56888-1"),), restricted_consent=True),
        case("not told of a record that is only probable", False,
             lab(value=None, reported="132", unit="?", identity="probable"), match=Match.PROBABLE),
        case("an exam has none", False, chest(), orders=(order("CT.CHEST"),)),
    ),
)  # fmt: skip

test_unit_unknown = SPEC.test()
