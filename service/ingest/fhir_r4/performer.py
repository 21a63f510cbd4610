"""Which institution performed or interpreted: FHIR Organizations as institutions of the network."""

from __future__ import annotations

from collections.abc import Iterable

from service.domain.codes import is_uscc
from service.domain.network import Network
from service.ingest.fhir_r4.references import split_logical
from service.ingest.fhir_r4.shapes import Identifier, Organization, Reference
from service.ingest.fhir_r4.values import Context
from service.ingest.fhir_r4.view import Newest, View

_MAX_PARENTS = 6


def find_institution(view: View, owner: Newest, given: Iterable[Reference], network: Network) -> str | None:
    """The institution that the first telling reference names, None when none does.

    A valid 统一社会信用代码 counts first (GB 32100-2015), then an identifier or id that is an institution's id in the
    network, then the exact name of one institution of the network; a department counts as the organization it is
    part of. An organization whose code is valid but outside the network becomes `uscc:…`: no certificate is ever its
    own, so nothing it performed is reused by mistake."""
    for reference in given:
        if found := _institution(view, owner, reference, network):
            return found
    return None


def _institution(view: View, owner: Newest, reference: Reference, network: Network) -> str | None:
    at, step = owner, reference
    for _ in range(_MAX_PARENTS):
        key = view.key(at, step, "Organization")
        if key is None:
            return _by_name(step.display, network)
        if not ("#" in key or key.startswith(("Organization/", "identifier|"))):
            return None
        if logical := split_logical(key):
            return by_identifiers([logical], None, network)
        found = view.follow(at, step, Organization)
        if found is None:
            kind, _, given = key.partition("/")
            known = kind == "Organization" and given in network.institution_by_id
            return given if known else _by_name(step.display, network)
        at, organization = found
        name = _named(organization, network)
        if name or organization.partOf is None:
            return name
        step = organization.partOf
    return None


def names_this_house(organization: Organization, context: Context) -> bool:
    """Whether it names the loading institution, or none that is known: what is assumed of one not yet received."""
    named = _named(organization, context.network)
    return organization.partOf is None and named in (None, context.institution)


def _named(organization: Organization, network: Network) -> str | None:
    own = by_identifiers(organization.identifier or [], organization.id, network)
    return own or _by_name(organization.name, network)


def _by_name(name: str | None, network: Network) -> str | None:
    found = network.institution_by_name.get((name or "").strip())
    return found.id if found else None


def by_identifiers(given: Iterable[Identifier], own_id: str | None, network: Network) -> str | None:
    """The institution that identifiers or the organization's own id name."""
    values = [one.value.strip() for one in given if one.value]
    for value in values:
        if is_uscc(value.upper()):
            known = network.institution_by_uscc.get(value.upper())
            return known.id if known else f"uscc:{value.upper()}"
    return next((one for one in (*values, own_id) if one and one in network.institution_by_id), None)
