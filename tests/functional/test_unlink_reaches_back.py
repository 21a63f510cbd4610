"""An unlink, seen from outside: what becomes of decisions, recognitions, reports, counts, and who is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from service.domain.person import PatientFacts, PatientIdentifier
from service.registry.ingest_store import SqlIngestStore
from service.registry.tables import audit, decision, notice
from service.security.caller import Role
from tests.support.parting import hide, part, records_of
from tests.support.serving import ISSUER, NUMBER, OTHER, REQUESTER, RESIDENT, World, assert_problem

pytestmark = pytest.mark.slow


def register_here(world: World) -> None:
    """The county hospital registers the patient too, so that a decision rests on two records."""
    identifiers = (PatientIdentifier(RESIDENT, NUMBER, "RI"), PatientIdentifier("urn:county", "Z9", "MR"))
    with SqlIngestStore(world.parts.database, world.parts.keys).batch(REQUESTER) as batch:
        batch.put_patients([PatientFacts("Patient/z9", "Z9", ("李敏",), "1949-12-31", "female", identifiers)])


def unlink(world: World) -> tuple[int, list[str]]:
    """The county hospital's record and the city hospital's are two people's, as was just found."""
    (here,), (there,) = records_of(world.parts.database, REQUESTER), records_of(world.parts.database, ISSUER)
    hide(world.parts.database, there)
    return part(world.parts.database, [{here}, {there}])


def read(world: World, decision_id: str, **more: Any) -> dict[str, Any]:
    answer = world.client.get(f"/api/v1/decisions/{decision_id}", headers=world.headers(**more))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def notices(world: World, institution: str, query: str = "") -> Any:
    return world.client.get(f"/api/v1/notices{query}", headers=world.headers(institution, Role.SYSTEM))


def choose(world: World, decision: dict[str, Any], **more: Any) -> Any:
    body = {"decisionId": decision["decisionId"], "orderId": "o1", "action": "recognised"} | more
    return world.client.post("/api/v1/recognitions", json=body, headers=world.headers())


def test_decision_is_invalid_at_once_and_superseded_when_worked_off(any_world: World) -> None:
    register_here(any_world)
    before = any_world.match("58410-2")
    assert before["orders"][0]["decision"] == "partial"
    change, marked = unlink(any_world)
    assert marked == [before["decisionId"]]
    at_once = read(any_world, before["decisionId"])
    assert at_once["state"] == "identity-invalidated"
    assert at_once["invalidated"]["cause"] == "unlink"
    assert datetime.fromisoformat(at_once["invalidated"]["at"]) <= datetime.now(UTC)
    assert at_once["supersededBy"] is None
    (affected,) = any_world.parts.reach.run()
    assert (affected.decision_id, affected.change_id) == (before["decisionId"], change)
    after = read(any_world, str(affected.superseded_by))
    assert (after["state"], after["supersedes"], after["invalidated"]) == ("standing", before["decisionId"], None)
    assert after["answer"]["orders"][0]["decision"] == "no-result"
    assert after["given"]["request"] == at_once["given"]["request"]
    settled = read(any_world, before["decisionId"])
    assert (settled["state"], settled["supersededBy"]) == ("identity-invalidated", affected.superseded_by)
    assert settled["answer"] == before


def test_both_the_old_and_the_new_decision_replay_exactly(any_world: World) -> None:
    register_here(any_world)
    before = any_world.match("58410-2", "CT.CHEST")
    unlink(any_world)
    (affected,) = any_world.parts.reach.run()
    for one in (before["decisionId"], affected.superseded_by):
        answer = any_world.client.post(f"/api/v1/decisions/{one}/replay", headers=any_world.headers())
        assert answer.json()["same"] is True


def test_decision_on_one_of_the_records_alone_stands(any_world: World) -> None:
    before = any_world.match("58410-2")
    register_here(any_world)
    _, marked = unlink(any_world)
    assert marked == []
    assert any_world.parts.reach.run() == []
    assert read(any_world, before["decisionId"])["state"] == "standing"


