"""`GET /api/v1/catalogue` and `/api/v1/institutions`: what can be recognised, and who takes part."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from service.domain.catalogue import Catalogue, Item, Panel
from service.domain.errors import NotFound
from service.domain.network import Institution, Network
from service.edge.parts import Parts


async def read_catalogue(parts: Parts, request: Request) -> Response:
    """Every item and panel of the catalogue in force."""
    parts.believe(request.headers.get("authorization"))
    policy = await parts.run(parts.reference.current_policy)
    catalogue = policy.catalogue
    body = {
        "version": catalogue.version,
        "items": [show_item(one, catalogue) for one in catalogue.items.values()],
        "panels": [show_panel(one) for one in catalogue.panels.values()],
    }
    return Response(msgspec.json.encode(body), media_type="application/json")


async def read_item(parts: Parts, request: Request) -> Response:
    """One item or panel by its id."""
    parts.believe(request.headers.get("authorization"))
    policy = await parts.run(parts.reference.current_policy)
    wanted = request.path_params["item_id"]
    item, panel = policy.catalogue.items.get(wanted), policy.catalogue.panels.get(wanted)
    if item is None and panel is None:
        raise NotFound("the catalogue has no such item or panel")
    body = show_item(item, policy.catalogue) if item else show_panel(panel) if panel else {}
    return Response(msgspec.json.encode(body), media_type="application/json")


async def read_institutions(parts: Parts, request: Request) -> Response:
    """Every institution of the network in force, with what certifies it."""
    parts.believe(request.headers.get("authorization"))
    policy = await parts.run(parts.reference.current_policy)
    network = policy.network
    certificates: dict[str, list[dict[str, Any]]] = {}
    for one in network.certificates:
        certificates.setdefault(one.institution, []).append(
            {
                "items": list(one.items),
                "scope": str(one.scope),
                "mark": network.mark(one.scope),
                "validFrom": one.valid_from.isoformat(),
                "validTo": one.valid_to.isoformat(),
                "evidence": one.evidence,
            }
        )
    body = {
        "network": network.name,
        "version": policy.network_version,
        "institutions": [
            show_institution(one, network) | {"certificates": certificates.get(one.id, [])}
            for one in network.institutions
        ],
    }
    return Response(msgspec.json.encode(body), media_type="application/json")


def show_item(item: Item, catalogue: Catalogue) -> dict[str, Any]:
    """An item as JSON."""
    shown: dict[str, Any] = {
        "id": item.id,
        "kind": item.kind,
        "name": {"zh": item.name_zh, "en": item.name_en},
        "window": item.window.text,
        "volatile": item.volatile,
        "sensitive": item.sensitive,
        "panels": list(catalogue.panels_of.get(item.id, ())),
        "codes": [{"system": one.system, "code": one.code, "relation": one.relation} for one in item.codes],
    }
    if item.kind == "lab":
        return shown | {"unit": item.unit, "specimen": item.specimen, "methodDependent": item.method_dependent}
    return shown | {
        "modality": item.modality,
        "region": item.region,
        "technique": item.technique,
        "contrast": item.contrast,
        "doseMSv": item.dose_msv,
    }


def show_panel(panel: Panel) -> dict[str, Any]:
    """A panel as JSON."""
    return {
        "id": panel.id,
        "kind": "panel",
        "name": {"zh": panel.name_zh, "en": panel.name_en},
        "required": list(panel.required),
        "optional": list(panel.optional),
        "codes": [{"system": one.system, "code": one.code, "relation": one.relation} for one in panel.codes],
    }


def show_institution(one: Institution, network: Network) -> dict[str, Any]:
    """An institution as JSON."""
    regions = {region.code: region.name for region in network.regions}
    return {
        "id": one.id,
        "name": one.name,
        "region": one.region,
        "regionName": regions.get(one.region),
        "uscc": one.uscc,
        "level": one.level,
        "grade": one.grade,
        "alliances": list(one.alliances),
    }
