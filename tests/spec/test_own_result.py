"""own-result: performed by the ordering institution itself; it needs no certificate.

Who performed it counts, not from whom the record came.
"""

from __future__ import annotations

from dataclasses import replace

from tests.support.matching import ISSUER, REQUESTER, certificate, chest, head, lab, order, policy
from tests.support.spec import Spec, case

SENT_BACK = replace(head(REQUESTER), institution=ISSUER)
SENT_OUT = replace(head(ISSUER), institution=REQUESTER)

SPEC = Spec(
    "own-result",
    "info",
    (
        case("performed elsewhere", False, lab()),
        case("performed here", True, lab(performer=REQUESTER)),
        case("performed here, no certificate", True, lab(performer=REQUESTER), under=policy(certificates=())),
        case("performed here, certified for elsewhere", True, lab(performer=REQUESTER), under=policy(
            certificates=(certificate(issuer=REQUESTER, scope="region:110000"),))),
        case("an exam performed here", True, chest(performer=REQUESTER), orders=(order("CT.CHEST"),)),
        case("performed here, the record came from elsewhere", True, lab(report=SENT_BACK)),
        case("sent out: our record, performed elsewhere", False, lab(report=SENT_OUT)),
    ),
)  # fmt: skip

test_own_result = SPEC.test()