def test_working_off_again_changes_nothing(any_world: World) -> None:
    register_here(any_world)
    any_world.match("58410-2")
    change, _ = unlink(any_world)
    first = any_world.parts.reach.run()

    def stored() -> list[Any]:
        with any_world.parts.database.read() as conn:
            tables = (decision.c.id, notice.c.id, audit.c.seq)
            return [conn.execute(select(one).order_by(one)).scalars().all() for one in tables]

    before = stored()
    assert any_world.parts.reach.run() == []
    assert any_world.parts.reach.run([change]) == first
    assert stored() == before


def test_choice_on_an_invalid_decision_is_refused_and_says_what_stands_instead(any_world: World) -> None:
    register_here(any_world)
    before = any_world.match("58410-2")
    unlink(any_world)
    assert "ask again" in assert_problem(choose(any_world, before), 409, "contradiction")["detail"]
    (affected,) = any_world.parts.reach.run()
    refused = assert_problem(choose(any_world, before), 409, "contradiction")
    assert str(affected.superseded_by) in refused["detail"]
    repeated = choose(any_world, before, action="repeated", reasons=["emergency"])
    assert_problem(repeated, 409, "contradiction")


def test_choice_recorded_before_is_still_answered_as_recorded(any_world: World) -> None:
    register_here(any_world)
    before = any_world.match("58410-2")
    assert choose(any_world, before).status_code == 201
    unlink(any_world)
    assert choose(any_world, before).status_code == 200


def test_link_to_a_report_dies_with_its_decision(any_world: World) -> None:
    register_here(any_world)
    link = any_world.match("58410-2")["orders"][0]["candidates"][0]["retrieve"]["report"]
    path = link[link.index("/api/") :]
    assert any_world.client.get(path, headers=any_world.headers()).status_code == 200
    unlink(any_world)
    assert_problem(any_world.client.get(path, headers=any_world.headers()), 404, "not-found")


def test_requester_and_issuer_are_told_once_each_without_the_patient(any_world: World) -> None:
    register_here(any_world)
    before = any_world.match("58410-2")
    choose(any_world, before, items=["718-7"])
    unlink(any_world)
    (affected,) = any_world.parts.reach.run()
    (to_requester,) = notices(any_world, REQUESTER).json()["notices"]
    (to_issuer,) = notices(any_world, ISSUER).json()["notices"]
    assert notices(any_world, OTHER).json() == {"notices": [], "next": None}
    for one in (to_requester, to_issuer):
        assert one["kind"] == "recognition-on-wrong-person"
        assert (one["decisionId"], one["supersededBy"]) == (before["decisionId"], affected.superseded_by)
        assert [each["item"] for each in one["items"] if each["recognised"]] == ["718-7"]
        assert not any(each["stillOffered"] for each in one["items"])
        assert one["text"].keys() == {"zh", "en"}
    assert (to_requester["as"], to_issuer["as"]) == ("requester", "issuer")
    assert {each["orderId"] for each in to_requester["items"]} == {"o1"}
    assert all("orderId" not in each for each in to_issuer["items"])
    for secret in (NUMBER, "李敏", "1949", "C1", "Z9"):
        assert secret not in notices(any_world, REQUESTER).text + notices(any_world, ISSUER).text


def test_without_a_recognition_the_notice_says_that_the_decision_changed(any_world: World) -> None:
    register_here(any_world)
    before = any_world.match("58410-2")
    choose(any_world, before, action="repeated", reasons=["emergency"])
    unlink(any_world)
    any_world.parts.reach.run()
    kinds = [one["kind"] for who in (REQUESTER, ISSUER) for one in notices(any_world, who).json()["notices"]]
    assert kinds == ["decision-changed", "decision-changed"]


