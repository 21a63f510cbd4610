"""CDS Hooks from outside: discovery, cards, feedback (CDS Hooks 2.0)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.registry.tables import recognition
from service.security.caller import Role
from tests.support.cds import PATIENT, check_response, draft, order_sign
from tests.support.serving import World, assert_problem

SERVICE = "/cds-services/testonce-order-sign"
SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "cds-hooks"


def ask(world: World, request: dict[str, Any], lang: str = "zh-CN") -> list[dict[str, Any]]:
    answer = world.client.post(SERVICE, json=request, headers=world.headers(**{"Accept-Language": lang}))
    assert answer.status_code == 200, answer.text
    check_response(answer.json(), request)
    cards: list[dict[str, Any]] = answer.json()["cards"]
    return cards


def feed_back(world: World, *entries: dict[str, Any]) -> Any:
    return world.client.post(f"{SERVICE}/feedback", json={"feedback": list(entries)}, headers=world.headers())


def recorded(world: World) -> list[Any]:
    with world.parts.database.read() as conn:
        return list(conn.execute(select(recognition)))


def test_discovery_is_open_and_names_hook_and_prefetch(world: World) -> None:
    answer = world.client.get("/cds-services")
    assert answer.status_code == 200
    (service,) = answer.json()["services"]
    assert (service["id"], service["hook"]) == ("testonce-order-sign", "order-sign")
    assert service["prefetch"]["patient"] == "Patient/{{context.patientId}}"


def test_reusable_order_gets_a_card_that_deletes_the_draft(any_world: World) -> None:
    (card,) = ask(any_world, order_sign("CT.CHEST"))
    (suggestion,) = card["suggestions"]
    assert suggestion["actions"] == [{"type": "delete", "description": "删除该医嘱", "resourceId": "ServiceRequest/d1"}]
    assert suggestion["isRecommended"] is True
    assert "市医院" in card["detail"]
    assert "吉林市HR" in card["detail"]
    assert {one["code"] for one in card["overrideReasons"]} >= {"condition-changed", "other", "patient-request"}


def test_partial_order_gets_a_card_that_orders_the_rest_only(world: World) -> None:
    (card,) = ask(world, order_sign("58410-2"), "en")
    ((action,),) = [one["actions"] for one in card["suggestions"]]
    assert action["type"] == "update"
    assert action["resource"]["code"]["coding"][0] == {
        "system": "http://loinc.org", "code": "777-3", "display": action["resource"]["code"]["text"],
    }  # fmt: skip
    assert "6.3" in card["detail"].replace("\\", "")


def test_order_that_cannot_be_reused_gets_no_card(world: World) -> None:
    assert ask(world, order_sign("777-3", "NOBODY-KNOWS")) == []


def test_one_card_per_order(world: World) -> None:
    cards = ask(world, order_sign("CT.CHEST", "58410-2", "777-3"))
    assert len(cards) == 2


def test_text_of_a_report_cannot_become_markup(world: World) -> None:
    from service.cds_hooks.cards import escape

    assert escape("<script>a|b\n[x](http://y) *z* &amp;") == (r"&lt;script\>a\|b \[x\]\(http://y\) \*z\* &amp;amp;")


@pytest.mark.parametrize(
    "change",
    [
        {"doNotPerform": True},
        {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
        {"code": {"coding": [{"system": "urn:testonce:item", "code": c} for c in ("CT.CHEST", "718-7")]}},
        {"code": {"text": "胸部CT"}},
        {"code": None},
        {"subject": {"reference": "Patient/p2"}},
        {"subject": {"reference": "https://his.example/fhir/Patient/p2/_history/1"}},
        {"subject": {"reference": "Group/p1"}},
        {"subject": {"reference": "urn:uuid:6f1f5dbb-4d9c-4a83-a1fa-5b5f6b1d9b5e"}},
    ],
)
def test_draft_whose_meaning_is_not_certain_gets_no_card(world: World, change: dict[str, Any]) -> None:
    request = order_sign()
    request["context"]["draftOrders"]["entry"] = [{"resource": draft("CT.CHEST") | change}]
    assert ask(world, request) == []


@pytest.mark.parametrize("reference", ["Patient/p1", "https://his.example/fhir/Patient/p1/_history/1"])
def test_draft_that_names_the_patient_of_the_request_gets_its_card(world: World, reference: str) -> None:
    request = order_sign(context={"patientId": "Patient/p1"})
    request["context"]["draftOrders"] = {"entry": [{"resource": draft("CT.CHEST", subject={"reference": reference})}]}
    assert len(ask(world, request)) == 1


@pytest.mark.parametrize(
    "prefetch", [{"patient": None}, {"patient": {key: PATIENT[key] for key in ("resourceType", "id")}}]
)
def test_nothing_known_of_the_patient_gives_no_card(world: World, prefetch: dict[str, Any]) -> None:
    assert ask(world, order_sign("CT.CHEST", prefetch=prefetch)) == []


@pytest.mark.parametrize("prefetch", [{}, {"patient": {"resourceType": "OperationOutcome", "issue": []}}])
def test_missing_patient_is_412(world: World, prefetch: dict[str, Any]) -> None:
    request = order_sign("CT.CHEST", prefetch=prefetch)
    assert_problem(world.client.post(SERVICE, json=request, headers=world.headers()), 412, "prefetch-missing")


@pytest.mark.parametrize(
    "change",
    [
        {"hook": "patient-view"}, {"hookInstance": "7"}, {"context": []}, {"context": {"patientId": "p1"}},
        {"prefetch": {"patient": PATIENT | {"id": "p2"}}}, {"prefetch": {"patient": {"resourceType": "Group"}}},
        {"prefetch": {"patient": PATIENT | {"birthDate": "soon"}}}, {"prefetch": {"patient": PATIENT | {"gender": 7}}},
        {"context": {"patientId": "p1", "draftOrders": {"entry": [{"resource": draft("CT.CHEST")}] * 2}}},
    ],
)  # fmt: skip
def test_malformed_request_is_400(world: World, change: dict[str, Any]) -> None:
    answer = world.client.post(SERVICE, json=order_sign("CT.CHEST") | change, headers=world.headers())
    assert_problem(answer, 400, "invalid-input")


def test_every_call_but_discovery_needs_a_token_of_a_clinician_or_system(world: World) -> None:
    assert_problem(world.client.post(SERVICE, json=order_sign()), 401, "not-authenticated")
    assert_problem(world.client.post(f"{SERVICE}/feedback", json={}), 401, "not-authenticated")
    auditor = world.headers(role=Role.AUDITOR)
    assert_problem(world.client.post(SERVICE, json=order_sign(), headers=auditor), 403, "not-permitted")


@pytest.mark.parametrize("kind", [{"code": "EMER"}, [{"coding": [{"code": "AMB"}, {"code": "EMER"}]}]])
def test_emergency_encounter_makes_the_card_a_review(world: World, kind: Any) -> None:
    prefetch = {"patient": PATIENT, "encounter": {"resourceType": "Encounter", "class": kind}}
    (card,) = ask(world, order_sign("CT.CHEST", prefetch=prefetch))
    assert card["indicator"] == "warning"
    assert card["suggestions"][0]["isRecommended"] is False


def test_accepted_card_becomes_a_recognition_once(any_world: World) -> None:
    (card,) = ask(any_world, order_sign("CT.CHEST"))
    entry = {
        "card": card["uuid"], "outcome": "accepted", "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
        "outcomeTimestamp": "2026-11-22T02:00:00Z",
    }  # fmt: skip
    assert feed_back(any_world, entry).status_code == 200
    assert feed_back(any_world, entry).status_code == 200
    (row,) = recorded(any_world)
    assert (row.action, row.order_id, json.loads(row[7])) == ("recognised", "d1", ["CT.CHEST"])


@pytest.mark.parametrize(
    ("why", "reasons", "note"),
    [
        ({"reason": {"code": "quality-doubt", "system": "urn:testonce:repeat-reason"}}, ["quality-doubt"], None),
        ({"reason": {"code": "98"}}, ["images-not-available"], None),
        ({"reason": {"code": "other"}, "userComment": "会诊要求"}, ["other"], "会诊要求"),
        (
            {"reason": {"code": "patient-refuses", "system": "urn:x", "display": "no"}},
            ["other"],
            "urn:x|patient-refuses no",
        ),
        ({"userComment": "再看"}, ["other"], "再看"),
        (None, ["other"], "no reason was given"),
    ],
)
def test_overridden_card_becomes_a_repeat_with_its_reason(
    world: World, why: Any, reasons: list[str], note: str | None
) -> None:
    (card,) = ask(world, order_sign("CT.CHEST"))
    entry = {"card": card["uuid"], "outcome": "overridden", **({"overrideReason": why} if why else {})}
    assert feed_back(world, entry).status_code == 200
    (row,) = recorded(world)
    assert (row.action, json.loads(row.reasons)) == ("repeated", reasons)
    shown = world.parts.keys.open(row.note, f"recognition|note|{row.id}").decode() if row.note else None
    assert shown == note


def test_changed_feedback_is_409_and_its_neighbours_are_recorded(world: World) -> None:
    first, second = ask(world, order_sign("CT.CHEST", "58410-2"))
    overridden = {"outcome": "overridden", "overrideReason": {"reason": {"code": "emergency"}}}
    assert feed_back(world, {"card": first["uuid"], **overridden}).status_code == 200
    accepted = {
        "card": first["uuid"], "outcome": "accepted", "acceptedSuggestions": [{"id": first["suggestions"][0]["uuid"]}],
    }  # fmt: skip
    assert_problem(feed_back(world, accepted, {"card": second["uuid"], **overridden}), 409, "contradiction")
    assert {row.order_id: row.action for row in recorded(world)} == {"d1": "repeated", "d2": "repeated"}


def test_faulty_feedback_records_nothing(world: World) -> None:
    (card,) = ask(world, order_sign("CT.CHEST"))
    good = {"card": card["uuid"], "outcome": "overridden"}
    for bad in (
        {"card": "7", "outcome": "overridden"},
        {"card": "019aa000-0000-7000-8000-000000000000", "outcome": "overridden"},
        {"card": card["uuid"], "outcome": "ignored"},
        {"card": card["uuid"], "outcome": "accepted"},
        {"card": card["uuid"], "outcome": "accepted", "acceptedSuggestions": [{"id": "x"}]},
        {"card": card["uuid"], "outcome": "overridden", "overrideReason": 7},
        "text",
    ):
        assert_problem(feed_back(world, good, bad), 400, "invalid-input")  # type: ignore[arg-type]
    assert recorded(world) == []


def test_card_of_another_institution_is_unknown(world: World) -> None:
    (card,) = ask(world, order_sign("CT.CHEST"))
    body = {"feedback": [{"card": card["uuid"], "outcome": "overridden"}]}
    answer = world.client.post(f"{SERVICE}/feedback", json=body, headers=world.headers("third-hospital"))
    assert_problem(answer, 400, "invalid-input")


@pytest.mark.parametrize(("accept", "lang"), [("en-US,en;q=0.9", "en"), ("zh-TW", "zh"), ("fr,zh;q=0.2,en;q=0.3", "en"),
                                              ("", "zh"), ("en;q=0,de", "zh"), ("en;q=x", "zh")])  # fmt: skip
def test_language_follows_accept_language(accept: str, lang: str) -> None:
    from service.cds_hooks.routes import choose_language

    assert choose_language(accept, "zh") == lang


def test_hook_requests_of_a_conformance_kit_are_answered_never_5xx(world: World) -> None:
    files = sorted(SAMPLES.glob("crd-fixtures/*_hook_request.json"))
    if not files:
        pytest.skip("the samples folder is not here")
    for file in files:
        answer = world.client.post(SERVICE, json=json.loads(file.read_text()), headers=world.headers())
        assert answer.status_code in (200, 400, 412), file.name
