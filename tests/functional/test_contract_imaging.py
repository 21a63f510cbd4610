"""The contract for exams, from FHIR and DICOM to the answer: region, side, contrast, technique, images, report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from service.cli.load import loader_of
from service.ingest.counts import LoadCounts
from service.ingest.pipeline import Document
from tests.support.dicom import file_of
from tests.support.region import Hospitals, Person, ago

Json = dict[str, Any]
ITEM = "urn:testonce:item"
ENDPOINT = {"resourceType": "Endpoint", "id": "e1", "status": "active", "address": "https://pacs.example/dicomweb"}


@pytest.fixture(scope="module")
def hospitals(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospitals]:
    home = tmp_path_factory.mktemp("imaging")
    opened = Hospitals.open(home, f"sqlite:///{shutil.copy(sqlite_template, home / 'registry.db')}")
    yield opened
    opened.parts.close()


def uid(person: Person) -> str:
    return f"1.2.840.99.{person.number}"


def patient(person: Person) -> Json:
    number = {"type": {"coding": [{"code": "MR"}]}, "system": "urn:nat", "value": f"M{person.number}"}
    return person.patient(identifier=[*person.facts["identifiers"], number])


def study(person: Person, **more: Any) -> Json:
    return {
        "resourceType": "ImagingStudy", "id": f"s{person.number}", "status": "available", "started": ago(hours=48),
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid(person)}"}],
        "subject": {"reference": f"Patient/p{person.number}"}, "endpoint": [{"reference": "Endpoint/e1"}], **more,
    }  # fmt: skip


def report(person: Person, name: str = "", **more: Any) -> Json:
    made = {"code": {"text": name}, "imagingStudy": [{"reference": f"ImagingStudy/s{person.number}"}]}
    return person.report(effectiveDateTime=ago(hours=48), **{**made, **more})


def header(person: Person, series: int = 1, **more: Any) -> Document:
    values = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": f"{uid(person)}.{series}.1",
        "StudyInstanceUID": uid(person), "SeriesInstanceUID": f"{uid(person)}.{series}",
        "SpecificCharacterSet": "GB18030",
        "PatientID": f"M{person.number}", "PatientName": person.facts["name"], "PatientBirthDate": "19900307",
        "PatientSex": "F", "Modality": "CT", "BodyPartExamined": "CHEST", "StudyDate": "20261120",
        "StudyTime": "100000", **more,
    }  # fmt: skip
    return file_of(values, f"{series}.dcm")


def load(hospitals: Hospitals, *given: Json | Document, institution: str = "nat") -> LoadCounts:
    documents = [
        one
        if isinstance(one, Document)
        else Document("json", f"{n}.json", json.dumps(one, ensure_ascii=False).encode())
        for n, one in enumerate(given)
    ]
    return loader_of(hospitals.parts, institution).load(documents)


def decided(hospitals: Hospitals, person: Person, item: str, requester: str = "req") -> str:
    """The decision and the codes that explain it, without those that only inform."""
    code, _, side = item.partition(":")
    order = {"id": "o1", "code": {"system": ITEM, "code": code}, "laterality": side or None}
    answer = hospitals.match(person, requester=requester, orders=[order])
    because = sorted({one["code"] for one in answer["reasons"] if one["severity"] != "info"})
    return " ".join([answer["decision"], *because])


PLAIN, MISSING, UNKNOWN = "reusable", "not-reusable contrast-missing", "review contrast-unknown"
NAMED = [  # exam's modality and name, the report's conclusion, and what orders are answered
    ("CT", "胸部CT平扫", "", {"CT.CHEST": PLAIN, "CT.CHEST.C": MISSING, "CT.CHEST.LD": "no-result"}),
    ("CT", "胸部CT", "右肺结节,建议增强扫描", {"CT.CHEST": UNKNOWN, "CT.CHEST.C": UNKNOWN}),
    ("CT", "胸部CT", "请结合增强CT", {"CT.CHEST.C": UNKNOWN}),
    ("CT", "胸部CT", "两肺纹理增强", {"CT.CHEST.C": UNKNOWN}),
    ("CT", "胸部CT", "Contrast-enhanced CT in 3 months", {"CT.CHEST.C": UNKNOWN}),
    ("CT", "胸部CT", "增强扫描示病灶明显强化", {"CT.CHEST": "review contrast-differs", "CT.CHEST.C": PLAIN}),
    ("CT", "胸部CT(不含增强)", "", {"CT.CHEST.C": UNKNOWN}),
    ("CT", "胸部平扫+上腹部增强CT", "", {"CT.CHEST": PLAIN, "CT.CHEST.C": MISSING, "CT.ABDOMEN.C": PLAIN}),
    ("CT", "头颅CT平扫", "请结合CTA", {"CT.HEAD": PLAIN, "CT.HEAD.A": "no-result"}),
    ("CT", "头颈CTA", "", {"CT.HEAD.A": PLAIN, "CT.NECK.A": PLAIN, "CT.HEAD.C": "no-result"}),
    ("CT", "胸腹盆CT平扫", "", {"CT.CHEST": PLAIN, "CT.ABDOMENPELVIS": PLAIN, "CT.NECK": "no-result"}),
    ("MR", "颅脑MRI平扫", "必要时DWI", {"MR.BRAIN": PLAIN, "MR.BRAIN.DWI": "no-result"}),
    ("MR", "膝关节MRI平扫", "较对侧右膝信号增高", {"MR.KNEE:R": "review laterality-unknown"}),
    ("MR", "左膝关节MRI平扫", "", {"MR.KNEE:L": PLAIN, "MR.KNEE:R": "not-reusable laterality-differs"}),
    ("DX", "胸部正侧位DR", "", {"DX.CHEST": PLAIN, "DX.CHEST.2V": PLAIN}),
    ("DX", "胸部透视", "", {"DX.CHEST": "no-result"}),
    ("US", "甲状腺及颈部淋巴结彩超", "", {"US.THYROID": PLAIN, "US.NECK.LYMPH": PLAIN}),
    ("MG", "右乳X线摄影", "", {"MG.BREAST:R": PLAIN, "MG.BREAST:L": "not-reusable laterality-differs"}),
]


@pytest.mark.parametrize(("modality", "name", "conclusion", "answers"), NAMED, ids=[f"{a}-{b}" for _, a, b, _ in NAMED])
def test_exam_answers_what_its_words_say_it_shows(
    hospitals: Hospitals, modality: str, name: str, conclusion: str, answers: dict[str, str]
) -> None:
    person = Person()
    series = [{"uid": f"{uid(person)}.1", "modality": {"code": modality}}]
    sent = report(person, name, **({"conclusion": conclusion} if conclusion else {}))
    hospitals.load("nat", patient(person), sent, study(person, series=series), ENDPOINT)
    assert {item: decided(hospitals, person, item) for item in answers} == answers


HEADERS: list[tuple[Json, dict[str, str]]] = [
    ({"SeriesDescription": "平扫"}, {"CT.CHEST": PLAIN, "CT.CHEST.C": MISSING}),
    ({"ContrastBolusAgent": "碘海醇"}, {"CT.CHEST": "review contrast-differs", "CT.CHEST.C": PLAIN}),
    ({"ContrastBolusAgent": "NONE"}, {"CT.CHEST": UNKNOWN, "CT.CHEST.C": UNKNOWN}),
    ({"ContrastBolusAgent": "Iohexol", "ContrastBolusRoute": "Oral"}, {"CT.CHEST.C": UNKNOWN}),
    ({"ContrastBolusAgent": "Iohexol", "SeriesDescription": "w/o contrast"}, {"CT.CHEST.C": UNKNOWN}),
    ({"StudyDescription": "头颅CT平扫"}, {"CT.CHEST": "no-result", "CT.HEAD": "review region-unsure"}),
    ({"Modality": "SR", "StudyDescription": "胸部CT平扫"}, {"CT.CHEST": "review images-unavailable"}),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "SeriesDescription": "平扫"},
     {"CT.CHEST": "review images-unavailable"}),
    ({"BodyPartExamined": "KNEE", "Laterality": "R", "StudyDescription": "左膝CT平扫"},
     {"CT.KNEE:L": "review laterality-unknown", "CT.KNEE:R": "review laterality-unknown"}),
    ({"PatientName": "王芳", "SeriesDescription": "平扫"}, {"CT.CHEST": "review identity-conflict"}),
]  # fmt: skip


@pytest.mark.parametrize(("values", "answers"), HEADERS, ids=[str(one) for one, _ in HEADERS])
def test_exam_answers_what_its_header_says_it_shows(
    hospitals: Hospitals, values: Json, answers: dict[str, str]
) -> None:
    person = Person()
    resources = (patient(person), ENDPOINT, study(person), report(person))
    assert load(hospitals, *resources, header(person, **values)).total("rejected") == 0
    assert {item: decided(hospitals, person, item) for item in answers} == answers


def test_parts_of_an_exam_in_any_order_and_again_are_one_exam(hospitals: Hospitals) -> None:
    for order in permutations(range(4)):
        person = Person()
        parts: list[Json | Document] = [
            patient(person),
            study(person),
            report(person),
            header(person, StudyDescription="胸部CT平扫"),
        ]
        load(hospitals, ENDPOINT)
        for n in order:
            load(hospitals, parts[n])
        assert decided(hospitals, person, "CT.CHEST") == "reusable"
        again = load(hospitals, *parts)
        assert (again.total("new"), again.total("updated"), sum(again.reports.values())) == (0, 0, 0)


def test_study_that_two_hospitals_hold_under_one_uid_stays_each_patients_own(hospitals: Hospitals) -> None:
    first, second = Person(), Person()
    alike = {"identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3.4"}]}
    load(hospitals, patient(first), ENDPOINT, study(first, **alike), report(first, "胸部CT平扫"))
    load(hospitals, patient(second), ENDPOINT, study(second, **alike), report(second, "胸部CT平扫"), institution="prov")
    assert decided(hospitals, first, "CT.CHEST") == decided(hospitals, second, "CT.CHEST") == "reusable"


def test_images_of_two_patients_under_one_uid_are_reused_for_neither(hospitals: Hospitals) -> None:
    first, second = Person(), Person()
    other = header(second, StudyInstanceUID=uid(first), SeriesDescription="平扫")
    load(hospitals, patient(first), patient(second), ENDPOINT, study(first), report(first, "胸部CT平扫"), other)
    assert not {decided(hospitals, one, "CT.CHEST").split()[0] for one in (first, second)} & {"reusable", "partial"}


def test_ultrasound_ordered_with_contrast_is_no_plain_ultrasound(hospitals: Hospitals) -> None:
    person = Person()
    series = [{"uid": f"{uid(person)}.1", "modality": {"code": "US"}}]
    hospitals.load("nat", patient(person), report(person, "肝胆胰脾彩超"), study(person, series=series), ENDPOINT)
    facts = {"modality": "US", "region": "ABDOMEN", "laterality": None, "technique": None}
    orders = [{"id": str(contrast), "imaging": {**facts, "contrast": contrast}} for contrast in (None, True)]
    answers = [hospitals.match(person, orders=[one])["decision"] for one in orders]
    assert answers == ["reusable", "no-result"]
