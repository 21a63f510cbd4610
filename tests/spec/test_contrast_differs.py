"""contrast-differs: ordered plain, the exam was made only with contrast."""

from __future__ import annotations

from service.domain.report import ExamPart
from tests.support.matching import REQUESTER, chest, exam, knee, order
from tests.support.spec import Spec, case

PLAIN = (order("CT.CHEST"),)

SPEC = Spec(
    "contrast-differs",
    "review",
    (
        case("plain ordered, only enhanced shown", True, chest("with"), orders=PLAIN),
        case("plain ordered, plain shown", False, chest("without"), orders=PLAIN),
        case("plain ordered, with and without shown", False, chest("both"), orders=PLAIN),
        case("plain ordered, one part of each", False,
             exam(ExamPart("CT", "CHEST", None, "with"), ExamPart("CT", "CHEST", None, "without")), orders=PLAIN),
        case("plain ordered, exam does not say", False, chest(None), orders=PLAIN),
        case("plain ordered, enhanced and an unsaid part", False,
             exam(ExamPart("CT", "CHEST", None, "with"), ExamPart("CT", "CHEST")), orders=PLAIN),
        case("enhanced ordered, enhanced shown", False, chest("with"), orders=(order("CT.CHEST.C"),)),
        case("order does not say", False, chest("with"), orders=(order(modality="CT", region="CHEST"),)),
        case("left knee, enhanced", True, knee("L", contrast="with"), orders=(order("MR.KNEE", laterality="L"),)),
        case("left knee enhanced, right knee plain", True,
             exam(ExamPart("MR", "KNEE", "L", "with"), ExamPart("MR", "KNEE", "R", "without")),
             orders=(order("MR.KNEE", laterality="L"),)),
        case("two regions: one plain, one enhanced", True,
             exam(ExamPart("CT", "ABDOMEN", None, "without"), ExamPart("CT", "PELVIS", None, "with")),
             orders=(order("CT.ABDOMENPELVIS"),)),
        case("own enhanced exam", True, chest("with", performer=REQUESTER), orders=PLAIN),
    ),
)  # fmt: skip

test_contrast_differs = SPEC.test()
