"""not-final: the report's or the result's status is registered, partial, preliminary or unknown.

FHIR R4 diagnosticreport-status and observation-status; of an imaging exam the report's status counts.
"""

from __future__ import annotations

from tests.support.matching import REQUESTER, chest, head, lab, order
from tests.support.spec import Spec, case

CT = (order("CT.CHEST"),)

SPEC = Spec(
    "not-final",
    "block",
    (
        *(case(f"report {one}", True, lab(report=head(status=one)))
          for one in ("registered", "partial", "preliminary", "unknown")),
        *(case(f"result {one}", True, lab(status=one))
          for one in ("registered", "partial", "preliminary", "unknown")),
        *(case(f"report and result {one}", False, lab(status=one, report=head(status=one)))
          for one in ("final", "amended", "corrected", "appended")),
        case("final result in a partial report", True, lab(report=head(status="partial"))),
        case("an entered-in-error result does not exist", False, lab(status="entered-in-error")),
        case("a cancelled report does not exist", False, lab(report=head(status="cancelled"), status="preliminary")),
        case("own preliminary result", True, lab(status="preliminary", performer=REQUESTER)),
        case("exam with a preliminary report", True, chest(report=head(status="preliminary")), orders=CT),
        case("exam with a final report", False, chest(), orders=CT),
    ),
)  # fmt: skip

test_not_final = SPEC.test()
