"""What becomes of an archive's answers as they lie in fixtures/adapters/dicomweb."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from adapters.dicomweb import DicomWebSource
from adapters.dicomweb.options import read_options
from adapters.transport import GuardedClient
from service.domain.report import ImagingExam
from service.ingest.pipeline import document_of
from service.ingest.source import RawRecord, SourceConfig
from tests.support.fhir import House

FIXTURES = Path(__file__).parents[4] / "fixtures" / "adapters" / "dicomweb"


def answer(request: httpx.Request) -> httpx.Response:
    """The archive: the lists of one day, and the metadata of each series in a file named by the end of its UID."""
    *_, name = request.url.path.split("/")
    if name in ("studies", "series") and "StudyDate=20261118" in str(request.url):
        return file(f"{name}.json")
    if name == "metadata":
        return file(f"{request.url.path.split('/')[-2][-8:]}.metadata.json")
    return httpx.Response(204, headers={"Date": "Wed, 18 Nov 2026 04:00:00 GMT"})


def file(name: str) -> httpx.Response:
    return httpx.Response(200, content=(FIXTURES / "input" / name).read_bytes())


def records() -> list[RawRecord]:
    given = SourceConfig(
        "a", "dicomweb", "h1", "http://127.0.0.1/dicom-web", zone=ZoneInfo("Asia/Shanghai"),
        options={"settle_seconds": 0},
    )  # fmt: skip
    client = GuardedClient(given, network=httpx.MockTransport(answer), sleep=lambda _: None)
    with closing(DicomWebSource(given, client, read_options(given), sleep=lambda _: None)) as source:
        return [one for pulled in source.pull(None) for one in pulled.records]


def told(exam: ImagingExam) -> dict[str, Any]:
    parts = [[one.modality, one.region, one.laterality, one.contrast] for one in exam.parts]
    return {"instances": exam.instance_count, "parts": parts}


def test_answers_become_the_records_and_exams_that_are_expected() -> None:
    found = records()
    house = House()
    house.loader.load([document_of(one.media, "", one.body) for one in found])
    people = house.store.of("h1").patients.values()
    made = {
        "records": {one.key: "deletion" if one.is_deletion else "instances" for one in found},
        "exams": {number: told(one) for number, one in house.reports.items() if isinstance(one, ImagingExam)},
        "patients": {one.local_id: list(one.names) for one in people},
    }
    assert made == json.loads((FIXTURES / "expected" / "records.json").read_text("utf-8"))


def test_bytes_of_the_answers_are_kept_as_they_came() -> None:
    bodies = [(FIXTURES / "input" / name).read_bytes().strip() for name in
              (f"{one.key[-8:]}.metadata.json" for one in records() if not one.is_deletion)]  # fmt: skip
    assert len(bodies) == 4
    assert all(body in one.body for body, one in zip(bodies, (r for r in records() if not r.is_deletion), strict=True))
