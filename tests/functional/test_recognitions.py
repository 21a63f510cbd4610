"""Recognitions and events from outside."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from service.registry.tables import audit, recognition
from service.security.caller import Role
from tests.support.serving import World, assert_problem

PATH = "/api/v1/recognitions"


def choose(world: World, decision: dict[str, Any], **more: Any) -> Any:
    body = {"decisionId": decision["decisionId"], "orderId": "o1", "action": "recognised"} | more
    return world.client.post(PATH, json=body, headers=world.headers())


def test_recognition_is_recorded_once_and_binds_the_report_version(any_world: World) -> None:
    decision = any_world.match("58410-2")
    first = choose(any_world, decision, items=["718-7", "6690-2"], patientInformed=True)
    again = choose(any_world, decision, items=["6690-2", "718-7"], patientInformed=True)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["reports"] == [{"ref": "DiagnosticReport/1", "institution": "city-hospital", "version": 1}]
    with any_world.parts.database.read() as conn:
        assert len(conn.execute(select(recognition)).all()) == 1
        actions = [row.action for row in conn.execute(select(audit.c.action))]
    assert actions.count("decision:order:recognised") == 1


def test_another_body_for_the_same_order_is_409(world: World) -> None:
    decision = world.match("58410-2")
    assert choose(world, decision).status_code == 201
    assert_problem(choose(world, decision, items=["718-7"]), 409, "contradiction")
    assert_problem(choose(world, decision, action="repeated", reasons=["emergency"]), 409, "contradiction")


def test_repeat_of_a_reusable_order_needs_a_reason(world: World) -> None:
    decision = world.match("CT.CHEST")
    body = assert_problem(choose(world, decision, action="repeated"), 400, "invalid-input")
    assert [one["pointer"] for one in body["errors"]] == ["/reasons"]
    assert choose(world, decision, action="repeated", reasons=["quality-doubt"]).status_code == 201


def test_reason_other_needs_a_note_and_the_note_is_sealed(world: World) -> None:
    decision = world.match("CT.CHEST")
    refused = choose(world, decision, action="repeated", reasons=["other"])
    assert [one["pointer"] for one in assert_problem(refused, 400, "invalid-input")["errors"]] == ["/note"]
    assert choose(world, decision, action="repeated", reasons=["other"], note="患者咳血").status_code == 201
    with world.parts.database.read() as conn:
        row = conn.execute(select(recognition)).one()
    assert "患者咳血".encode() not in row.note
    assert world.parts.keys.open(row.note, f"recognition|note|{row.id}").decode() == "患者咳血"


def test_code_of_a_region_is_recorded_as_ours(world: World) -> None:
    answer = choose(world, world.match("CT.CHEST"), action="repeated", reasons=["98"])
    assert answer.json()["reasons"] == ["images-not-available"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"items": ["777-3"]}, "/items"),
        ({"items": []}, "/items"),
        ({"items": "718-7"}, "/items"),
        ({"items": [7]}, "/items/0"),
        ({"action": "maybe"}, "/action"),
        ({"action": None}, "/action"),
        ({"orderId": ""}, "/orderId"),
        ({"decisionId": 7}, "/decisionId"),
        ({"reasons": ["because"]}, "/reasons/0"),
        ({"patientInformed": "yes"}, "/patientInformed"),
        ({"note": "x" * 1001}, "/note"),
    ],
)
def test_faulty_body_is_400_with_the_place(world: World, change: dict[str, Any], pointer: str) -> None:
    body = assert_problem(choose(world, world.match("58410-2"), **change), 400, "invalid-input")
    assert [one["pointer"] for one in body["errors"]] == [pointer]


@pytest.mark.parametrize("change", [{"orderId": "o9"}, {"orderId": "\u0000"}, {"decisionId": "no-such"}])
def test_unknown_order_is_404(any_world: World, change: dict[str, Any]) -> None:
    assert_problem(choose(any_world, any_world.match("58410-2"), **change), 404, "not-found")


def test_other_institution_and_auditor_cannot_record(world: World) -> None:
    body = {"decisionId": world.match()["decisionId"], "orderId": "o1", "action": "recognised"}
    assert_problem(world.client.post(PATH, json=body, headers=world.headers("third-hospital")), 404, "not-found")
    assert_problem(world.client.post(PATH, json=body, headers=world.headers(role=Role.AUDITOR)), 403, "not-permitted")


def test_nothing_offered_can_only_be_repeated(world: World) -> None:
    decision = world.match("777-3")
    assert_problem(choose(world, decision), 400, "invalid-input")
    assert choose(world, decision, action="repeated").status_code == 201


def test_auditor_pages_through_the_list_others_may_not(any_world: World) -> None:
    for code in ("58410-2", "CT.CHEST", "718-7"):
        assert choose(any_world, any_world.match(code)).status_code == 201
    headers = any_world.headers(role=Role.AUDITOR)
    first = any_world.client.get(PATH, params={"limit": "2"}, headers=headers).json()
    second = any_world.client.get(PATH, params={"limit": "2", "after": first["next"]}, headers=headers).json()
    assert [len(first["recognitions"]), len(second["recognitions"])] == [2, 1]
    assert second["next"] is None
    assert len({one["id"] for one in first["recognitions"] + second["recognitions"]}) == 3
    assert_problem(any_world.client.get(PATH, headers=any_world.headers()), 403, "not-permitted")
    for bad in ({"limit": "0"}, {"limit": "x"}, {"after": "x"}, {"after": "1~\0"}, {"after": "1~"}):
        assert_problem(any_world.client.get(PATH, params=bad, headers=headers), 400, "invalid-input")


@pytest.mark.parametrize("event", ["shown", "retrieved", "cited", "revoked"])
def test_event_is_recorded_and_audited(world: World, event: str) -> None:
    path = f"/api/v1/decisions/{world.match()['decisionId']}/events"
    answer = world.client.post(path, json={"orderId": "o1", "event": event}, headers=world.headers())
    assert answer.status_code == 201
    assert answer.json()["event"] == event
    with world.parts.database.read() as conn:
        assert conn.execute(select(audit.c.action).order_by(audit.c.seq.desc())).scalar() == f"decision:order:{event}"


def test_faulty_event_is_refused(world: World) -> None:
    path = f"/api/v1/decisions/{world.match()['decisionId']}/events"
    for body, status in (
        ({"orderId": "o1", "event": "seen"}, 400),
        ([], 400),
        ({"orderId": "o7", "event": "shown"}, 404),
    ):
        assert world.client.post(path, json=body, headers=world.headers()).status_code == status
    foreign = world.client.post(path, json={"orderId": "o1", "event": "shown"}, headers=world.headers("third-hospital"))
    assert_problem(foreign, 404, "not-found")
