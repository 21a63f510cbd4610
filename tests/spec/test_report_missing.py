"""report-missing: images without any report; one that is only preliminary is `not-final` instead."""

from __future__ import annotations

from tests.support.matching import REQUESTER, chest, head, lab, order
from tests.support.spec import Spec, case

CT = (order("CT.CHEST"),)

SPEC = Spec(
    "report-missing",
    "review",
    (
        case("images and report", False, chest(), orders=CT),
        case("images only", True, chest(has_report=False), orders=CT),
        case("neither report nor images at hand", True, chest(has_report=False, images=()), orders=CT),
        case("a preliminary report", False, chest(report=head(status="preliminary")), orders=CT),
        case("own images only", True, chest(has_report=False, performer=REQUESTER), orders=CT),
        case("a laboratory result", False, lab()),
    ),
)

test_report_missing = SPEC.test()
