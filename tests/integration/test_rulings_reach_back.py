"""What people rule about records reaches the decisions that rested on them, through the person index itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.identity.store.linker import Linker
from service.identity.store.rulings import Rulings
from service.security.caller import Caller, Role
from tests.support.region import Hospitals, Person

pytestmark = pytest.mark.slow

LI, WANG = (Caller("", Role.STEWARD, name) for name in ("li", "wang"))
DOCTOR = Caller("req", Role.CLINICIAN, "dr-wang")


@pytest.fixture
def hospitals(database_url: str, tmp_path: Path) -> Iterator[Hospitals]:
    opened = Hospitals.open(tmp_path / "home", database_url)
    yield opened
    opened.parts.close()


def rulings(hospitals: Hospitals) -> Rulings:
    parts = hospitals.parts
    return Rulings(parts.database, parts.keys, Linker(parts.database, parts.keys), parts.audit)


def measured_at(hospitals: Hospitals, institution: str, person: Person, **more: Any) -> str:
    """The person's blood, measured there; the name of that record."""
    result = person.result()
    hospitals.load(institution, person.patient(**more), result, person.report(result))
    return f"{institution}/p{person.number}"


def state(hospitals: Hospitals, decision_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(hospitals.parts.desk.get(decision_id, DOCTOR))
    return found


def asked(hospitals: Hospitals, person: Person) -> tuple[str, str]:
    """A decision's id and outcome."""
    outcome = hospitals.match(person)["decision"]
    with hospitals.parts.database.read() as conn:
        (newest,) = conn.exec_driver_sql("SELECT max(id) FROM decision").one()
    return str(newest), str(outcome)


def test_unlink_invalidates_what_rested_on_both_and_leaves_what_rested_on_one(hospitals: Hospitals) -> None:
    person = Person()
    here = measured_at(hospitals, "req", person)
    alone, _ = asked(hospitals, person)
    there = measured_at(hospitals, "nat", person)
    both, outcome = asked(hospitals, person)
    assert outcome == "reusable"
    ruled = rulings(hospitals).unlink(here, there, "two sisters", LI)
    assert ruled.change is not None
    assert state(hospitals, both)["state"] == "identity-invalidated"
    assert state(hospitals, alone)["state"] == "standing"
    (affected,) = hospitals.parts.reach.run([ruled.change])
    assert affected.decision_id == both
    successor = state(hospitals, str(affected.superseded_by))
    issuers = [one["institution"] for order in successor["answer"]["orders"] for one in order["candidates"]]
    assert "nat" not in issuers


def test_confirmed_link_supersedes_what_knew_too_little(hospitals: Hospitals) -> None:
    person = Person()
    hospitals.load("req", person.patient())
    there = measured_at(hospitals, "nat", person, identifier=None, birthDate="1990-07-03")
    decision, outcome = asked(hospitals, person)
    assert outcome == "no-result"
    desk = rulings(hospitals)
    desk.link(f"req/p{person.number}", there, "the date was turned round", LI)
    assert hospitals.parts.reach.run() == []
    ruled = desk.link(f"req/p{person.number}", there, "seen the card", WANG)
    assert ruled.change is not None
    assert state(hospitals, decision)["state"] == "standing"
    (affected,) = hospitals.parts.reach.run([ruled.change])
    assert (affected.decision_id, affected.state) == (decision, "superseded")
    successor = state(hospitals, str(affected.superseded_by))
    assert successor["answer"]["orders"][0]["decision"] == "reusable"
    unlinked = desk.unlink(f"req/p{person.number}", there, "it was another's card", LI)
    assert state(hospitals, str(affected.superseded_by))["state"] == "identity-invalidated"
    assert unlinked.change is not None
    (again,) = hospitals.parts.reach.run([unlinked.change])
    last = state(hospitals, str(again.superseded_by))
    assert (last["supersedes"], last["answer"]["orders"][0]["decision"]) == (affected.superseded_by, "no-result")
