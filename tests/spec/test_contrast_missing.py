"""contrast-missing: ordered with contrast, the exam is plain.

Contrast counts for each ordered side and each part of a combined region by itself.
"""

from __future__ import annotations

from service.domain.report import ExamPart
from tests.support.matching import REQUESTER, chest, exam, knee, order
from tests.support.spec import Spec, case

ENHANCED = (order("CT.CHEST.C"),)


def knee_with(side: str):
    return (order("MR.KNEE.C", laterality=side),)


def parts(*given: tuple[str | None, str | None]):
    return exam(*(ExamPart("MR", "KNEE", side, contrast) for side, contrast in given))


SPEC = Spec(
    "contrast-missing",
    "block",
    (
        case("enhanced ordered, plain shown", True, chest("without"), orders=ENHANCED),
        case("enhanced ordered, enhanced shown", False, chest("with"), orders=ENHANCED),
        case("enhanced ordered, with and without shown", False, chest("both"), orders=ENHANCED),
        case("enhanced ordered, one part of each", False,
             exam(ExamPart("CT", "CHEST", None, "without"), ExamPart("CT", "CHEST", None, "with")), orders=ENHANCED),
        case("enhanced ordered, exam does not say", False, chest(None), orders=ENHANCED),
        case("by facts", True, chest("without"), orders=(order(modality="CT", region="CHEST", contrast=True),)),
        case("plain ordered, plain shown", False, chest("without"), orders=(order("CT.CHEST"),)),
        case("order does not say", False, chest("without"), orders=(order(modality="CT", region="CHEST"),)),
        case("left knee, plain", True, knee("L"), orders=knee_with("L")),
        case("left knee, only the right one enhanced", True, parts(("L", "without"), ("R", "with")), orders=knee_with("L")),
        case("left knee, enhanced on both sides", False, parts(("B", "with")), orders=knee_with("L")),
        case("left knee, an unsaid side plain, the right one enhanced", True, parts((None, "without"), ("R", "with")), orders=knee_with("L")),
        case("both knees, only one enhanced", True, parts(("L", "with"), ("R", "without")), orders=knee_with("B")),
        case("both knees, each enhanced", False, parts(("L", "with"), ("R", "both")), orders=knee_with("B")),
        case("left knee plain, an unsaid side enhanced", False, parts(("L", "without"), (None, "with")), orders=knee_with("L")),
        case("angiography: contrast is the technique's own", False, exam(ExamPart("CT", "HEAD", None, None, "A")),
             orders=(order("CT.HEAD.A"),)),
        case("radiography has no contrast", False, exam(ExamPart("DX", "CHEST")), orders=(order("DX.CHEST"),)),
        case("own plain exam", True, chest("without", performer=REQUESTER), orders=ENHANCED),
    ),
)  # fmt: skip

test_contrast_missing = SPEC.test()
