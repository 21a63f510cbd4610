"""region-from-words: the region was read from the description or the requested procedure alone.

Ours, beyond the contract: it says how the region was found, and blocks nothing.
"""

from __future__ import annotations

from tests.support.matching import chest, order
from tests.support.spec import Spec, case

CT = (order("CT.CHEST"),)

SPEC = Spec(
    "region-from-words",
    "info",
    (
        case("region by code", False, chest(region_basis="code"), orders=CT),
        case("region by words alone", True, chest(region_basis="words"), orders=CT),
        case("header and words contradict each other", False, chest(region_basis="conflict"), orders=CT),
    ),
)

test_region_from_words = SPEC.test()
