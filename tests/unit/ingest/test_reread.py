"""Stored reports indexed again under another catalogue: found without the hospital sending anything once more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.domain.catalogue import Catalogue
from service.ingest import pipeline
from service.ingest.pipeline import Progress
from service.reference.catalogue_file import package_files
from tests.support.dicom import UID, instance
from tests.support.fhir import House, bundle, document, observation, patient, report
from tests.support.local_codes import LOCAL, knowing, local


def read_again(house: House, catalogue: Catalogue) -> dict[str, int]:
    counts = replace(house.loader, catalogue=catalogue).read_again()
    return {what: n for what, n in counts.reports.items() if n}


def test_local_code_unknown_at_first_becomes_an_item_and_again_changes_nothing() -> None:
    house = House()
    house.load(bundle(patient(), report(), local()), bundle(report("r2", ["Observation/o2"]), observation("o2")))
    assert [one.item for one in house.reports["r1"].results] == [None]  # type: ignore[union-attr]
    assert read_again(house, knowing()) == {"updated": 1, "unchanged": 1}
    assert [one.item for one in house.reports["r1"].results] == ["718-7"]  # type: ignore[union-attr]
    before = house.store.of("h1")
    assert read_again(house, knowing()) == {"unchanged": 2}
    assert house.store.of("h1") == before


def test_result_without_a_report_is_found_once_its_code_is_known() -> None:
    house = House()
    house.load(local())
    assert house.reports == {}
    assert read_again(house, knowing()) == {"new": 1}
    assert house.result.item == "718-7"


def test_parts_in_other_documents_and_lines_are_found() -> None:
    house = House()
    lines = "\n".join(str(one).replace("'", '"') for one in (local("o1"), local("o2")))
    house.load(report(results=["Observation/o1", "Observation/o2"]))
    house.loader.load(document(lines.encode(), format="ndjson"))
    house.load(patient())
    assert read_again(house, knowing()) == {"updated": 1}
    assert [one.item for one in house.report.results] == ["718-7", "718-7"]


@pytest.mark.parametrize("corrected_first", [True, False])
def test_corrected_report_stays_corrected_whatever_came_first(corrected_first: bool) -> None:
    old = bundle(report(), local(value=100))
    new = bundle(report(status="corrected", issued="2026-11-21T12:00:00+08:00"), local(value=132, status="corrected"))
    house = House()
    house.load_apart(*((new, old) if corrected_first else (old, new)))
    assert house.result.measured.reported == "132"
    assert read_again(house, knowing()) == {"updated": 1}
    assert (house.result.item, house.result.measured.reported) == ("718-7", "132")


def test_versions_of_known_and_unknown_time_keep_their_places() -> None:
    house = House()
    dated = [{"lastUpdated": f"2026-11-{day}T00:00:00Z"} for day in ("25", "23")]
    house.load_apart(report(), local(value=1, meta=dated[0]), local(value=2), local(value=3, meta=dated[1]))
    assert house.result.measured.reported == "3"
    resources = dict(house.store.of("h1").resources)
    assert read_again(house, knowing()) == {"updated": 1}
    assert (house.result.measured.reported, house.store.of("h1").resources) == ("3", resources)


def test_withdrawn_and_deleted_stay_so() -> None:
    gone = {"request": {"method": "DELETE", "url": "DiagnosticReport/r2"}}
    house = House()
    house.load_apart(
        bundle(report(), local()), report(status="entered-in-error"),
        bundle(report("r2", ["Observation/o2"]), local("o2")), {"resourceType": "Bundle", "entry": [gone]},
    )  # fmt: skip
    read_again(house, knowing())
    assert {number: one.head.status.exists for number, one in house.reports.items()} == {"r1": False}


def test_rejections_are_not_doubled_nor_resolved() -> None:
    house = House()
    house.load(bundle(report(), local(), observation("o9", code="abc")), b"MSH|^~", b'{"resourceType": ')
    waiting = list(house.store.of("h1").rejected)
    assert len(waiting) == 3
    read_again(house, knowing())
    assert house.store.of("h1").rejected == waiting
    assert house.store.of("h1").resolved == set()


@pytest.mark.parametrize(
    ("size", "told"), [(1, {"new": 1, "retired": 1, "unchanged": 1}), (9, {"new": 1, "retired": 1})]
)
def test_panel_that_becomes_known_takes_in_its_members_in_whatever_batch(
    size: int, told: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_BATCH_DOCUMENTS", size)
    members = [observation("m1"), local("p", hasMember=[{"reference": "Observation/m1"}])]
    house = House()
    house.load_apart(*members)
    assert list(house.reports) == ["Observation/m1"]
    assert read_again(house, knowing()) == told
    assert list(house.reports) == ["Observation/p"]
    assert read_again(house, knowing()) == {"unchanged": 1}


def test_images_alone_are_read_under_new_regions_without_their_files() -> None:
    house = House()
    house.loader.load([instance(BodyPartExamined="WHATSIT", StudyDescription="whatsit")])
    assert [part.region for part in house.exam.parts] != ["CHEST"]
    header, *regions = package_files()["regions.csv"].splitlines()
    chest = next(line for line in regions if line.startswith("CHEST,"))
    new = knowing(f"{header}\n{chest}|WHATSIT\n")
    read_again(house, new)
    assert [part.region for part in house.exam.parts] == ["CHEST"]
    assert read_again(house, new) == {"unchanged": 1}


def test_images_with_their_report_stay_one_exam() -> None:
    house = House()
    imaging = report(
        code={"coding": [{"system": LOCAL, "code": "CT1"}]}, category=[{"coding": [{"code": "RAD"}]}], results=[],
        identifier=[{"type": {"coding": [{"code": "ACSN"}]}, "value": "A100"}],
    )  # fmt: skip
    house.loader.load([instance(), *document(bundle(patient(), imaging))])
    assert house.exam.study_uid == UID
    assert read_again(house, house.loader.catalogue) == {"unchanged": 1}
    assert house.exam.study_uid == UID


def test_batches_stay_small_and_the_way_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_BATCH_DOCUMENTS", 2)
    house = House()
    parts = [bundle(report(f"r{n}", [f"Observation/o{n}"]), local(f"o{n}")) for n in range(5)]
    house.load_apart(*parts)
    house.loader.load([instance()])
    seen: list[Progress] = []
    counts = replace(house.loader, catalogue=knowing()).read_again(seen.append)
    assert [(one.done, one.total) for one in seen] == [(2, 6), (4, 6), (5, 6), (6, 6)]
    assert (counts.documents, counts.studies, counts.reports["updated"]) == (5, 1, 5)


def test_broken_off_it_can_be_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_BATCH_DOCUMENTS", 1)
    house = House()
    house.load_apart(*(bundle(report(f"r{n}", [f"Observation/o{n}"]), local(f"o{n}")) for n in range(2)))

    def stop(at: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(house.loader, catalogue=knowing()).read_again(stop)
    assert read_again(house, knowing()) == {"updated": 1, "unchanged": 1}
