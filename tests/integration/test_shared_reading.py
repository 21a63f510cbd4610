"""Reading once for many decisions gives each what it would have read by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from service.decisions.evidence import EvidenceReader
from service.decisions.request import read_request
from service.decisions.sharing import SharedReader
from tests.support.region import LOINC, ORDERED, Hospitals, Person, ago

pytestmark = pytest.mark.slow


def chest(person: Person, number: int, **more: object) -> dict[str, object]:
    return {
        "resourceType": "ImagingStudy", "id": f"s{person.number}-{number}", "status": "available",
        "subject": {"reference": f"Patient/p{person.number}"}, "started": ago(days=number * 40),
        "modality": [{"code": "CT"}], "description": "胸部CT平扫",
        "series": [{"uid": f"1.2.{number}.1", "modality": {"code": "CT"}, "bodySite": {"code": "51185008"}}], **more,
    }  # fmt: skip


def test_each_question_finds_what_it_would_find_alone(database_url: str, tmp_path: Path) -> None:
    hospitals = Hospitals.open(tmp_path / "home", database_url)
    parts, people = hospitals.parts, [Person(), Person()]
    for person in people:
        for hospital in ("nat", "city", "req"):
            results = [
                person.result(code, 100 + n, effectiveDateTime=ago(days=age))
                for n, (code, age) in enumerate(
                    (code, age) for code in ("718-7", "6690-2", "777-3") for age in (2, 200)
                )
            ]
            undated = person.result("718-7", 90, effectiveDateTime=None)
            exams = [chest(person, number) for number in (1, 5)]
            hospitals.load(hospital, person.patient(), *results, undated, person.report(*results, undated), *exams)
    policy = parts.reference.current_policy()
    asked = []
    for days in (300, 100, 0):
        for codes in (["718-7"], ["58410-2", "777-3"], ["CT.CHEST", "6690-2"], ["1742-6"]):
            for person in (*people, Person()):
                orders = [
                    {"id": code, "code": {"system": LOINC if code[0].isdigit() else "urn:testonce:item", "code": code}}
                    for code in codes
                ]
                at = (datetime.fromisoformat(ORDERED) - timedelta(days=days)).isoformat()
                body = {"patient": person.facts, "orders": orders, "orderedAt": at}
                asked.append(read_request(body, "req", datetime.fromisoformat(ORDERED), policy.network.zone))
    alone, shared = EvidenceReader(parts.keys), SharedReader(parts.keys)
    found = 0
    with parts.database.read() as conn:
        for request in [*asked, *reversed(asked)]:
            expected = alone.gather(conn, request, policy)
            assert shared.gather(conn, request, policy) == expected
            found += len(expected.evidence.results) + len(expected.evidence.exams)
    assert found > 200
    parts.close()
