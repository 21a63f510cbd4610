"""The contract from report to answer: sent as FHIR by one hospital, asked for by another."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.support.region import ORDERED, Hospitals, Person, ago, concept

Json = dict[str, Any]
HIV = "56888-1"


@pytest.fixture(scope="module")
def hospitals(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospitals]:
    home = tmp_path_factory.mktemp("region")
    opened = Hospitals.open(home, f"sqlite:///{shutil.copy(sqlite_template, home / 'registry.db')}")
    yield opened
    opened.parts.close()


def sent(hospitals: Hospitals, institution: str = "nat", **of_result: Any) -> Person:
    """A person with one result of that institution."""
    person = Person()
    result = person.result(**of_result)
    hospitals.load(institution, person.patient(), result, person.report(result))
    return person


def codes(order: Json) -> set[str]:
    return {one["code"] for one in order["reasons"]}


@pytest.mark.parametrize(
    ("issuer", "requester", "mark"),
    [
        ("nat", "req", "全国HR"), ("prov", "req", "吉林省HR"), ("city", "req", "吉林市HR"),
        ("alli", "req", "甲医联体HR"),
        ("tj", "far", "京津冀HR"), ("anshan", "hills", "鞍山HRT"), ("prov", "hills", "out-of-scope"),
        ("city", "prov", "out-of-scope"), ("alli", "nat", "out-of-scope"), ("tj", "req", "out-of-scope"),
        ("none", "req", "not-certified"), ("none", "none", None),
    ],
)  # fmt: skip
def test_mark_says_how_far_a_result_reaches(
    hospitals: Hospitals, issuer: str, requester: str, mark: str | None
) -> None:
    order = hospitals.match(sent(hospitals, issuer), requester=requester)
    if mark in ("out-of-scope", "not-certified"):
        assert (order["decision"], codes(order)) == ("not-reusable", {mark})
    else:
        assert (order["decision"], order["candidates"][0]["mark"]) == ("reusable", mark)


@pytest.mark.parametrize(
    ("performed", "decision"),
    [
        ("2026-11-20T23:59:59+08:00", "reusable"), ("2026-11-20T16:00:00Z", "not-reusable"),
        ("2026-11-20", "reusable"), ("2026-11-21", "not-reusable"),
    ],
)  # fmt: skip
def test_certificate_ends_with_its_last_day_in_the_networks_zone(
    hospitals: Hospitals, performed: str, decision: str
) -> None:
    assert hospitals.match(sent(hospitals, "ended", effectiveDateTime=performed))["decision"] == decision


@pytest.mark.parametrize(
    ("performed", "decision", "reasons"),
    [
        (ago(days=7), "reusable", set()), (ago(days=7, seconds=1), "not-reusable", {"outside-window"}),
        ("2026-11-15T02:00:00Z", "reusable", set()), ("2026-11-15", "not-reusable", {"outside-window"}),
        ("2026-11-16", "reusable", set()), ("2026-11", "not-reusable", {"outside-window"}),
        (ORDERED, "reusable", set()), (ago(seconds=-1), "not-reusable", {"future-dated"}),
        (ago(days=365), "not-reusable", {"outside-window"}), (ago(days=365, seconds=1), "no-result", set()),
    ],
)  # fmt: skip
def test_window_of_a_week_is_counted_to_the_second(
    hospitals: Hospitals, performed: str, decision: str, reasons: set[str]
) -> None:
    order = hospitals.match(sent(hospitals, effectiveDateTime=performed))
    assert (order["decision"], codes(order)) == (decision, reasons)


VERSIONS = [("final", 20, 100), ("corrected", 18, 120), ("entered-in-error", 16, 120), ("corrected", 14, 100)]


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5], ids=str)
@pytest.mark.parametrize("last", [1, 2, 3, 4])
def test_newest_version_stands_in_whatever_order_they_come(
    hospitals: Hospitals, last: int, order: tuple[int, ...]
) -> None:
    person = Person()
    first = person.result()
    sheet = person.report(first)
    hospitals.load("nat", person.patient())
    for number in (one for one in order if one < last):
        status, hours, value = VERSIONS[number]
        quantity = {**first["valueQuantity"], "value": value}
        hospitals.load(
            "nat", {**sheet, "status": status, "issued": ago(hours=hours)}, {**first, "valueQuantity": quantity}
        )
    found = [one["value"] for each in hospitals.match(person)["candidates"] for one in each["results"]]
    status, _, value = VERSIONS[last - 1]
    assert found == ([] if status == "entered-in-error" else [value])


@pytest.mark.parametrize(
    ("record", "match", "decision"),
    [
        ({}, "confirmed", "reusable"), ({"name": None}, "probable", "review"),
        ({"name": [{"text": "别人"}]}, "conflict", "review"), ({"gender": "male"}, "conflict", "review"),
        ({"birthDate": "1990-03-08"}, "conflict", "review"), ({"identifier": None}, "unknown", "no-result"),
    ],
)  # fmt: skip
def test_what_is_shown_depends_on_how_sure_the_person_is(
    hospitals: Hospitals, record: Json, match: str, decision: str
) -> None:
    person = Person()
    critical = person.result(value=33.5, interpretation=[concept("LL", "http://hl7.org/fhir/v2/0078")])
    hospitals.load("nat", person.patient(**record), critical, person.report(critical))
    order = hospitals.match(person)
    wanted = "review" if match == "confirmed" else decision  # critical
    assert (order["match"], order["decision"]) == (match, wanted)
    if match != "confirmed":
        assert "33.5" not in str(order)
        assert "critical-value" not in str(order)
        assert "DiagnosticReport" not in str(order)


def test_refusal_to_share_tells_nothing_but_itself(hospitals: Hospitals) -> None:
    with_result, without = sent(hospitals), Person()
    hospitals.load("nat", without.patient())
    answers = []
    for person in (with_result, without):
        refusal = {"resourceType": "Consent", "id": f"c{person.number}", "status": "active", "scope": concept("x"),
                   "category": [concept("x")], "patient": {"reference": f"Patient/p{person.number}"},
                   "provision": {"type": "deny"}}  # fmt: skip
        hospitals.load("nat", refusal)
        answers.append(hospitals.match(person))
    assert answers[0] == answers[1]
    assert (answers[0]["decision"], codes(answers[0])) == ("no-result", {"consent-withheld"})
    hospitals.load("nat", {**refusal, "id": f"c{with_result.number}", "status": "inactive",
                           "patient": {"reference": f"Patient/p{with_result.number}"}})  # fmt: skip
    assert hospitals.match(with_result)["decision"] == "reusable"


def test_sensitive_result_is_as_if_it_did_not_exist(hospitals: Hospitals) -> None:
    person, other = Person(), Person()
    secret, plain = person.result(HIV), person.result()
    del secret["valueQuantity"]
    secret["valueString"] = "阴性"
    hospitals.load("nat", person.patient(), secret, plain, person.report(secret, plain))
    hospitals.load("nat", other.patient())
    assert hospitals.match(person, HIV) == hospitals.match(other, HIV)
    assert HIV not in str(hospitals.match(person))
    assert hospitals.match(person, HIV, requester="nat")["decision"] == "reusable"
    assert hospitals.match(person, HIV, encounter={"restrictedConsent": True})["decision"] == "reusable"


def test_another_patients_result_in_a_report_is_nobodys(hospitals: Hospitals) -> None:
    person, other = Person(), Person()
    theirs = other.result()
    hospitals.load("nat", person.patient(), other.patient(), theirs, person.report(theirs))
    assert hospitals.match(person)["decision"] == hospitals.match(other)["decision"] == "no-result"


def test_age_of_an_exam_a_second_after_the_order_is_no_negative_zero(hospitals: Hospitals) -> None:
    order = hospitals.match(sent(hospitals, effectiveDateTime=ago(seconds=-1)))
    assert str(order["candidates"][0]["ageHours"]) == "0.0"


def test_result_that_a_correction_left_out_stays_out(hospitals: Hospitals) -> None:
    person = Person()
    kept, dropped = person.result(), person.result("777-3", 200, "10*9/L")
    sheet = person.report(kept, dropped)
    hospitals.load("nat", person.patient(), kept, dropped, sheet)
    corrected = {**sheet, "status": "corrected", "issued": ago(hours=10), "result": sheet["result"][:1]}
    hospitals.load("nat", corrected)
    hospitals.load("nat", {**dropped, "issued": ago(hours=9)})
    assert hospitals.match(person, "777-3")["decision"] == "no-result"
    assert hospitals.match(person, "718-7")["decision"] == "reusable"


@pytest.mark.parametrize(
    ("status", "decision"),
    [("final", "reusable"), ("preliminary", "not-reusable"), ("entered-in-error", "no-result")],
)
@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_result_known_by_its_identifier_only_shares_its_reports_fate(
    hospitals: Hospitals, order: tuple[int, ...], status: str, decision: str
) -> None:
    person = Person()
    name = {"system": "urn:lab", "value": f"N{person.number}"}
    result = person.result(identifier=[name])
    parts = [person.patient(), result, {**person.report(status=status), "result": [{"identifier": name}]}]
    for number in order:
        hospitals.load("nat", parts[number])
    assert hospitals.match(person)["decision"] == decision
