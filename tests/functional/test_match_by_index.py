"""A question finds the person's other records through the index; rulings and crowds hold it back."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.person import PatientFacts, PatientIdentifier, resident_check
from service.identity.links import Cause
from service.identity.store.linker import Linker
from service.registry.ingest_store import SqlIngestStore
from service.registry.tables import identity_ruling
from tests.support.parting import records_of
from tests.support.serving import ISSUER, NUMBER, REQUESTER, RESIDENT, World

pytestmark = pytest.mark.slow
PHONE = "13912345677"
OWN = {
    "identifiers": [{"system": "urn:county", "value": "Z9"}],
    "name": "李敏",
    "birthDate": "1949-12-31",
    "sex": "female",
}


def patient(
    local: str, name: str = "李敏", number: str | None = None, birth: str = "1949-12-31", phone: str | None = PHONE
):
    identifiers = [PatientIdentifier("urn:county", local, "MR")]
    identifiers += [PatientIdentifier(RESIDENT, number)] if number else []
    phones = (phone,) if phone else ()
    return PatientFacts(f"Patient/{local}", local, (name,), birth, "female", tuple(identifiers), phones)


def register(world: World, *given: tuple[str, PatientFacts]) -> None:
    store = SqlIngestStore(world.parts.database, world.parts.keys, persons=world.parts.linker)
    for institution, facts in given:
        with store.batch(institution) as batch:
            batch.put_patients([facts])


def with_phone(world: World) -> None:
    """The city hospital's record of the patient, with her phone."""
    identifiers = (PatientIdentifier(RESIDENT, NUMBER, "RI"), PatientIdentifier("urn:city", "C1", "MR"))
    facts = PatientFacts("Patient/1", "C1", ("李敏",), "1949-12-31", "female", identifiers, (PHONE,))
    register(world, (ISSUER, facts))


def offered(answer: dict[str, Any]) -> tuple[str, list[str]]:
    return answer["patient"]["match"], [one["institution"] for one in answer["orders"][0]["candidates"]]


def test_record_without_a_number_finds_the_other_by_the_phone_they_share(any_world: World):
    with_phone(any_world)
    assert offered(any_world.match("58410-2", patient=OWN)) == ("unknown", [])
    register(any_world, (REQUESTER, patient("Z9")))
    answer = any_world.match("58410-2", patient=OWN)
    assert offered(answer) == ("confirmed", [ISSUER])
    assert answer["orders"][0]["decision"] == "partial"


def test_phone_of_another_person_finds_nothing(any_world: World):
    with_phone(any_world)
    register(any_world, (REQUESTER, patient("Z9", name="李捷")))
    asked = OWN | {"name": "李捷"}
    assert offered(any_world.match("58410-2", patient=asked)) == ("confirmed", [])


@pytest.mark.parametrize("number", [None, NUMBER])
def test_records_ruled_two_people_are_kept_apart_whatever_they_share(any_world: World, number: str | None):
    with_phone(any_world)
    register(any_world, (REQUESTER, patient("Z9", number=number)))
    assert offered(any_world.match("58410-2", patient=OWN)) == ("confirmed", [ISSUER])
    (here,), (there,) = records_of(any_world.parts.database, REQUESTER), records_of(any_world.parts.database, ISSUER)
    rule(any_world, here, there, "not-same", Cause.UNLINK)
    assert offered(any_world.match("58410-2", patient=OWN)) == ("confirmed", [])


def test_question_that_fits_two_who_were_ruled_apart_is_a_conflict(any_world: World):
    with_phone(any_world)
    register(any_world, ("other-hospital", patient("Z9", number=NUMBER)))
    asked = OWN | {"identifiers": [{"system": RESIDENT, "value": NUMBER}]}
    assert offered(any_world.match("58410-2", patient=asked))[0] == "confirmed"
    (other,) = records_of(any_world.parts.database, "other-hospital")
    (there,) = records_of(any_world.parts.database, ISSUER)
    rule(any_world, other, there, "not-same", Cause.NOT_SAME)
    assert offered(any_world.match("58410-2", patient=asked)) == ("conflict", [])


