"""Who we thought this was: before, between and after each change; and how it is explained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.audit.log import AuditLog
from service.domain.errors import InvalidInput
from service.domain.person import PatientFacts
from service.identity.store.history import person_at
from service.identity.store.inquiries import Inquiries
from service.identity.store.linker import Linker
from service.identity.store.records import RecordName, find_records
from service.identity.store.rulings import Rulings
from service.registry.columns import from_us
from service.registry.database import Database
from service.security.keys import KeyRing
from tests.support.persons import HER_TWIN, LI, WANG, ZHAO, patient, register

HERS = ("city", patient("1", LI))
ALSO_HERS = ("county", patient("2", LI))
PERHAPS_HERS = ("town", patient("3"))
HER_SISTERS = ("rural", patient("4", HER_TWIN, name="李芳"))


class Desk:
    """The rooms under test, on one database."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        audit = AuditLog(database, keys)
        self.database, self.keys = database, keys
        self.rulings = Rulings(database, keys, Linker(database, keys), audit)
        self.inquiries = Inquiries(database, keys, audit)

    def register(self, *patients: tuple[str, PatientFacts]) -> None:
        register(self.database, self.keys, *patients)

    def explain(self, a: str, b: str, at: str | None = None) -> dict[str, Any]:
        (found,) = self.inquiries.explain(a, b, WANG, at)["pairs"]
        return dict(found)

    def now(self) -> int:
        return self.database.now_us()

    def person(self, record: str, at: int) -> list[list[str]]:
        found: list[list[str]] = self.inquiries.person(record, WANG, from_us(at).isoformat())["persons"]
        return found


@pytest.fixture
def desk(database: Database, keys: KeyRing) -> Desk:
    return Desk(database, keys)


def test_person_at_each_time_is_who_was_thought_then(desk: Desk) -> None:
    begin = desk.now()
    desk.register(HERS)
    alone = desk.now()
    desk.register(ALSO_HERS, PERHAPS_HERS)
    two = desk.now()
    desk.rulings.link("county/2", "town/3", "same book", WANG)
    proposed = desk.now()
    desk.rulings.link("county/2", "town/3", "asked her", ZHAO)
    three = desk.now()
    desk.rulings.unlink("county/2", "city/1", "two sisters", WANG)
    parted = desk.now()
    assert desk.person("city/1", begin) == desk.person("city/1", alone) == [["city/1"]]
    assert desk.person("city/1", two) == desk.person("city/1", proposed) == [["city/1", "county/2"]]
    assert desk.person("town/3", proposed) == [["town/3"]]
    assert desk.person("town/3", three) == [["city/1", "county/2", "town/3"]]
    assert desk.person("city/1", parted) == [["city/1"]]
    assert desk.person("town/3", parted) == [["county/2", "town/3"]]


def test_link_counts_from_its_first_moment_until_just_before_its_last(desk: Desk) -> None:
    desk.register(HERS, ALSO_HERS)
    desk.rulings.unlink("city/1", "county/2", "two", WANG)
    link = desk.explain("city/1", "county/2")["links"][0]
    with desk.database.read() as conn:
        (record,) = find_records(conn, desk.keys, RecordName("city", "1"), "a")
        sizes = []
        for step in ("from", "to"):
            at = int(_us(link[step]["at"]))
            sizes += [len(person_at(conn, [record], at + shift)) for shift in (-1000, 1000)]
    assert sizes == [1, 2, 2, 1]


def _us(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp() * 1_000_000


def test_pair_that_waits_is_shown_side_by_side_with_its_rule_in_both_languages(desk: Desk) -> None:
    desk.register(HERS, PERHAPS_HERS)
    found = desk.explain("city/1", "town/3")
    assert (found["state"], found["rule"]["name"]) == ("probable", "name-and-birth-date")
    assert found["rule"]["text"]["zh"].startswith("姓名、出生日期、性别一致")
    assert found["rule"]["source"]["zh"].startswith("同名同生日")
    fields = {one["field"]: one for one in found["fields"]}
    assert (fields["name"]["outcome"], fields["name"]["a"], fields["name"]["b"]) == ("equal", ["李敏"], ["李敏"])
    assert (fields["number"]["outcome"], fields["number"]["a"]) == ("missing", [f"resident: {LI}"])
    assert fields["birth_date"]["text"] == {"zh": "相同", "en": "equal"}


def test_difference_is_explained_and_a_doubt_told(desk: Desk) -> None:
    lunar = replace(patient("5", LI), birth_date="1985-10-12")
    desk.register(HERS, ("village", lunar))
    found = desk.explain("city/1", "village/5")
    birth = next(one for one in found["fields"] if one["field"] == "birth_date")
    assert birth["text"] == {
        "zh": "矛盾（一为农历日期）", "en": "contradicting (one is the other's day in the lunar calendar)",
    }  # fmt: skip
    assert [(one["record"], one["doubt"]) for one in found["doubts"]] == [("b", "number-birth-date")]


def test_one_person_by_way_of_others_names_the_way(desk: Desk) -> None:
    desk.register(HERS, PERHAPS_HERS, HER_SISTERS)
    for a, b in (("city/1", "town/3"), ("town/3", "rural/4")):
        desk.rulings.link(a, b, "same book", WANG)
        desk.rulings.link(a, b, "asked her", ZHAO)
    found = desk.explain("city/1", "rural/4")
    assert found["state"] == "one-person"
    assert found["path"] == ["city/1", "town/3", "rural/4"]
    assert found["persons"]["a"] == ["city/1", "rural/4", "town/3"]


def test_two_who_share_nothing_are_told_apart_from_two_who_contradict(desk: Desk) -> None:
    desk.register(HERS, HER_SISTERS, ("town", patient("9", name="王芳", birth_date="1990-01-02")))
    assert desk.explain("city/1", "town/9")["state"] == "nothing"
    assert desk.explain("city/1", "town/9")["rule"] is None
    numbers = next(one for one in desk.explain("city/1", "rural/4")["fields"] if one["field"] == "number")
    assert numbers["outcome"] == "contradicting"


def test_then_says_who_they_were_thought_to_be(desk: Desk) -> None:
    desk.register(HERS, ALSO_HERS)
    then = from_us(desk.now()).isoformat()
    desk.rulings.unlink("city/1", "county/2", "two sisters", WANG)
    found = desk.explain("county/2", "city/1", then)
    assert (found["a"], found["state"], found["then"]["onePerson"]) == ("county/2", "ruled-apart", True)
    first, last = found["links"][0], found["links"][-1]
    assert (first["from"]["cause"], first["to"]["cause"], first["to"]["by"]) == ("records", "unlink", "wang")
    assert (last["tier"], last["to"]) == ("barred", None)


def test_time_without_offset_and_one_record_alone_are_refused(desk: Desk) -> None:
    desk.register(HERS)
    with pytest.raises(InvalidInput):
        desk.explain("city/1", "city/1")
    with pytest.raises(InvalidInput):
        desk.inquiries.person("city/1", WANG, "2026-11-22T10:00:00")
