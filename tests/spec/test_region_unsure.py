"""region-unsure: header and description name different regions.

Ours, beyond the contract: DICOM BodyPartExamined (0018,0015) follows the protocol chosen at the scanner and is often
wrong.
"""

from __future__ import annotations

from tests.support.matching import REQUESTER, chest, order
from tests.support.spec import Spec, case

CT = (order("CT.CHEST"),)

SPEC = Spec(
    "region-unsure",
    "review",
    (
        case("region by code", False, chest(region_basis="code"), orders=CT),
        case("region by body site", False, chest(region_basis="body-site"), orders=CT),
        case("region by words alone", False, chest(region_basis="words"), orders=CT),
        case("header and words contradict each other", True, chest(region_basis="conflict"), orders=CT),
        case("own exam, contradiction", True, chest(region_basis="conflict", performer=REQUESTER), orders=CT),
    ),
)

test_region_unsure = SPEC.test()
