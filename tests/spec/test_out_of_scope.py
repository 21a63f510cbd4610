"""out-of-scope: certified, but for a scope that does not cover the ordering institution.

The requester here lies in 220281 (a county-level city of 220200, province 220000) and in alliance a1.
"""

from __future__ import annotations

from dataclasses import replace

from service.domain.network import Alliance, Cluster
from tests.support.matching import NETWORK, REQUESTER, certificate, lab, policy
from tests.support.spec import Spec, case

NORTH_EAST = Cluster("north-east", "东北", ("210000", "220000"))
CITIES = Cluster("two-cities", "两市", ("220200", "220300"))


def scoped(*scopes: str):
    return policy(
        certificates=tuple(certificate(scope=one) for one in scopes),
        clusters=(*NETWORK.clusters, NORTH_EAST, CITIES),
        alliances=(*NETWORK.alliances, Alliance("a2", "医联体二")),
    )


UNKNOWN_REQUESTER = replace(NETWORK, institutions=NETWORK.institutions[:1])

SPEC = Spec(
    "out-of-scope",
    "block",
    (
        case("national", False, lab(), under=scoped("national")),
        case("the requester's province", False, lab(), under=scoped("region:220000")),
        case("the requester's city", False, lab(), under=scoped("region:220200")),
        case("the requester's county", False, lab(), under=scoped("region:220281")),
        case("another county of the same city", True, lab(), under=scoped("region:220202")),
        case("another city of the province", True, lab(), under=scoped("region:220100")),
        case("another province", True, lab(), under=scoped("region:110000")),
        case("a cluster of the requester's province", False, lab(), under=scoped("cluster:north-east")),
        case("a cluster of the requester's city", False, lab(), under=scoped("cluster:two-cities")),
        case("a cluster elsewhere", True, lab(), under=scoped("cluster:jjj")),
        case("a cluster nobody declared", True, lab(), under=scoped("cluster:unknown")),
        case("the requester's alliance", False, lab(), under=scoped("alliance:a1")),
        case("another alliance", True, lab(), under=scoped("alliance:a2")),
        case("one of several certificates covers", False, lab(), under=scoped("region:110000", "alliance:a1")),
        case("none of several certificates covers", True, lab(), under=scoped("region:110000", "alliance:a2")),
        case("no certificate at all is not-certified instead", False, lab(), under=scoped()),
        case("own result", False, lab(performer=REQUESTER), under=policy(
            certificates=(certificate(scope="region:110000", issuer=REQUESTER),))),
        case("a requester outside the network is in no region", True, lab(), under=policy(
            institutions=UNKNOWN_REQUESTER.institutions, certificates=(certificate(scope="region:220000"),))),
    ),
)  # fmt: skip

test_out_of_scope = SPEC.test()
