"""laterality-unknown: the region is paired, and exam or order does not say the side. Unknown never equals a side."""

from __future__ import annotations

from service.domain.report import ExamPart
from tests.support.matching import REQUESTER, exam, knee, order
from tests.support.spec import Spec, case


def ordered(side: str | None):
    return (order("MR.KNEE", laterality=side),)


SPEC = Spec(
    "laterality-unknown",
    "review",
    (
        case("exam does not say", True, knee(None), orders=ordered("L")),
        case("order does not say", True, knee("L"), orders=ordered(None)),
        case("neither says", True, knee(None), orders=ordered(None)),
        case("order does not say, both sides shown", True, knee("B"), orders=ordered(None)),
        case("both say the same", False, knee("L"), orders=ordered("L")),
        case("they differ", False, knee("R"), orders=ordered("L")),
        case("the wanted side is said, another part says none", False, knee("L", None), orders=ordered("L")),
        case("the other side is said, another part says none", True, knee("R", None), orders=ordered("L")),
        case("both ordered, exam does not say", True, knee(None), orders=ordered("B")),
        case("both ordered, left and an unsaid side", True, knee("L", None), orders=ordered("B")),
        case("both ordered, both shown", False, knee("B"), orders=ordered("B")),
        case("mammography without a side", True, exam(ExamPart("MG", "BREAST")), orders=(order("MG.BREAST", laterality="R"),)),
        case("a region without sides", False, exam(ExamPart("DX", "CHEST")), orders=(order("DX.CHEST"),)),
        case("own exam", True, knee(None, performer=REQUESTER), orders=ordered("L")),
    ),
)  # fmt: skip

test_laterality_unknown = SPEC.test()
