"""no-value: the result carries no value.

FHIR R4 Observation.value[x] absent, with or without dataAbsentReason. Zero is a value.
"""

from __future__ import annotations

from decimal import Decimal

from tests.support.matching import REQUESTER, chest, lab, order
from tests.support.spec import Spec, case

SPEC = Spec(
    "no-value",
    "block",
    (
        case("no value at all", True, lab(value=None, reported=None, unit=None)),
        case("a unit without a value", True, lab(value=None, reported=None)),
        case("own result without a value", True, lab(value=None, reported=None, performer=REQUESTER)),
        case("a number", False, lab()),
        case("zero", False, lab(value=Decimal(0), reported="0")),
        case("a word", False, lab("56888-1", value="阴性", reported="阴性", unit=None),
             orders=(order("56888-1"),), restricted_consent=True),
        case("a value whose unit is unknown is a value", False, lab(value=None, reported="13.2", unit="个")),
        case("an exam has no value to miss", False, chest(), orders=(order("CT.CHEST"),)),
    ),
)  # fmt: skip

test_no_value = SPEC.test()
