"""CDS Hooks requests, and a checker of responses written from the specification (CDS Hooks 2.0), not from our code."""

from __future__ import annotations

import re
from typing import Any

from tests.support.serving import NUMBER, RESIDENT

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": RESIDENT, "value": NUMBER}],
    "name": [{"family": "李", "given": ["敏"]}],
    "birthDate": "1949-12-31",
    "gender": "female",
}


def draft(code: str, key: str = "d1", **more: Any) -> dict[str, Any]:
    """A draft ServiceRequest."""
    coding = [{"system": "urn:testonce:item", "code": code}]
    return {"resourceType": "ServiceRequest", "id": key, "status": "draft", "intent": "order",
            "code": {"coding": coding}, "subject": {"reference": "Patient/p1"}, **more}  # fmt: skip


def order_sign(*codes: str, **more: Any) -> dict[str, Any]:
    """An order-sign request for the one patient."""
    entries = [{"resource": draft(code, f"d{n}")} for n, code in enumerate(codes, 1)]
    return {
        "hook": "order-sign",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/w",
            "patientId": "p1",
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": entries},
        },
        "prefetch": {"patient": PATIENT},
        **more,
    }


def check_response(body: Any, request: dict[str, Any]) -> None:
    """Fails where the response breaks a rule of CDS Hooks 2.0 (HTTP Response, Card attributes, Suggestion, Action)."""
    assert isinstance(body["cards"], list)
    _no_empty(body)
    drafts = {
        f"{one['resource']['resourceType']}/{one['resource'].get('id')}"
        for one in request["context"]["draftOrders"]["entry"]
    }
    uuids = [card["uuid"] for card in body["cards"]]
    assert len(set(uuids)) == len(uuids)
    for card in body["cards"]:
        _card(card, drafts)


def _no_empty(value: Any) -> None:
    """No nulls, no empty objects, arrays or strings; an empty list of cards is the one exception."""
    if isinstance(value, dict):
        for key, inner in value.items():
            assert inner not in (None, "", {}), key
            assert inner != [] or key == "cards", key
            _no_empty(inner)
    elif isinstance(value, list):
        for inner in value:
            assert inner not in (None, "", {}, [])
            _no_empty(inner)


def _card(card: dict[str, Any], drafts: set[str]) -> None:
    assert _UUID.fullmatch(card["uuid"])
    assert 0 < len(card["summary"]) < 140
    assert "\n" not in card["summary"]
    assert card["indicator"] in ("info", "warning", "critical")
    assert card["source"]["label"]
    if topic := card["source"].get("topic"):
        assert topic["code"]
    suggestions = card.get("suggestions", [])
    if suggestions:
        assert card["selectionBehavior"] in ("at-most-one", "any")
    if card.get("selectionBehavior") == "at-most-one":
        assert sum(bool(one.get("isRecommended")) for one in suggestions) <= 1
    for suggestion in suggestions:
        assert suggestion["label"]
        assert _UUID.fullmatch(suggestion["uuid"])
        for action in suggestion.get("actions", []):
            _action(action, drafts)
    for reason in card.get("overrideReasons", []):
        assert reason["code"]
        assert reason["display"]
    for link in card.get("links", []):
        assert link["label"]
        assert link["type"] in ("absolute", "smart")
        assert link["url"].startswith(("http://", "https://"))
        assert "appContext" not in link or link["type"] == "smart"


def _action(action: dict[str, Any], drafts: set[str]) -> None:
    assert action["type"] in ("create", "update", "delete")
    assert action["description"]
    if action["type"] == "delete":
        assert action["resourceId"] in drafts
        assert "resource" not in action
    else:
        resource = action["resource"]
        assert resource["resourceType"]
        if action["type"] == "update":
            assert f"{resource['resourceType']}/{resource['id']}" in drafts
        else:
            assert "id" not in resource
