"""QIDO-RS from the registry: what is found by which key, by whom, and that nobody finds more."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.person import PatientFacts, PatientIdentifier
from service.registry.images import holdings_of, set_state
from service.registry.ingest_store import SqlIngestStore
from service.security.caller import Role
from tests.support.imaging_world import ImagingWorld, chest, index
from tests.support.serving import ISSUER, NUMBER, OTHER, REQUESTER, RESIDENT, assert_problem

SECRET = chest(2, "secret", patient_id="S1", PatientName="王^五", PatientBirthDate="19700101", AccessionNumber="ACC9")


@pytest.fixture
def found(imaging: ImagingWorld) -> ImagingWorld:
    """The world with a decision that offers the study, a second study of another patient, and the ordering hospital's
    own number of the first."""
    imaging.archive.instances_ += SECRET
    index(imaging.parts, SECRET)
    with SqlIngestStore(imaging.parts.database, imaging.parts.keys, persons=imaging.parts.linker).batch(
        REQUESTER
    ) as batch:
        own = (PatientIdentifier(RESIDENT, NUMBER, "RI"), PatientIdentifier("urn:county", "K77", "MR"))
        batch.put_patients([PatientFacts("Patient/k", "K77", ("李敏",), "1949-12-31", "female", own)])
    imaging.decide()
    return imaging


def rows(answer: Any) -> list[dict[str, Any]]:
    if answer.status_code == 204:
        assert answer.content == b""
        return []
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/dicom+json"
    listed: list[dict[str, Any]] = answer.json()
    return listed


def studies(world: ImagingWorld, query: str, institution: str = REQUESTER) -> set[str]:
    answer = world.ask(f"/dicomweb/studies?{query}", institution)
    return {one["0020000D"]["Value"][0] for one in rows(answer)}


def test_offered_study_is_found_by_each_key(found: ImagingWorld) -> None:
    for query in [
        "StudyInstanceUID={study}",
        "0020000D={study}",
        f"PatientID={NUMBER}",
        "PatientID=K77",
        "AccessionNumber=ACC1",
    ]:
        assert studies(found, query.format(study=found.study)) == {found.study}


def test_study_that_was_not_offered_is_found_by_its_own_hospital_only(found: ImagingWorld) -> None:
    for query in ["StudyInstanceUID={secret}", "PatientID=S1", "AccessionNumber=ACC9"]:
        asked = query.format(secret=SECRET[0].study_uid)
        assert studies(found, asked) == studies(found, asked, OTHER) == set()
        assert studies(found, asked, ISSUER) == {SECRET[0].study_uid}


def test_own_number_of_another_hospital_finds_nothing(found: ImagingWorld) -> None:
    assert studies(found, "PatientID=K77", OTHER) == studies(found, "PatientID=K77", ISSUER) == set()


FITTING = (
    (f"PatientID={NUMBER}&AccessionNumber=ACC1", True), (f"PatientID={NUMBER}&AccessionNumber=ACC9", False),
    ("PatientID=K77&StudyInstanceUID={study}", True), ("PatientID=K78&StudyInstanceUID={study}", False),
    ("StudyInstanceUID={study}&ModalitiesInStudy=CT", True),
    ("StudyInstanceUID={study}&ModalitiesInStudy=MR", False),
    ("StudyInstanceUID={study}&StudyDate=20200101-", True), ("StudyInstanceUID={study}&StudyDate=-20200101", False),
    ("StudyInstanceUID={study}&limit=0", False), ("StudyInstanceUID={study}&offset=9", False),
)  # fmt: skip


def test_all_keys_must_fit(found: ImagingWorld) -> None:
    for query, is_found in FITTING:
        assert studies(found, query.format(study=found.study)) == ({found.study} if is_found else set()), query


def test_keys_of_the_study_hold_for_its_series_and_instances_too(found: ImagingWorld) -> None:
    for query, is_found in FITTING:
        asked = query.format(study=found.study)
        for level in ("series", "instances"):
            assert bool(rows(found.ask(f"/dicomweb/{level}?{asked}"))) == is_found, (level, asked)


def test_modality_of_the_study_and_of_the_series_are_two_keys(found: ImagingWorld) -> None:
    scout = chest(1, "scout", StudyInstanceUID=found.study, Modality="OT")
    found.archive.instances_ += scout
    index(found.parts, scout)
    for query, modalities in (
        ("ModalitiesInStudy=CT", {"CT", "OT"}), ("Modality=CT", {"CT"}), ("ModalitiesInStudy=CT&Modality=OT", {"OT"}),
        ("ModalitiesInStudy=MR&Modality=CT", set()),
    ):  # fmt: skip
        listed = rows(found.ask(f"{found.path('series')}?{query}"))
        assert {one["00080060"]["Value"][0] for one in listed} == modalities, query


def test_study_says_whose_it_is(found: ImagingWorld) -> None:
    (row,) = rows(found.ask(f"/dicomweb/studies?StudyInstanceUID={found.study}"))
    assert row["00100020"]["Value"] == [NUMBER]
    assert row["00100021"]["Value"] == [ISSUER]
    assert row["00100010"]["Value"][0]["Alphabetic"] == "李敏"
    assert (row["00100030"]["Value"], row["00100040"]["Value"]) == (["19491231"], ["F"])
    assert (row["00201206"]["Value"], row["00201208"]["Value"]) == ([1], [4])
    assert row["00081190"]["Value"] == [f"{found.settings.public_url}/dicomweb/studies/{found.study}"]
    assert len(row["00080020"]["Value"][0]) == 8


def test_series_and_instances_are_listed(found: ImagingWorld) -> None:
    (series,) = rows(found.ask(found.path("series")))
    assert series["0020000E"]["Value"] == [found.series]
    assert series["00201209"]["Value"] == [4]
    assert found.archive.asked == []
    for path in (found.path("instances"), found.path("series", found.series, "instances"),
                 f"/dicomweb/instances?StudyInstanceUID={found.study}"):  # fmt: skip
        listed = rows(found.ask(path))
        assert {one["00080018"]["Value"][0] for one in listed} == {
            one.sop_uid for one in found.archive.instances_ if one.study_uid == found.study
        }
        assert {one["00280010"]["Value"][0] for one in listed} == {64}
    assert found.archive.count("list") == 1
    one = listed[0]["00080018"]["Value"][0]
    assert len(rows(found.ask(f"{found.path('instances')}?SOPInstanceUID={one}"))) == 1
    assert rows(found.ask(f"{found.path('series')}?Modality=MR")) == []


def test_search_that_names_nothing_exactly_is_refused(found: ImagingWorld) -> None:
    for query in ["", "limit=5", "PatientID=*", "PatientID=", "PatientName=李*", "StudyInstanceUID=*"]:
        for level in ("studies", "series", "instances"):
            assert_problem(found.ask(f"/dicomweb/{level}?{query}"), 400, "invalid-input")


def test_search_is_audited_without_what_was_looked_for(found: ImagingWorld) -> None:
    studies(found, f"PatientID={NUMBER}")
    studies(found, "PatientID=nobody")
    listed = found.audited("images:list:read")
    assert ['"count":1' in one.detail for one in listed] == [True, False]
    assert all(NUMBER not in one.detail and "nobody" not in one.detail for one in listed)
    assert_problem(found.ask("/dicomweb/studies?PatientID=1", role=Role.AUDITOR), 403, "not-permitted")


def test_study_that_is_not_to_be_had_is_not_listed(found: ImagingWorld) -> None:
    found.archive.not_held = "rejected"
    assert_problem(found.ask(found.path()), 409, "images-rejected")
    assert studies(found, f"StudyInstanceUID={found.study}") == set()


LOADED = chest(3, "loaded", days=2, AccessionNumber="ACC7")


def test_study_that_no_source_holds_is_listed_as_one_that_cannot_be_had(found: ImagingWorld) -> None:
    index(found.parts, LOADED, note=None)
    uid = LOADED[0].study_uid
    for query in (f"StudyInstanceUID={uid}", f"PatientID={NUMBER}&StudyInstanceUID={uid}"):
        (row,) = rows(found.ask(f"/dicomweb/studies?{query}", ISSUER))
        assert row["00080056"]["Value"] == ["UNAVAILABLE"]
        assert row["00201208"]["Value"] == [3]
        assert "00081190" not in row
    assert studies(found, f"PatientID={NUMBER}", ISSUER) == {found.study, uid}
    (series,) = rows(found.ask(f"/dicomweb/studies/{uid}/series", ISSUER))
    assert "00081190" not in series
    assert rows(found.ask(f"/dicomweb/studies/{uid}/instances", ISSUER)) == []
    assert_problem(found.ask(f"/dicomweb/studies/{uid}", ISSUER), 404, "not-found")
    (held,) = rows(found.ask(f"/dicomweb/studies?StudyInstanceUID={found.study}"))
    assert held["00080056"]["Value"] == ["ONLINE"]


def test_study_that_no_source_holds_is_listed_to_others_once_a_decision_shows_it(found: ImagingWorld) -> None:
    index(found.parts, LOADED, note=None)
    uid = LOADED[0].study_uid
    queries = (f"StudyInstanceUID={uid}", f"PatientID=K77&StudyInstanceUID={uid}")
    assert [studies(found, one) for one in queries] == [set(), set()]
    found.decide()
    assert [studies(found, one) for one in queries] == [{uid}, {uid}]
    assert studies(found, "PatientID=K77") == {found.study, uid}
    assert_problem(found.ask(f"/dicomweb/studies/{uid}"), 404, "not-found")
    assert [studies(found, one, OTHER) for one in queries] == [set(), set()]


def test_study_that_its_archive_holds_no_more_is_not_listed_from_its_headers(found: ImagingWorld) -> None:
    index(found.parts, LOADED)
    uid = LOADED[0].study_uid
    with found.parts.database.write() as conn:
        (holding,) = holdings_of(conn, [uid])
        set_state(conn, holding, "other-patient", 1)
    assert studies(found, f"StudyInstanceUID={uid}", ISSUER) == set()
    assert studies(found, f"PatientID={NUMBER}", ISSUER) == {found.study}
