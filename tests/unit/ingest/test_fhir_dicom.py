"""DICOM instances, alone and together with what FHIR says of the same study."""

from __future__ import annotations

from typing import Any

from service.domain.person import IdentifierKind, PersonIdentifier
from service.identity.asked.person import identifiers_of
from service.ingest.counts import LoadCounts
from service.ingest.pipeline import Document
from tests.support.dicom import UID, instance
from tests.support.fhir import House, document, orders, patient, report


def study(**more: Any) -> Document:
    made = {
        "resourceType": "ImagingStudy", "id": "s1", "status": "available", "subject": {"reference": "Patient/p1"},
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{UID}"}], "endpoint": [{"reference": "#e"}],
        "contained": [{"resourceType": "Endpoint", "id": "e", "status": "active", "address": "https://pacs/1"}], **more,
    }  # fmt: skip
    return document(made)[0]


def load(*documents: Document) -> House:
    house = House()
    house.loader.load(documents)
    return house


def imaging_report(**more: Any) -> Document:
    category = [{"coding": [{"code": "RAD"}]}]
    return document(
        report("x1", result=None, category=category, code={"text": "Chest CT"}, effectiveDateTime=None, **more)
    )[0]


def test_instances_are_counted_to_their_study_which_started_with_the_first() -> None:
    exam = load(instance(3), instance(1), instance(2)).exam
    assert (exam.head.number, exam.has_report, exam.series_count, exam.instance_count) == (f"study/{UID}", False, 1, 3)
    assert exam.performed is not None
    assert exam.performed.start.isoformat() == "2026-11-18T02:00:01+00:00"
    assert [(one.modality, one.region, one.contrast) for one in exam.parts] == [("CT", "CHEST", "without")]


def test_instances_in_any_order_and_cut_make_the_same_exam() -> None:
    expected = load(instance(1), instance(2), instance(3)).reports
    for order in orders([instance(1), instance(2), instance(3)]):  # type: ignore[list-item]
        house = House()
        for one in order:
            house.loader.load([one])  # type: ignore[list-item]
        assert house.reports == expected


def test_instance_sent_again_is_not_counted_again() -> None:
    house = load(instance(1), instance(2))
    counts: LoadCounts = house.loader.load([instance(1)])
    assert counts.total("unchanged") == 1
    assert house.exam.instance_count == 2


def test_corrected_header_takes_back_what_the_first_said() -> None:
    house = load(instance(1, Laterality="R", BodyPartExamined="KNEE", StudyDescription=""))
    house.loader.load([instance(1, Laterality="L", BodyPartExamined="KNEE", StudyDescription="")])
    assert [one.laterality for one in house.exam.parts] == ["L"]
    assert house.exam.instance_count == 1


def test_image_study_of_fhir_and_dicom_is_one_exam_in_any_order() -> None:
    parts = [instance(1), study(), document(patient())[0]]
    for order in orders(parts):  # type: ignore[arg-type]
        house = House()
        for one in order:
            house.loader.load([one])  # type: ignore[list-item]
        exam = house.exam
        assert (exam.head.ref, exam.images, exam.instance_count) == ("ImagingStudy/s1", ("https://pacs/1",), 1)
        assert not exam.subject_conflict
        assert [(one.modality, one.region) for one in exam.parts] == [("CT", "CHEST")]


def test_pixels_of_another_patient_are_a_subject_conflict() -> None:
    parts = [instance(1, PatientID="999"), study(), document(patient())[0]]
    for order in orders(parts):  # type: ignore[arg-type]
        house = House()
        for one in order:
            house.loader.load([one])  # type: ignore[list-item]
        assert house.exam.subject_conflict


def test_report_finds_dicom_by_accession_when_the_patient_agrees() -> None:
    number = [{"value": "A100", "type": {"coding": [{"code": "ACSN"}]}}]
    parts = [instance(1), imaging_report(identifier=number), document(patient())[0]]
    for order in orders(parts):  # type: ignore[arg-type]
        house = House()
        for one in order:
            house.loader.load([one])  # type: ignore[list-item]
        assert (house.exam.head.ref, house.exam.study_uid) == ("DiagnosticReport/x1", UID)


def test_report_finds_dicom_by_study_uid() -> None:
    named = [{"identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{UID}"}}]
    assert load(instance(1), imaging_report(imagingStudy=named)).exam.instance_count == 1


def test_patient_of_the_header_is_known_by_hospital_number() -> None:
    found = load(instance(1)).store.of("h1").patients["mr|000123"]
    assert (found.local_id, found.names) == ("000123", ("LI MIN", "MIN LI"))


def test_file_that_is_no_instance_is_rejected_with_a_reason() -> None:
    house = load(Document("dicom", "x.dcm", b"\0" * 128 + b"DICM" + b"\0" * 64))
    assert [place for place, _ in house.rejected] == ["file"]


def test_images_of_a_study_known_by_its_scout_only_are_not_there() -> None:
    scout = instance(1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    slice_ = instance(2, SeriesInstanceUID=f"{UID}.2")
    assert load(patient_document(), study(), scout).exam.images == ()
    assert load(patient_document(), study(), scout, slice_).exam.images == ("https://pacs/1",)
    assert load(patient_document(), study(modality=[{"code": "CT"}]), scout).exam.images == ("https://pacs/1",)


def test_resident_number_of_a_header_counts_where_it_states_the_headers_birth_date_and_sex() -> None:
    number, mine = "11010519491231002X", {"PatientBirthDate": "19491231", "PatientSex": "F"}
    cases: list[tuple[dict[str, str], bool]] = [
        ({"OtherPatientIDs": number}, True),
        ({"PatientID": number}, True),
        ({"OtherPatientIDs": "1"}, False),
        ({"OtherPatientIDs": number, "PatientSex": "M"}, False),
        ({"OtherPatientIDs": number, "PatientBirthDate": "19491230"}, False),
    ]
    for more, counts in cases:
        house = load(instance(1, **{**mine, **more}))
        (facts,) = house.store.of(house.institution).patients.values()
        assert (PersonIdentifier(IdentifierKind.RESIDENT, number) in identifiers_of(facts)) is counts


def patient_document() -> Document:
    return document(patient())[0]
