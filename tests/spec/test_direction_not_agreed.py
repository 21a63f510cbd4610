"""direction-not-agreed: a direction row of the network refuses this issuer's level for this requester's.

The issuer here is level 3 (220202), the requester level 2 (220281), both in alliance a1. Of the rows that apply to
both the narrowest decides; of equally narrow ones the refusing one.
"""

from __future__ import annotations

from dataclasses import replace

from service.domain.network import Direction, Scope
from tests.support.matching import NETWORK, REQUESTER, chest, lab, order, policy
from tests.support.spec import Spec, case


def row(allowed: bool, scope: str | None = None, levels: tuple[int, int] = (3, 2)) -> Direction:
    return Direction(*levels, allowed, Scope.parse(scope) if scope else None)


def rows(*given: Direction):
    return policy(directions=given)


REFUSED = row(False)
NO_ALLIANCE = policy(
    directions=(REFUSED,), institutions=tuple(replace(one, alliances=()) for one in NETWORK.institutions)
)

SPEC = Spec(
    "direction-not-agreed",
    "block",
    (
        case("no row: recognition is mutual", False, lab()),
        case("refused everywhere", True, lab(), under=rows(REFUSED)),
        case("an exam too", True, chest(), orders=(order("CT.CHEST"),), under=rows(REFUSED)),
        case("allowed everywhere", False, lab(), under=rows(row(True))),
        case("a row for the other direction", False, lab(), under=rows(row(False, levels=(2, 3)))),
        case("a row for equal levels", False, lab(), under=rows(row(False, levels=(3, 3)))),
        case("inside an alliance too", True, lab(), under=rows(REFUSED)),
        case("without an alliance", True, lab(), under=NO_ALLIANCE),
        case("refused in the province of both", True, lab(), under=rows(row(False, "region:220000"))),
        case("refused in a county where only the issuer lies", False, lab(), under=rows(row(False, "region:220202"))),
        case("refused in a county where only the requester lies", False, lab(),
             under=rows(row(False, "region:220281"))),
        case("refused in another province", False, lab(), under=rows(row(False, "region:150000"))),
        case("refused in a cluster where neither lies", False, lab(), under=rows(row(False, "cluster:jjj"))),
        case("refused everywhere, allowed in the city of both", False, lab(),
             under=rows(REFUSED, row(True, "region:220200"))),
        case("the same in the other order", False, lab(), under=rows(row(True, "region:220200"), REFUSED)),
        case("allowed everywhere, refused in the city of both", True, lab(),
             under=rows(row(True), row(False, "region:220200"))),
        case("allowed in the province, refused in the city", True, lab(),
             under=rows(row(True, "region:220000"), row(False, "region:220200"))),
        case("refused in the city, allowed in the alliance", False, lab(),
             under=rows(row(False, "region:220200"), row(True, "alliance:a1"))),
        case("allowed in the city, refused in the alliance", True, lab(),
             under=rows(row(True, "region:220200"), row(False, "alliance:a1"))),
        case("two rows of one scope: the refusal counts", True, lab(), under=rows(row(True), REFUSED)),
        case("own result", False, lab(performer=REQUESTER), under=rows(row(False, levels=(2, 2)))),
        case("another of the requester's level", True, lab(), requester="outside-hospital",
             under=rows(row(False, levels=(3, 3)))),
        case("the issuer's level is not on file", False, lab(), under=policy(
            directions=(REFUSED,), institutions=(replace(NETWORK.institutions[0], level=None), *NETWORK.institutions[1:]))),
        case("issuer outside the network has no level", False, lab(performer="某诊所"), under=rows(REFUSED)),
    ),
)  # fmt: skip

test_direction_not_agreed = SPEC.test()
