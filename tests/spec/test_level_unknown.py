"""level-unknown: a direction row may refuse, but the level of one side is not in the network file.

Ours, beyond the contract: without it a missing level would pass for an agreed direction.
"""

from __future__ import annotations

from dataclasses import replace

from service.domain.network import Direction, Scope
from tests.support.matching import NETWORK, REQUESTER, lab, policy
from tests.support.spec import Spec, case

ISSUER_ROW, REQUESTER_ROW, OUTSIDE = NETWORK.institutions


def unlevelled(*directions: Direction, issuer: int | None = None, requester: int | None = 2):
    return policy(
        directions=directions,
        institutions=(replace(ISSUER_ROW, level=issuer), replace(REQUESTER_ROW, level=requester), OUTSIDE),
    )


REFUSED = Direction(3, 2, False)

SPEC = Spec(
    "level-unknown",
    "review",
    (
        case("no direction rows", False, lab(), under=unlevelled()),
        case("issuer's level unknown, a row may refuse", True, lab(), under=unlevelled(REFUSED)),
        case("requester's level unknown, a row may refuse", True, lab(),
             under=unlevelled(REFUSED, issuer=3, requester=None)),
        case("both unknown", True, lab(), under=unlevelled(REFUSED, requester=None)),
        case("the known side fits no refusing row", False, lab(), under=unlevelled(REFUSED, requester=1)),
        case("only allowing rows", False, lab(), under=unlevelled(Direction(3, 2, True))),
        case("a refusing row elsewhere", False, lab(),
             under=unlevelled(Direction(3, 2, False, Scope.parse("region:150000")))),
        case("both levels known", False, lab(), under=unlevelled(REFUSED, issuer=3)),
        case("own result", False, lab(performer=REQUESTER), under=unlevelled(REFUSED, requester=None)),
    ),
)  # fmt: skip

test_level_unknown = SPEC.test()
