"""item-not-recognised: the order is not a catalogue item; it is answered, not refused.

A code counts only with its system. Imaging is known by modality, region, technique and contrast together.
"""

from __future__ import annotations

from service.domain.codes import LOINC, TESTONCE_ITEM, Code
from service.domain.decision import Match
from service.domain.order import Order
from tests.support.matching import lab, order
from tests.support.spec import Spec, case


def coded(system: str, code: str, *more: Code):
    return (Order("o1", (Code(system, code), *more)),)


SPEC = Spec(
    "item-not-recognised",
    "block",
    (
        case("a LOINC code of the catalogue", False, lab(), orders=coded(LOINC, "718-7")),
        case("an item id", False, lab(), orders=coded(TESTONCE_ITEM, "718-7")),
        case("a panel", False, lab(), orders=coded(LOINC, "58410-2")),
        case("a LOINC code the catalogue does not have", True, lab(), orders=coded(LOINC, "30341-2")),
        case("a catalogue code in another system", True, lab(), orders=coded("http://example.org", "718-7")),
        case("a bare code", True, lab(), orders=coded("", "718-7")),
        case("the second of two codes is known", False, lab(), orders=coded("urn:his", "XCG", Code(LOINC, "718-7"))),
        case("no code at all", True, lab(), orders=(Order("o1"),)),
        case("an exam by its facts", False, orders=(order(modality="CT", region="CHEST", contrast=False),)),
        case("facts in lower case", False, orders=(order(modality="ct", region="chest", contrast=False),)),
        case("CR is DX", False, orders=(order(modality="CR", region="CHEST"),)),
        case("HEAD and BRAIN are each other", False, orders=(order(modality="CT", region="BRAIN", contrast=False),)),
        case("a modality without such an item", True, orders=(order(modality="PT", region="CHEST"),)),
        case("a region nobody knows", True, orders=(order(modality="CT", region="TAIL", contrast=False),)),
        case("a technique nobody knows", True, orders=(order(modality="CT", region="CHEST", technique="XYZ"),)),
        case("contrast on an item that has none", True,
             orders=(order(modality="CT", region="ABDOMEN", contrast=True),)),
        case("a technique that implies contrast, contrast said", False,
             orders=(order(modality="CT", region="CHEST", technique="CTPA", contrast=True),)),
        case("a technique that implies contrast, contrast not said", False,
             orders=(order(modality="CT", region="CHEST", technique="CTPA"),)),
        case("the same for a patient nobody knows", True, orders=coded(LOINC, "30341-2"), match=Match.UNKNOWN),
    ),
)  # fmt: skip

test_item_not_recognised = SPEC.test()
