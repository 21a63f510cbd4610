"""method-differs: the item is method-dependent and issuer and requester are not known to measure it on one platform.

The result's own method wins over the network's table. CEA (2039-6) is method-dependent; both hospitals have
`roche-cobas-e801` on file, one of them spelled `Roche cobas e801`.
"""

from __future__ import annotations

from service.domain.decision import Match
from service.domain.network import Method
from tests.support.matching import ISSUER, REQUESTER, lab, order, policy
from tests.support.spec import Spec, case

CEA = (order("2039-6"),)
ROCHE = "roche-cobas-e801"


def cea(*methods: str, **more: str):
    return lab("2039-6", methods=methods, unit="ng/mL", **more)


def table(issuer: str | None, requester: str | None):
    named = ((ISSUER, issuer), (REQUESTER, requester))
    return policy(methods=tuple(Method(who, ("2039-6",), method) for who, method in named if method))


SPEC = Spec(
    "method-differs",
    "review",
    (
        case("one platform by the table, spelled differently", False, cea(), orders=CEA),
        case("one platform by the result", False, cea(ROCHE), orders=CEA),
        case("the result's spelling does not matter", False, cea("Roche  Cobas E801"), orders=CEA),
        case("another platform by the result: it wins over the table", True, cea("abbott-alinity-i"), orders=CEA),
        case("the result names the platform where the table is silent", False, cea(ROCHE), orders=CEA,
             under=table(None, ROCHE)),
        case("the result's platform wins over a differing table", False, cea(ROCHE), orders=CEA,
             under=table("abbott-alinity-i", ROCHE)),
        case("one of the result's names is the requester's platform", False, cea("eclia", ROCHE), orders=CEA),
        case("different platforms by the table", True, cea(), orders=CEA, under=table("abbott-alinity-i", ROCHE)),
        case("a model of the same maker is another platform", True, cea(), orders=CEA, under=table("roche-cobas-e601", ROCHE)),
        case("issuer unknown", True, cea(), orders=CEA, under=table(None, ROCHE)),
        case("requester unknown", True, cea(ROCHE), orders=CEA, under=table(ROCHE, None)),
        case("both unknown", True, cea(), orders=CEA, under=table(None, None)),
        case("issuer outside the network, same platform by the result", False, cea(ROCHE, performer="某诊所"), orders=CEA),
        case("own result", False, cea(performer=REQUESTER), orders=CEA),
        case("own result, platform unknown", False, cea(performer=REQUESTER), orders=CEA, under=table(None, None)),
        case("own result on another of its platforms", True, cea("abbott-alinity-i", performer=REQUESTER), orders=CEA),
        case("an item that does not depend on the method", False, lab(methods=("other",))),
        case("not told of a record that is only probable", False, cea("other", identity="probable"), orders=CEA,
             match=Match.PROBABLE),
    ),
)  # fmt: skip

test_method_differs = SPEC.test()
