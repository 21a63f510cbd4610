"""Patients and consents as facts."""

from __future__ import annotations

from typing import Any

import pytest

from service.ingest.port import ConsentFacts, PatientFacts
from tests.support.fhir import bundle, patient, read


def facts(**more: Any) -> PatientFacts:
    return read(patient(**more)).store.of("h1").patients["Patient/p1"]


def consent(**more: Any) -> ConsentFacts:
    made = {"resourceType": "Consent", "id": "c", "status": "active", "patient": {"reference": "Patient/p1"}, **more}
    return read(made).store.of("h1").consents["Consent/c"]


def test_local_id_is_the_hospital_s_number_else_the_resource_id() -> None:
    assert facts().local_id == "000123"
    assert facts(identifier=[]).local_id == "p1"


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ({"text": "李敏"}, {"李敏"}),
        ({"family": "李", "given": ["敏"]}, {"李敏"}),
        ({"family": "欧阳", "given": ["小", "敏"]}, {"欧阳小敏"}),
        ({"family": "Li", "given": ["Min"]}, {"Li Min", "Min Li"}),
        ({"family": "Li", "given": [None, "Min"]}, {"Li Min", "Min Li"}),
        ({"family": "Doe", "given": ["Ann", "B"]}, {"Doe Ann B", "Ann B Doe", "Doe Ann", "Ann Doe"}),
        ({"text": "旧名", "use": "old"}, set()),
        ({"text": "毛毛", "use": "nickname"}, set()),
        ({"text": "患者", "use": "anonymous"}, set()),
        ({"family": "", "given": []}, set()),
    ],
)
def test_every_spelling_of_a_name_is_kept(name: dict[str, Any], spellings: set[str]) -> None:
    assert set(facts(name=[name]).names) == spellings


@pytest.mark.parametrize(("gender", "sex"), [("male", "male"), ("F", "female"), ("banana", None), (None, None)])
def test_sex_is_one_of_the_known_words(gender: str | None, sex: str | None) -> None:
    assert facts(gender=gender).sex == sex


def test_old_identifiers_and_mail_addresses_are_left_out() -> None:
    found = facts(
        identifier=[{"system": "s", "value": "1", "use": "old"}, {"system": "s", "value": " 2 "}, {"system": "s"}],
        telecom=[{"system": "phone", "value": "138"}, {"system": "email", "value": "a@b"}, {"value": "0432"}],
    )
    assert [one.value for one in found.identifiers] == ["2"]
    assert found.phones == ("138", "0432")


V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ({"coding": [{"system": "urn:his:kinds", "code": "01"}, {"system": V2, "code": "NNCHN"}]}, "NNCHN"),
        ({"coding": [{"system": "urn:his:kinds", "code": "01", "display": "居民身份证"}]}, "NNCHN"),
        ({"coding": [{"system": "urn:his:kinds", "code": "SFZ"}], "text": "身份证号"}, "NNCHN"),
        ({"coding": [{"code": "7"}, {"code": "MR"}]}, "MR"),
        ({"coding": [{"system": V2, "code": "PI"}, {"system": V2, "code": "MR"}]}, "MR"),
        ({"text": "护照"}, "PPN"),
        ({"text": "监护人身份证"}, ""),
        ({"coding": [{"system": "urn:his:kinds", "code": "09"}]}, "09"),
        (None, ""),
    ],
)
def test_type_of_an_identifier_is_found_among_local_codes_and_words(kind: dict[str, Any] | None, code: str) -> None:
    (found,) = facts(identifier=[{"type": kind, "system": "urn:his", "value": "1"}]).identifiers
    assert found.type == code


DENY = {"type": "deny"}


@pytest.mark.parametrize(
    ("more", "denies"),
    [
        ({"provision": DENY}, True),
        ({"provision": {"type": "permit", "provision": [DENY]}}, True),
        ({"provision": {"type": "permit"}}, False),
        ({"provision": DENY, "status": "inactive"}, False),
        ({"provision": DENY, "status": "entered-in-error"}, False),
        ({}, False),
        ({"decision": "deny"}, True),
        ({"decision": "permit", "provision": [{}]}, False),
    ],
)
def test_active_consent_with_a_denying_provision_denies(more: dict[str, Any], denies: bool) -> None:
    assert consent(**more).denies is denies


def test_refusal_lasts_as_long_as_its_provision() -> None:
    found = consent(provision={"type": "deny", "period": {"start": "2026-01-01", "end": "2026-12-31"}})
    assert found.from_at is not None
    assert found.from_at.isoformat() == "2025-12-31T16:00:00+00:00"
    assert found.to_at is not None
    assert found.to_at.isoformat() == "2026-12-31T16:00:00+00:00"


@pytest.mark.parametrize("end", ["soon", "2026-13-01", None])
def test_unreadable_end_never_ends_a_refusal(end: str | None) -> None:
    assert consent(provision={"type": "deny", "period": {"start": "2026-01-01", "end": end}}).to_at is None


def test_consent_of_nobody_is_rejected() -> None:
    house = read(bundle({"resourceType": "Consent", "id": "c", "status": "active", "provision": DENY}))
    assert house.rejected == [("Bundle.entry[0].resource.patient", "no-subject")]