def test_notices_come_in_pages_oldest_first_and_reading_is_audited(any_world: World) -> None:
    register_here(any_world)
    decisions = [any_world.match("58410-2")["decisionId"] for _ in range(3)]
    unlink(any_world)
    any_world.parts.reach.run()
    first = notices(any_world, REQUESTER, "?limit=2").json()
    last = notices(any_world, REQUESTER, f"?limit=2&after={first['next']}").json()
    assert [one["decisionId"] for one in first["notices"] + last["notices"]] == sorted(decisions)
    assert last["next"] is None
    with any_world.parts.database.read() as conn:
        actions = conn.execute(select(audit.c.action)).scalars().all()
    assert actions.count("notice:list:read") == 2
    assert actions.count("identity:decision:invalidated") == 3
    assert actions.count("identity:decision:superseded") == 3


@pytest.mark.parametrize("query", ["?limit=0", "?limit=501", "?limit=x", "?after=x", "?after=-1"])
def test_page_that_cannot_be_given_is_400(world: World, query: str) -> None:
    assert_problem(notices(world, REQUESTER, query), 400, "invalid-input")


def test_auditor_has_no_notices(world: World) -> None:
    answer = world.client.get("/api/v1/notices", headers=world.headers(REQUESTER, Role.AUDITOR))
    assert_problem(answer, 403, "not-permitted")


def test_order_counts_once_and_a_recognition_on_the_wrong_person_not_at_all(any_world: World) -> None:
    register_here(any_world)
    choose(any_world, any_world.match("58410-2"))
    choose(any_world, any_world.match("CT.CHEST"))

    def counts() -> dict[str, Any]:
        answer = any_world.client.get("/api/v1/statistics", headers=any_world.headers())
        total: dict[str, Any] = answer.json()["total"]
        return total

    assert (counts()["prompts"], counts()["recognised"]) == (2, 2)
    (here,), (there,) = (records_of(any_world.parts.database, one) for one in (REQUESTER, ISSUER))
    part(any_world.parts.database, [{here}, {there}])
    assert counts()["prompts"] == 0
    any_world.parts.reach.run()  # their numbers are the same still, so the same is offered again
    assert (counts()["prompts"], counts()["recognised"], counts()["unanswered"]) == (2, 0, 2)


def test_joining_supersedes_only_what_now_comes_out_otherwise(any_world: World) -> None:
    register_here(any_world)
    (here,), (there,) = (records_of(any_world.parts.database, one) for one in (REQUESTER, ISSUER))
    same = any_world.match("58410-2")["decisionId"]
    change, marked = part(any_world.parts.database, [{here, there}], "link")
    assert marked == []
    assert any_world.parts.reach.run() == []
    assert read(any_world, same)["state"] == "standing"
    hide(any_world.parts.database, there)
    change, _ = part(any_world.parts.database, [{here, there}], "link")
    (affected,) = any_world.parts.reach.run([change])
    old = read(any_world, same)
    assert (old["state"], old["supersededBy"], old["invalidated"]) == ("superseded", affected.superseded_by, None)
    (told,) = notices(any_world, ISSUER).json()["notices"]
    assert (told["kind"], told["cause"]) == ("decision-changed", "link")


def test_answered_order_of_a_decision_that_was_not_wrong_still_counts(any_world: World) -> None:
    register_here(any_world)
    (here,), (there,) = (records_of(any_world.parts.database, one) for one in (REQUESTER, ISSUER))
    choose(any_world, any_world.match("58410-2", "CT.CHEST"))
    hide(any_world.parts.database, here)
    hide(any_world.parts.database, there)
    part(any_world.parts.database, [{here, there}], "link")
    any_world.parts.reach.run()
    total = any_world.client.get("/api/v1/statistics", headers=any_world.headers()).json()["total"]
    assert (total["prompts"], total["recognised"], total["unanswered"]) == (1, 1, 0)


def test_waiting_changes_are_a_metric_and_the_service_stays_ready(world: World) -> None:
    for _ in range(2):
        part(world.parts.database, [{1}, {2}])
    assert world.client.get("/readyz").status_code == 200
    assert world.parts.reach.count() == 2
    assert "testonce_identity_changes_waiting 2.0" in world.client.get("/metrics").text
    world.parts.reach.run()
    assert "testonce_identity_changes_waiting 0.0" in world.client.get("/metrics").text
