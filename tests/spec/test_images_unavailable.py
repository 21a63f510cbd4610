"""images-unavailable: CT, MR, DX, MG, US, NM or PT whose images no endpoint or source holds.

What the measures recognise of an exam is its images (国卫医发〔2022〕6号 art. 2).
"""

from __future__ import annotations

from dataclasses import replace

from service.domain.catalogue import Item
from service.domain.report import ExamPart
from service.domain.times import Duration
from service.matching.policy import Policy
from tests.support.matching import CATALOGUE, NETWORK, REQUESTER, chest, exam, lab, order
from tests.support.spec import Spec, case

MODALITIES = ("CT", "MR", "DX", "MG", "US", "NM", "PT", "ECG", "ES")
ALL = Policy(NETWORK, replace(CATALOGUE, items={
    f"{one}.HEART": Item(f"{one}.HEART", "imaging", one, one, Duration.parse("P30D"), modality=one, region="HEART")
    for one in MODALITIES
}, panels={}))  # fmt: skip


def heart(modality: str, *images: str):
    return exam(ExamPart(modality, "HEART", None, "without"), images=images)


SPEC = Spec(
    "images-unavailable",
    "review",
    (
        *(case(f"{one} without images", True, heart(one), orders=(order(f"{one}.HEART"),), under=ALL) for one in MODALITIES[:7]),
        *(case(f"{one} with images", False, heart(one, "https://pacs.example/wado"), orders=(order(f"{one}.HEART"),), under=ALL)
          for one in MODALITIES[:7]),
        *(case(f"{one} has no images to miss", False, heart(one), orders=(order(f"{one}.HEART"),), under=ALL) for one in MODALITIES[7:]),
        case("own exam without images", True, chest(images=(), performer=REQUESTER), orders=(order("CT.CHEST"),)),
        case("a laboratory result", False, lab()),
    ),
)  # fmt: skip

test_images_unavailable = SPEC.test()
