"""laterality-differs: the exam shows the other side, or only one of two."""

from __future__ import annotations

from service.domain.report import ExamPart
from tests.support.matching import REQUESTER, exam, knee, order
from tests.support.spec import Spec, case


def ordered(side: str | None):
    return (order("MR.KNEE", laterality=side),)


def breast(*sides: str | None):
    return exam(*(ExamPart("MG", "BREAST", side) for side in sides))


SPEC = Spec(
    "laterality-differs",
    "block",
    (
        case("left ordered, left shown", False, knee("L"), orders=ordered("L")),
        case("left ordered, right shown", True, knee("R"), orders=ordered("L")),
        case("right ordered, left shown", True, knee("L"), orders=ordered("R")),
        case("left ordered, both sides shown at once", False, knee("B"), orders=ordered("L")),
        case("left ordered, each side in its own part", False, knee("R", "L"), orders=ordered("L")),
        case("left ordered, right and an unsaid side", False, knee("R", None), orders=ordered("L")),
        case("left ordered, side unsaid", False, knee(None), orders=ordered("L")),
        case("both ordered, both shown at once", False, knee("B"), orders=ordered("B")),
        case("both ordered, each in its own part", False, knee("L", "R"), orders=ordered("B")),
        case("both ordered, only left shown", True, knee("L"), orders=ordered("B")),
        case("both ordered, left twice", True, knee("L", "L"), orders=ordered("B")),
        case("both ordered, left and an unsaid side", False, knee("L", None), orders=ordered("B")),
        case("order does not say", False, knee("L"), orders=ordered(None)),
        case("by facts, other side", True, knee("R"), orders=(order(modality="MR", region="KNEE", laterality="L", contrast=False),)),
        case("mammography, other side", True, breast("R"), orders=(order("MG.BREAST", laterality="L"),)),
        case("a region without sides", False, exam(ExamPart("CT", "CHEST", "R", "without")), orders=(order("CT.CHEST", laterality="L"),)),
        case("own exam of the other side", True, knee("R", performer=REQUESTER), orders=ordered("L")),
    ),
)  # fmt: skip

test_laterality_differs = SPEC.test()
