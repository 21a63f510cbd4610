"""Whether images can be opened, as a decision knows it: which source holds them, whether it answered, what it said."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from service.registry import images, source_states
from service.registry.tables import image_holding, image_offer
from tests.support.imaging_world import SOURCE, chest, index, note_again
from tests.support.serving import ISSUER, REQUESTER, World

STUDY = chest()[0].study_uid


def ask(world: World) -> dict[str, Any]:
    """The candidate that is the study held by the archive."""
    answer = world.match("CT.CHEST")
    found = [one for one in answer["orders"][0]["candidates"] if one["report"] != "DiagnosticReport/2"]
    assert len(found) == 1
    return {**found[0], "decisionId": answer["decisionId"]}


def codes(candidate: dict[str, Any]) -> set[str]:
    return {one["code"] for one in candidate["reasons"]}


def set_state(world: World, state: str) -> None:
    with world.parts.database.write() as conn:
        (one,) = images.holdings_of(conn, [STUDY])
        images.set_state(conn, one, state, 1)


def rows(world: World, table: Any) -> list[Any]:
    with world.parts.database.read() as conn:
        return list(conn.execute(select(table)))


def test_study_that_no_source_holds_has_no_images_to_open(world: World) -> None:
    index(world.parts, chest(), note=None)
    found = ask(world)
    assert "images-unavailable" in codes(found)
    assert found["retrieve"]["images"] is None
    assert STUDY in {one.study_uid for one in rows(world, image_offer)}  # it may be seen; there is nothing to open


def test_study_that_a_source_holds_is_opened_here(any_world: World) -> None:
    index(any_world.parts, chest())
    found = ask(any_world)
    assert "images-unavailable" not in codes(found)
    link = f"{any_world.settings.public_url}/dicomweb/studies/{STUDY}?decision={found['decisionId']}"
    assert found["retrieve"]["images"] == link
    (offer,) = (one for one in rows(any_world, image_offer) if one.study_uid == STUDY)
    assert (offer.decision_id, offer.study_uid, offer.institution, offer.holder) == (
        found["decisionId"], STUDY, REQUESTER, ISSUER,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "has_link"),
    [("incomplete", True), ("offline", True), ("not-held", False), ("rejected", False), ("other-patient", False)],
)
def test_study_that_is_not_to_be_had_is_said_so(world: World, state: str, has_link: bool) -> None:
    index(world.parts, chest())
    set_state(world, state)
    found = ask(world)
    assert "images-unavailable" in codes(found)
    assert (found["retrieve"]["images"] is not None) is has_link


def test_source_that_did_not_answer_when_last_tried_makes_images_unavailable(world: World) -> None:
    index(world.parts, chest())
    with world.parts.database.write() as conn:
        source_states.ensure(conn, SOURCE, ISSUER, "dicomweb")
        source_states.note_probe(conn, SOURCE, 10, None)
    assert "images-unavailable" not in codes(ask(world))
    with world.parts.database.write() as conn:
        source_states.note_probe(conn, SOURCE, 20, "unreachable")
    found = ask(world)
    assert "images-unavailable" in codes(found)
    assert found["retrieve"]["images"] is not None  # it may answer by the time it is opened


def test_second_source_that_answers_is_enough(world: World) -> None:
    index(world.parts, chest())
    set_state(world, "not-held")
    note_again(world.parts, [STUDY], source="city-second-archive")
    assert "images-unavailable" not in codes(ask(world))


def test_archive_of_another_institution_does_not_hold_the_study(world: World) -> None:
    index(world.parts, chest(), note=None)
    index(world.parts, chest(), institution="third-hospital")
    candidates = world.match("CT.CHEST")["orders"][0]["candidates"]
    of_city = [one for one in candidates if one["source"] == ISSUER and one["report"] != "DiagnosticReport/2"]
    assert [one["retrieve"]["images"] for one in of_city] == [None]


def test_decision_replays_to_the_same_after_the_archive_went(world: World) -> None:
    index(world.parts, chest())
    found = ask(world)
    set_state(world, "not-held")
    answer = world.client.post(f"/api/v1/decisions/{found['decisionId']}/replay", headers=world.headers())
    assert answer.json()["same"] is True
    assert "images-unavailable" in codes(ask(world))


def test_source_that_tells_of_a_study_again_does_not_unsay_what_its_archive_was_found_to_hold(world: World) -> None:
    index(world.parts, chest())
    for state, after in (("other-patient", "other-patient"), ("rejected", "rejected"), ("incomplete", "held")):
        set_state(world, state)
        note_again(world.parts, [STUDY])
        assert [one.state for one in rows(world, image_holding)] == [after]


def test_study_of_which_nothing_is_left_is_held_no_more(world: World) -> None:
    note_again(world.parts, [STUDY])
    (one,) = rows(world, image_holding)
    assert (one.state, one.instances, one.patient_token) == ("not-held", 0, None)
    index(world.parts, chest(3))
    (one,) = rows(world, image_holding)
    assert (one.state, one.instances) == ("held", 3)
    assert one.patient_token is not None
