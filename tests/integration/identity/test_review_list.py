"""What waits for a decision: the highest stake first, page by page, and what else needs a look."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from service.audit.log import AuditLog
from service.decisions.rests import ground_rows
from service.decisions.rows import new_decision_id
from service.domain.errors import InvalidInput
from service.domain.times import moment
from service.identity.store.inquiries import Inquiries
from service.identity.store.linker import Linker
from service.registry.bulk import add
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.registry.tables import audit, decision_record
from service.security.keys import KeyRing
from tests.support.parting import records_of
from tests.support.persons import LI, WANG, patient, register
from tests.support.records import lab, result

NOW = datetime.now(UTC)
PEOPLE = tuple(
    (hospital, patient(f"{n}", *([LI] if hospital == "city" and n == 0 else []), name=f"李{given}"))
    for n, given in enumerate("敏芳丽")
    for hospital in ("city", "county")
)
"""Three women, at the city's and the county's under the same number; only name and birth date are known."""


@pytest.fixture
def filled(database: Database, keys: KeyRing) -> Database:
    register(database, keys, *PEOPLE)
    return database


def review(database: Database, keys: KeyRing, *given: Any, **more: Any) -> dict[str, Any]:
    return Inquiries(database, keys, AuditLog(database, keys)).review(WANG, *given, **more)


def report(database: Database, keys: KeyRing, hospital: str, local: str, number: str, days: int) -> None:
    """A report of so many days ago."""
    when = moment(NOW - timedelta(days=days))
    one = lab(number, result(performed=when), root=f"DiagnosticReport/{number}", patient_key=f"Patient/{local}",
              institution=hospital)  # fmt: skip
    content = replace(one.content, head=replace(one.content.head, issued=when))
    with SqlIngestStore(database, keys, persons=Linker(database, keys)).batch(hospital) as batch:
        batch.index_reports([replace(one, content=content)])


def decide(database: Database, record: int, days: int) -> None:
    """A decision of so many days ago that rested on the record."""
    with database.write() as conn:
        add(conn, decision_record, ground_rows(new_decision_id(NOW - timedelta(days=days)), [record]))


def order(page: dict[str, Any]) -> list[tuple[str, int, int]]:
    return [(one["a"], one["stake"]["reports"], one["stake"]["decisions"]) for one in page["pairs"]]


def test_pair_on_which_most_hangs_comes_first_and_what_is_old_does_not_count(filled: Database, keys: KeyRing) -> None:
    report(filled, keys, "county", "2", "N1", 10)
    report(filled, keys, "county", "2", "N2", 300)
    report(filled, keys, "city", "1", "N3", 20)
    report(filled, keys, "city", "0", "N4", 400)
    for days in (1, 2, 40):
        decide(filled, records_of(filled, "county")[1], days)
    found = order(review(filled, keys))
    assert found == [("city/1", 1, 2), ("city/2", 2, 0), ("city/0", 0, 0)]


def test_pages_follow_one_another_without_gap_or_repetition(filled: Database, keys: KeyRing) -> None:
    report(filled, keys, "county", "2", "N1", 10)
    whole = [one["a"] for one in review(filled, keys)["pairs"]]
    found, after = [], ""
    for _ in range(4):
        page = review(filled, keys, 1, after)
        found += [one["a"] for one in page["pairs"]]
        after = page["next"]
        if not after:
            break
    assert found == whole
    assert len(found) == 3
    assert page["alarms"] is None


def test_several_records_of_one_person_are_one_line(filled: Database, keys: KeyRing) -> None:
    register(filled, keys, ("town", patient("9", LI, name="李敏")))
    (line,) = [one for one in review(filled, keys)["pairs"] if one["b"] == "county/0" or one["a"] == "county/0"]
    assert line["links"] == 2
    assert line["why"][0] == "name-and-birth-date"


def test_institution_narrows_the_list(filled: Database, keys: KeyRing) -> None:
    register(filled, keys, ("town", patient("9", name="李敏")))
    assert len(review(filled, keys)["pairs"]) == 5
    assert {one["b"] for one in review(filled, keys, institution="town")["pairs"]} == {"town/9"}
    assert review(filled, keys, institution="nowhere")["pairs"] == []


def test_shared_phones_and_large_persons_are_counted(database: Database, keys: KeyRing) -> None:
    desk = ("13900001111",)
    register(
        database, keys, *(("city", patient(f"{n}", birth_date=f"19{n + 50}-01-02", phones=desk)) for n in range(13))
    )
    assert review(database, keys)["alarms"] == {"crowded-phone": 1, "large-person": 0}
    register(database, keys, *((f"h{n}", patient("1", LI, name="王芳", phones=("13700002222",))) for n in range(31)))
    assert review(database, keys)["alarms"] == {"crowded-phone": 1, "large-person": 1}


@pytest.mark.parametrize(("limit", "after", "pointer"), [(0, "", "limit"), (1001, "", "limit"), (1, "1.2.3", "after")])
def test_page_that_cannot_be_given_is_refused(
    database: Database, keys: KeyRing, limit: int, after: str, pointer: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        review(database, keys, limit, after)
    assert error.value.faults[0].pointer == pointer


def test_what_is_no_institution_is_refused_lest_it_stand_in_the_audit_log(database: Database, keys: KeyRing) -> None:
    with pytest.raises(InvalidInput) as error:
        review(database, keys, institution="李敏")
    assert error.value.faults[0].pointer == "institution"
    with database.read() as conn:
        assert conn.execute(select(audit)).all() == []