def test_records_that_people_joined_are_one_person_whatever_contradicts(any_world: World):
    with_phone(any_world)
    former = patient("Z9", name="赵敏", number=None, phone=None)
    register(any_world, (REQUESTER, former))
    asked = OWN | {"name": "赵敏"}
    assert offered(any_world.match("58410-2", patient=asked)) == ("confirmed", [])
    (here,), (there,) = records_of(any_world.parts.database, REQUESTER), records_of(any_world.parts.database, ISSUER)
    rule(any_world, here, there, "same", Cause.LINK)
    assert offered(any_world.match("58410-2", patient=asked)) == ("confirmed", [ISSUER])


def test_number_that_everybody_bears_finds_nobody_and_costs_no_more(any_world: World):
    body = "11010119000101002"
    everybodys = body + resident_check(body)
    crowd = [patient(f"K{n}", name=f"王{chr(0x4E00 + n)}", number=everybodys, birth="1900-01-01") for n in range(300)]
    with SqlIngestStore(any_world.parts.database, any_world.parts.keys, persons=any_world.parts.linker).batch(
        "other-hospital"
    ) as batch:
        batch.put_patients(crowd)
    asked = {"identifiers": [{"system": RESIDENT, "value": everybodys}], "name": "李敏", "birthDate": "1900-01-01",
             "sex": "female"}  # fmt: skip
    assert offered(any_world.match("58410-2", patient=asked)) == ("conflict", [])
    register(any_world, (REQUESTER, patient("Z9", number=everybodys, birth="1900-01-01")))
    by_own = asked | {"identifiers": OWN["identifiers"]}
    assert offered(any_world.match("58410-2", patient=by_own)) == ("confirmed", [])


def test_record_corrected_to_another_number_takes_back_what_others_decided_by_the_first(any_world: World):
    with_phone(any_world)
    asked = OWN | {"identifiers": [{"system": RESIDENT, "value": NUMBER}]}
    before = any_world.match("58410-2", patient=asked)
    assert offered(before) == ("confirmed", [ISSUER])
    other = NUMBER[:14] + "046" + resident_check(NUMBER[:14] + "046")
    identifiers = (PatientIdentifier(RESIDENT, other, "RI"), PatientIdentifier("urn:city", "C1", "MR"))
    register(any_world, (ISSUER, PatientFacts("Patient/1", "C1", ("李敏",), "1949-12-31", "female", identifiers)))
    path = f"/api/v1/decisions/{before['decisionId']}"
    assert any_world.client.get(path, headers=any_world.headers()).json()["state"] == "identity-invalidated"
    (affected,) = any_world.parts.reach.run()
    after = any_world.client.get(f"/api/v1/decisions/{affected.superseded_by}", headers=any_world.headers()).json()
    assert offered(after["answer"]) == ("unknown", [])


def test_record_whose_phone_changes_takes_nothing_back(any_world: World):
    with_phone(any_world)
    asked = OWN | {"identifiers": [{"system": RESIDENT, "value": NUMBER}]}
    before = any_world.match("58410-2", patient=asked)
    identifiers = (PatientIdentifier(RESIDENT, NUMBER, "RI"), PatientIdentifier("urn:city", "C1", "MR"))
    facts = PatientFacts("Patient/1", "C1", ("李敏",), "1949-12-31", "female", identifiers, ("13712345699",))
    register(any_world, (ISSUER, facts))
    path = f"/api/v1/decisions/{before['decisionId']}"
    assert any_world.client.get(path, headers=any_world.headers()).json()["state"] == "standing"


def rule(world: World, a: int, b: int, ruling: str, cause: Cause) -> None:
    """A ruling as it stands after people made it; how they make it is tested with `Rulings`."""
    low, high = sorted((a, b))
    keys, database = world.parts.keys, world.parts.database
    with database.write() as conn:
        new = database.take_ids(conn, "identity_ruling", 1)
        row = {
            "id": new, "a": low, "b": high, "ruling": ruling, "state": "in-force", "proposed_at": 1,
            "proposed_by": "wang", "why": keys.seal(b"as told", f"identity_ruling|why|{new}"),
        }  # fmt: skip
        conn.execute(identity_ruling.insert(), [row])
        Linker(database, keys).follow(conn, (a, b), cause, "wang", database.now_us())
