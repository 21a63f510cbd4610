"""values-differ: one report gives two values for the item at the same time."""

from __future__ import annotations

from decimal import Decimal

from service.domain.decision import Match
from tests.support.matching import ago, head, lab
from tests.support.spec import Spec, case

REPORT = head()
FIRST = lab(report=REPORT, performed=ago(days=1))
OTHER = lab(report=REPORT, performed=ago(days=1), value=Decimal("98"), reported="98")

SPEC = Spec(
    "values-differ",
    "review",
    (
        case("one value", False, FIRST),
        case("the same value twice", False, FIRST, lab(report=REPORT, performed=ago(days=1))),
        case("the same value written otherwise", False, FIRST,
             lab(report=REPORT, performed=ago(days=1), value=Decimal("132.0"), reported="132.0")),
        case("two values", True, FIRST, OTHER),
        case("two values of different times", False, FIRST,
             lab(report=REPORT, performed=ago(days=2), value=Decimal("98"), reported="98")),
        case("two values in two reports", False, FIRST,
             lab(performed=ago(days=1), value=Decimal("98"), reported="98")),
        case("the other one is not final", False, FIRST,
             lab(report=REPORT, performed=ago(days=1), value=Decimal("98"), reported="98", status="preliminary")),
        case("not told of a record that is only probable", False,
             lab(report=REPORT, performed=ago(days=1), identity="probable"),
             lab(report=REPORT, performed=ago(days=1), value=Decimal("98"), identity="probable"), match=Match.PROBABLE),
    ),
)  # fmt: skip

test_values_differ = SPEC.test()
