"""contrast-unknown: contrast matters for the item, and exam or order does not say.

An absent contrast agent in DICOM says nothing: it is often left out.
"""

from __future__ import annotations

from dataclasses import replace

from service.domain.catalogue import ItemCode
from service.domain.codes import LOINC
from service.domain.report import ExamPart
from service.matching.policy import Policy
from tests.support.matching import CATALOGUE, NETWORK, REQUESTER, chest, exam, knee, order
from tests.support.spec import Spec, case

VAGUE_CODE = Policy(NETWORK, replace(CATALOGUE, items={
    **CATALOGUE.items,
    "CT.CHEST": replace(CATALOGUE.items["CT.CHEST"], codes=(
        ItemCode(LOINC, "24627-2", says_contrast=False), ItemCode(LOINC, "29252-4"),
    )),
}))  # fmt: skip
SILENT = (order(modality="CT", region="CHEST"),)

SPEC = Spec(
    "contrast-unknown",
    "review",
    (
        case("plain ordered, exam does not say", True, chest(None), orders=(order("CT.CHEST"),)),
        case("enhanced ordered, exam does not say", True, chest(None), orders=(order("CT.CHEST.C"),)),
        case("order does not say, plain shown", True, chest("without"), orders=SILENT),
        case("order does not say, enhanced shown", True, chest("with"), orders=SILENT),
        case("order does not say, with and without shown", True, chest("both"), orders=SILENT),
        case("the ordered code does not say", True, chest("without"), orders=(order("24627-2"),), under=VAGUE_CODE),
        case("the ordered code says plain", False, chest("without"), orders=(order("29252-4"),), under=VAGUE_CODE),
        case("both say", False, chest("without"), orders=(order("CT.CHEST"),)),
        case("plain ordered, plain and an unsaid part", False,
             exam(ExamPart("CT", "CHEST", None, "without"), ExamPart("CT", "CHEST")), orders=(order("CT.CHEST"),)),
        case("enhanced ordered, plain and an unsaid part", True,
             exam(ExamPart("CT", "CHEST", None, "without"), ExamPart("CT", "CHEST")), orders=(order("CT.CHEST.C"),)),
        case("combined region, one part does not say", True,
             exam(ExamPart("CT", "ABDOMEN", None, "without"), ExamPart("CT", "PELVIS")), orders=(order("CT.ABDOMENPELVIS"),)),
        case("left knee plain, an unsaid side enhanced", True,
             exam(ExamPart("MR", "KNEE", "L", "without"), ExamPart("MR", "KNEE", None, "with")),
             orders=(order("MR.KNEE.C", laterality="L"),)),
        case("knee MR, exam does not say", True, knee("L", contrast=None), orders=(order("MR.KNEE", laterality="L"),)),
        case("angiography implies contrast", False, exam(ExamPart("CT", "HEAD", None, None, "A")), orders=(order("CT.HEAD.A"),)),
        case("radiography has no contrast", False, exam(ExamPart("DX", "CHEST")), orders=(order("DX.CHEST"),)),
        case("own exam", True, chest(None, performer=REQUESTER), orders=(order("CT.CHEST"),)),
    ),
)  # fmt: skip

test_contrast_unknown = SPEC.test()
