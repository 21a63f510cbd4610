"""ImagingStudy, DICOM series and imaging reports that belong together are one exam."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.report import Status
from tests.support.fhir import USCC, House, bundle, orders, patient, read, report

UID = "1.2.840.99.1"
Json = dict[str, Any]


def study(id: str = "s1", of: str | None = UID, **more: Any) -> Json:
    identifiers = [{"system": "urn:dicom:uid", "value": f"urn:oid:{of}"}] if of else []
    identifiers.append({"type": {"coding": [{"code": "ACSN"}]}, "value": "A100"})
    return {
        "resourceType": "ImagingStudy",
        "id": id,
        "identifier": identifiers,
        "status": "available",
        "subject": {"reference": "Patient/p1"},
        "started": "2026-11-18T10:00:00+08:00",
        "description": "胸部CT平扫",
        "endpoint": [{"reference": "Endpoint/e1"}],
        "series": [series()],
        **more,
    }


def series(uid: str = "1.2.840.99.1.1", modality: Any = None, **more: Any) -> Json:
    coded = modality or {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
    site = {"system": "http://snomed.info/sct", "code": "51185008", "display": "Chest"}
    return {"uid": uid, "modality": coded, "bodySite": site, "numberOfInstances": 40, **more}


def imaging_report(**more: Any) -> Json:
    made = {
        "code": {"text": "胸部CT平扫"},
        "category": [{"coding": [{"code": "RAD"}]}],
        "result": None,
        "imagingStudy": [{"reference": "ImagingStudy/s1"}],
        "effectiveDateTime": "2026-11-18T10:00:00+08:00",
    }
    return report("x1", **{**made, **more})


def endpoint(**more: Any) -> Json:
    return {"resourceType": "Endpoint", "id": "e1", "status": "active", "address": "https://pacs/1", **more}


def test_report_with_its_study_is_one_exam_with_images() -> None:
    exam = read(bundle(imaging_report(), study(), endpoint(), patient())).exam
    assert (exam.head.ref, exam.study_uid, exam.accession) == ("DiagnosticReport/x1", UID, "A100")
    assert [(one.modality, one.region, one.contrast) for one in exam.parts] == [("CT", "CHEST", "without")]
    assert (exam.images, exam.has_report, exam.series_count, exam.instance_count) == (("https://pacs/1",), True, 1, 40)


def test_study_without_report_is_an_exam_that_says_so() -> None:
    exam = read(bundle(study(), endpoint())).exam
    assert (exam.has_report, exam.head.number, exam.head.status) == (False, f"study/{UID}", Status.FINAL)


def test_parts_that_come_apart_in_any_order_make_the_same_exam() -> None:
    expected = read(bundle(imaging_report(), study(), endpoint(), patient())).reports
    for order in orders([imaging_report(), study(), endpoint(), patient()]):
        house = House()
        house.load_apart(*order)
        assert house.reports == expected


@pytest.mark.parametrize(
    "link",
    [
        {"imagingStudy": [{"identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{UID}"}}]},
        {"imagingStudy": None, "study": [{"reference": "ImagingStudy/s1"}]},
        {"imagingStudy": None, "identifier": [{"value": "A100", "type": {"coding": [{"code": "ACSN"}]}}]},
        {"imagingStudy": None, "basedOn": [{"reference": "ServiceRequest/9"}]},
    ],
)
def test_report_finds_its_study_by_reference_uid_accession_or_order(link: Json) -> None:
    parts = [imaging_report(**link), study(basedOn=[{"reference": "ServiceRequest/9"}]), endpoint()]
    for order in orders(parts):
        house = House()
        house.load_apart(*order)
        assert house.exam.study_uid == UID


def test_accession_of_two_studies_links_neither() -> None:
    by_number = imaging_report(
        imagingStudy=None, identifier=[{"value": "A100", "type": {"coding": [{"code": "ACSN"}]}}]
    )
    for order in orders([by_number, study(), study("s2", "1.2.840.99.2")]):
        house = House()
        house.load_apart(*order)
        assert sorted(house.reports) == ["exam/x1", "study/1.2.840.99.1", "study/1.2.840.99.2"]


def test_accession_of_another_patient_s_study_does_not_link() -> None:
    by_number = imaging_report(
        imagingStudy=None, identifier=[{"value": "A100", "type": {"coding": [{"code": "ACSN"}]}}]
    )
    other = study(subject={"reference": "Patient/p2"})
    assert sorted(read(bundle(by_number, other)).reports) == ["exam/x1", f"study/{UID}"]


def test_named_study_of_another_patient_is_a_subject_conflict() -> None:
    assert read(bundle(imaging_report(), study(subject={"reference": "Patient/p2"}))).exam.subject_conflict


@pytest.mark.parametrize(("status", "expected"), [("registered", Status.REGISTERED), ("unknown", Status.UNKNOWN)])
def test_unfinished_study_keeps_the_exam_from_being_final(status: str, expected: Status) -> None:
    assert read(bundle(imaging_report(), study(status=status))).exam.head.status is expected
    assert read(study(status=status)).exam.head.status is expected


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_withdrawn_study_does_not_exist(status: str) -> None:
    assert read(study(status=status)).reports == {}
    assert read(bundle(imaging_report(), study(status=status))).exam.study_uid is None


def test_study_stands_alone_again_when_its_report_is_withdrawn() -> None:
    expected = ["exam/x1", f"study/{UID}"]
    first = imaging_report(meta={"lastUpdated": "2026-11-18T12:00:00Z"})
    second = imaging_report(status="entered-in-error", meta={"lastUpdated": "2026-11-19T12:00:00Z"})
    for order in orders([first, second, study()]):
        house = House()
        house.load_apart(*order)
        assert sorted(house.reports) == expected
        assert not house.reports["exam/x1"].head.status.exists


def test_r5_shaped_study_is_read() -> None:
    concept = {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}]}
    site = {"concept": {"coding": [{"system": "http://snomed.info/sct", "code": "51185008"}]}}
    made = study(modality=[concept], series=[series(modality=concept, bodySite=site)])
    assert [(one.modality, one.region) for one in read(made).exam.parts] == [("CT", "CHEST")]


@pytest.mark.parametrize(
    "more",
    [
        {"address": "javascript:alert(1)"},
        {"address": "file:///etc/passwd"},
        {"address": "pacs"},
        {"address": "https://"},
        {"connectionType": {"code": "hl7v2-mllp"}},
        {"connectionType": [{"coding": [{"code": "hl7-fhir-rest"}]}]},
        {"connectionType": {"code": "secure-email"}},
    ],
)
def test_endpoint_that_gives_out_no_images_to_a_browser_holds_none(more: Json) -> None:
    assert read(bundle(imaging_report(), study(), endpoint(**more))).exam.images == ()


@pytest.mark.parametrize("code", ["dicom-wado-rs", "dicom-wado-uri", "ihe-iid", "viewer-of-ours"])
def test_endpoint_of_images_or_of_an_unknown_kind_holds_them(code: str) -> None:
    given = endpoint(connectionType={"code": code}, address=" HTTPS://pacs/1 ")
    assert read(bundle(imaging_report(), study(), given)).exam.images == ("HTTPS://pacs/1",)


@pytest.mark.parametrize("status", ["off", "suspended", "entered-in-error"])
def test_endpoint_that_is_not_active_holds_no_images(status: str) -> None:
    assert read(bundle(imaging_report(), study(), endpoint(status=status))).exam.images == ()


@pytest.mark.parametrize(
    ("effective", "started", "inner", "performed"),
    [
        ("2026-11-18T07:30:00Z", "2026-11-18T08:00:00Z", "2026-11-18T07:00:00Z", "2026-11-18T07:30:00Z"),
        ("2026-11-18T09:00:00Z", None, None, "2026-11-18T09:00:00Z"),
        (None, "2026-11-18T08:00:00Z", "2026-11-18T07:00:00Z", "2026-11-18T08:00:00Z"),
        (None, None, "2026-11-18T07:00:00Z", "2026-11-18T07:00:00Z"),
    ],
)
def test_performed_is_report_then_study_then_series(
    effective: str | None, started: str | None, inner: str | None, performed: str
) -> None:
    made = study(started=started, series=[series(started=inner)])
    found = read(bundle(imaging_report(effectiveDateTime=effective), made)).exam.performed
    assert found is not None
    assert found.text == performed


def test_report_dated_after_its_study_does_not_make_the_exam_younger() -> None:
    late = imaging_report(effectiveDateTime="2026-11-20T10:00:00+08:00")
    exam = read(bundle(late, study(), endpoint(), patient())).exam
    assert exam.performed is not None
    assert exam.performed.text == "2026-11-18T10:00:00+08:00"


def test_study_without_uid_goes_by_its_id() -> None:
    assert read(study(of=None)).exam.head.number == "study/s1"


def test_sides_of_series_stay_apart() -> None:
    knee = {"system": "http://snomed.info/sct", "code": "72696002", "display": "Knee"}
    sides = [
        series(f"1.2.{n}", {"code": "DX"}, bodySite=knee, laterality={"system": "http://snomed.info/sct", "code": code})
        for n, code in enumerate(("7771000", "24028007"))
    ]
    exam = read(study(description=None, series=sides)).exam
    assert [(one.region, one.laterality) for one in exam.parts] == [("KNEE", "L"), ("KNEE", "R")]


def test_performer_of_the_series_made_the_images_and_the_report_s_read_them() -> None:
    made = study(series=[series(performer=[{"actor": {"identifier": {"value": USCC}}}])])
    head = read(bundle(imaging_report(), made)).exam.head
    assert (head.performer, head.interpreter) == ("h2", "h1")
    assert read(made).exam.head.performer == "h2"


def test_stu3_shaped_study_is_read() -> None:
    made = study(status=None, identifier=None, uid=f"urn:oid:{UID}", accession={"value": "A100"}, patient=None)
    assert (read(made).exam.study_uid, read(made).exam.head.status) == (UID, Status.FINAL)


def test_ct_section_without_results_is_imaging() -> None:
    exam = read(imaging_report(imagingStudy=None, category=[{"coding": [{"code": "CT"}]}])).exam
    assert [(one.modality, one.region) for one in exam.parts] == [("CT", "CHEST")]


def test_laboratory_and_imaging_reports_of_one_number_are_two_reports() -> None:
    number = [{"value": "1001"}]
    both = bundle(report(results=(), identifier=number), imaging_report(identifier=number), study(), patient())
    assert sorted(read(both).reports) == ["1001", "exam/1001"]


def two_studies(first: Json, second: Json, **more: Any) -> set[tuple[str | None, ...]]:
    """What an exam of two studies under one report shows."""
    site = {"bodySite": None}
    given = [
        study("s1", "1.2.3", series=[series("1.2.3.1", **{**site, **first.pop("series", {})})], **first),
        study("s2", "1.2.4", series=[series("1.2.4.1", **{**site, **second.pop("series", {})})], **second),
    ]
    named = [{"reference": "ImagingStudy/s1"}, {"reference": "ImagingStudy/s2"}]
    made = imaging_report(**{"code": {"text": "影像检查"}, "imagingStudy": named, **more})
    exam = read(bundle(made, *given, patient())).exam
    shown = {(one.region, one.laterality, one.contrast) for one in exam.parts}
    return shown | ({("conflict", None, None)} if exam.region_basis == "conflict" else set())


def test_studies_of_one_report_are_each_read_by_their_own_name() -> None:
    sides = two_studies({"description": "左膝关节CT平扫"}, {"description": "右膝关节CT平扫"})
    assert sides == {("KNEE", "L", "without"), ("KNEE", "R", "without")}
    limbs = two_studies({"description": "左膝关节CT平扫"}, {"description": "右肩关节CT平扫"})
    assert limbs == {("KNEE", "L", "without"), ("SHOULDER", "R", "without")}
    trunk = two_studies({"description": "胸部CT平扫"}, {"description": "上腹部CT增强"})
    assert trunk == {("CHEST", None, "without"), ("ABDOMEN", None, "with")}


def test_coded_sites_and_sides_of_several_studies_stay_with_their_study() -> None:
    knee = {"system": "http://snomed.info/sct", "code": "72696002"}
    left, right = ({"system": "http://snomed.info/sct", "code": code} for code in ("7771000", "24028007"))
    shown = two_studies(
        {"description": "左膝CT平扫", "series": {"bodySite": knee, "laterality": left}},
        {"description": "右膝CT增强", "series": {"bodySite": knee, "laterality": right}},
    )
    assert shown == {("KNEE", "L", "without"), ("KNEE", "R", "with")}


@pytest.mark.parametrize(
    ("words", "unsure"),
    [
        ("头颅CT平扫", True),
        ("右膝关节CT平扫", True),
        ("右膝关节", True),
        ("左膝关节CT增强", True),
        ("增强", True),
        ("左膝及右肩关节CT", False),
        ("左膝、右肩", False),
        ("平扫", False),
    ],
)
def test_name_of_the_report_that_its_studies_contradict_leaves_it_open(words: str, unsure: bool) -> None:
    shown = two_studies(
        {"description": "左膝关节CT平扫"}, {"description": "右肩关节CT平扫"}, code={"text": words}
    )  # fmt: skip
    assert (shown != {("KNEE", "L", "without"), ("SHOULDER", "R", "without")}) is unsure
    assert ("KNEE", "L", "without") not in shown or ("conflict", None, None) in shown or not unsure


def test_study_without_a_name_of_its_own_is_read_with_the_report_s() -> None:
    shown = two_studies({"description": None}, {"description": "胸部CT平扫"}, code={"text": "胸部CT平扫"})
    assert shown == {("CHEST", None, "without")}
