"""A patient who is named by an identifier only (FHIR R4 references.html#logical) is the institution's Patient that
bears it, in whatever order the files come; nobody else's."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from tests.support.fhir import House, Json, bundle, observation, patient, report

MR = {"identifier": {"system": "urn:h1", "value": "000123"}}
RESIDENT = "11010519491231002X"
OID = "urn:oid:2.16.156.10011.1.3"
CONSENT: Json = {
    "resourceType": "Consent", "id": "c1", "status": "active", "provision": {"type": "deny"}, "patient": MR,
}  # fmt: skip


def numbered(*numbers: tuple[str, str], id: str = "p1", **more: Any) -> Json:
    return patient(id, **{"identifier": [{"system": system, "value": value} for system, value in numbers], **more})


def whose(house: House) -> set[str]:
    return {one.patient_key for one in house.store.of("h1").reports.values()}


def refused(house: House) -> set[str]:
    return {one.patient_key for one in house.store.of("h1").consents.values() if one.denies}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_report_and_refusal_of_an_identifier_are_its_bearer_s_in_every_order(order: tuple[int, ...]) -> None:
    files = [patient(), bundle(report(subject=MR), observation(subject=MR)), CONSENT]
    house = House()
    house.load_apart(*(files[n] for n in order))
    assert (whose(house), refused(house)) == ({"Patient/p1"}, {"Patient/p1"})
    assert len(house.report.results) == 1


def test_all_in_one_document_makes_no_record_for_the_identifier() -> None:
    house = House()
    house.load(bundle(report(subject=MR), observation(subject=MR), CONSENT, patient()))
    assert set(house.store.of("h1").patients) == {"Patient/p1"}


def test_observation_and_study_of_an_identifier_are_its_bearer_s() -> None:
    study = {
        "resourceType": "ImagingStudy", "id": "s", "status": "available", "subject": MR,
        "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}],
        "series": [{"uid": "1.2.3.1", "modality": {"code": "CT"}}],
    }  # fmt: skip
    house = House()
    house.load_apart(observation(subject=MR), study, patient())
    assert (whose(house), len(house.reports)) == ({"Patient/p1"}, 2)


@pytest.mark.parametrize(
    ("system", "written"),
    [(OID, RESIDENT), (OID, RESIDENT.lower()), ("2.16.156.10011.1.3", RESIDENT), ("urn:h1", " 000123 ")],
)
def test_identifier_may_be_written_otherwise(system: str, written: str) -> None:
    house = House()
    subject = {"identifier": {"system": system, "value": written}}
    house.load_apart(bundle(report(subject=subject), observation()), numbered((OID, RESIDENT), ("urn:h1", "000123")))
    assert whose(house) == {"Patient/p1"}


@pytest.mark.parametrize(
    "patients",
    [
        [numbered(("urn:h1", "000123")), numbered(("urn:h1", "000123"), id="p2")],
        [numbered(("urn:h2", "000123"))],
        [numbered(("urn:h1", "123"))],
        [numbered(("", "000123"))],
        [patient(identifier=[{"system": "urn:h1", "value": "000123", "use": "old"}])],
    ],
    ids=["borne by two", "of another system", "another number", "of no system", "no longer borne"],
)
def test_identifier_that_names_nobody_for_sure_stays_a_record_of_its_own(patients: list[Json]) -> None:
    house = House()
    house.load_apart(*patients, bundle(report(subject=MR), observation(subject=MR)))
    assert whose(house) == {"identifier|urn:h1|000123"}


def test_identifier_without_a_system_names_nobody_for_sure() -> None:
    house = House()
    bare = {"identifier": {"value": "000123"}}
    house.load_apart(numbered(("", "000123")), bundle(report(subject=bare), observation(subject=bare)))
    assert whose(house) == {"identifier||000123"}


def test_second_bearer_takes_the_certainty_away() -> None:
    house = House()
    house.load_apart(patient(), bundle(report(subject=MR), observation(subject=MR)), patient("p2"))
    assert whose(house) == {"identifier|urn:h1|000123"}


def test_result_of_another_bearer_is_refused() -> None:
    house = House()
    other = {"identifier": {"system": "urn:h1", "value": "000999"}}
    house.load_apart(
        patient(), numbered(("urn:h1", "000999"), id="p2"), bundle(report(subject=MR), observation(subject=other))
    )
    assert not house.report.results
    assert [code for _, code in house.rejected] == ["subject-differs"]


def test_refusal_stored_before_is_its_bearer_s_when_read_again() -> None:
    house = House()
    house.load_apart(patient(), CONSENT)
    known = house.store.of("h1").consents
    known["Consent/c1"] = replace(known["Consent/c1"], patient_key="identifier|urn:h1|000123")
    house.loader.read_again()
    assert refused(house) == {"Patient/p1"}
