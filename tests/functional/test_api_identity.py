"""`/api/v1/identity/…`: who may, what is answered, and what becomes of decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from service.security.caller import Role
from tests.support.persons import patient, register
from tests.support.serving import ISSUER, NUMBER, OTHER, REQUESTER, World, assert_problem

pytestmark = pytest.mark.slow

BORN = {"birth_date": "1949-12-31"}
HERE = "/api/v1/identity"


def steward(world: World, user: str = "wang", role: Role = Role.STEWARD) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.parts.tokens.issue(OTHER, role, user, 5)}"}


def rule(world: World, what: str, a: str, b: str, user: str = "wang", **more: Any) -> Any:
    body = {"a": a, "b": b, "why": "两本病历一致"} | more
    return world.client.post(f"{HERE}/{what}", json=body, headers=steward(world, user))


def ask(world: World, path: str, **more: str) -> dict[str, Any]:
    answer = world.client.get(f"{HERE}/{path}", params=more, headers=steward(world))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def register_both(world: World, *numbers: str) -> None:
    """The city's patient, linked as a load does it, and one at the county hospital under Z9."""
    register(world.parts.database, world.parts.keys,
             (ISSUER, patient("C1", NUMBER, phones=("13900001111",), key="Patient/1", **BORN)),
             (REQUESTER, patient("Z9", *numbers, **BORN)))  # fmt: skip


def test_link_is_proposed_by_one_confirmed_by_another_and_unlinked_at_once(any_world: World) -> None:
    register_both(any_world)
    a, b = f"{ISSUER}/C1", f"{REQUESTER}/Z9"
    (waiting,) = ask(any_world, "review")["pairs"]
    assert {waiting["a"], waiting["b"]} == {a, b}
    assert waiting["stake"] == {"reports": 2, "decisions": 0}
    proposed = rule(any_world, "links", a, b)
    assert (proposed.status_code, proposed.json()["state"], proposed.json()["change"]) == (201, "proposed", None)
    assert_problem(rule(any_world, "links", b, a), 409, "contradiction")
    before = datetime.now(UTC).isoformat()
    confirmed = rule(any_world, "links", b, a, "zhao")
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "in-force")
    assert ask(any_world, "person", record=a)["persons"] == [[a, b]]
    assert ask(any_world, "person", record=a, at=before)["persons"] == [[a]]
    assert ask(any_world, "review")["pairs"] == []
    assert rule(any_world, "unlinks", a, b).json()["state"] == "in-force"
    assert ask(any_world, "person", record=a)["persons"] == [[a]]
    explained = ask(any_world, "explain", a=a, b=b)["pairs"][0]
    assert explained["state"] == "ruled-apart"
    assert [(one["ruling"], one["state"]) for one in explained["rulings"]] == [
        ("same", "ended"), ("not-same", "in-force"),
    ]  # fmt: skip
    assert explained["rulings"][1]["settled"]["by"] == "wang"
    assert rule(any_world, "withdrawals", a, b).json()["state"] == "withdrawn"


def test_unlink_invalidates_what_rested_on_the_two_and_both_hospitals_are_told(any_world: World) -> None:
    register_both(any_world, NUMBER)
    before = any_world.match("58410-2")
    assert before["orders"][0]["decision"] == "partial"
    unlinked = rule(any_world, "unlinks", f"{ISSUER}/C1", f"{REQUESTER}/Z9").json()
    (affected,) = any_world.parts.reach.run([unlinked["change"]])
    assert affected.decision_id == before["decisionId"]
    assert any_world.match("58410-2")["orders"][0]["decision"] == "no-result"


def test_only_stewards_rule_and_auditors_see_how_records_compare_but_not_what_they_say(world: World) -> None:
    register_both(world)
    asked = {"a": f"{ISSUER}/C1", "b": f"{REQUESTER}/Z9"}
    for role in (Role.CLINICIAN, Role.SYSTEM, Role.AUDITOR):
        headers = steward(world, role=role)
        for path in ("review", f"person?record={ISSUER}/C1"):
            assert_problem(world.client.get(f"{HERE}/{path}", headers=headers), 403, "not-permitted")
        answer = world.client.post(f"{HERE}/links", json={**asked, "why": "x"}, headers=headers)
        assert_problem(answer, 403, "not-permitted")
    assert_problem(world.client.get(f"{HERE}/review"), 401, "not-authenticated")
    rule(world, "links", asked["a"], asked["b"])
    seen = world.client.get(f"{HERE}/explain", params=asked, headers=steward(world, role=Role.AUDITOR))
    assert seen.json()["pairs"][0]["fields"][0]["outcome"] == "equal"
    assert not any(one in seen.text for one in ("李敏", NUMBER, "1949-12-31", "两本病历一致"))
    full = ask(world, "explain", **asked)["pairs"][0]
    assert full["fields"][0]["a"] == ["李敏"]
    assert full["rulings"][0]["proposed"]["why"] == "两本病历一致"


def test_what_is_wrong_is_named_with_its_place(world: World) -> None:
    register_both(world)
    answer = rule(world, "links", "city", 7, more=True)  # type: ignore[arg-type]
    assert {one["pointer"] for one in assert_problem(answer, 400, "invalid-input")["errors"]} == {"/b", "/more"}
    assert_problem(rule(world, "links", f"{ISSUER}/C1", f"{REQUESTER}/0"), 404, "not-found")
    assert_problem(rule(world, "withdrawals", f"{ISSUER}/C1", f"{REQUESTER}/Z9"), 404, "not-found")
    twice = world.client.post(
        f"{HERE}/links", content=b'{"a":"x/1","a":"x/2","b":"y/1","why":"z"}',
        headers={**steward(world), "Content-Type": "application/json"},
    )  # fmt: skip
    assert_problem(twice, 400, "invalid-input")
    for path, pointer in (
        ("explain?a=x/1", "b"), ("person", "record"), ("review?limit=0", "limit"), ("review?after=x", "after"),
        (f"person?record={ISSUER}/C1&at=yesterday", "at"),
    ):  # fmt: skip
        problem = assert_problem(world.client.get(f"{HERE}/{path}", headers=steward(world)), 400, "invalid-input")
        assert [one["pointer"] for one in problem["errors"]] == [pointer]
