"""Loading: order and cuts never matter, repetition changes nothing, nothing ends uncounted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.domain.report import LabReport
from service.ingest.counts import LoadCounts
from service.ingest.files import NDJSON_CHUNK, FoundFile, SkippedFile, chunks_of_lines, sniff, walk
from service.ingest.pipeline import Document, Progress
from tests.support.fhir import House, bundle, document, observation, orders, patient, read, report

Json = dict[str, Any]


def outcomes(counts: LoadCounts) -> dict[str, int]:
    return {key: n for key in ("new", "updated", "unchanged", "ignored", "rejected") if (n := counts.total(key))}


def dated(resource: Json, day: int, **more: Any) -> Json:
    return {**resource, "meta": {"lastUpdated": f"2026-11-{day:02d}T00:00:00Z"}, **more}


def test_loading_the_same_again_changes_nothing() -> None:
    house = House()
    given = bundle(patient(), report(), observation())
    assert outcomes(house.load(given)) == {"new": 3}
    before = house.reports
    again = house.load(given)
    assert (outcomes(again), dict(again.reports)) == ({"unchanged": 3}, {})
    assert house.reports == before


def test_two_versions_without_times_loaded_again_change_nothing() -> None:
    house = House()
    first, second = bundle(report(), observation(value=1)), observation(value=2)
    house.load_apart(first, second)
    again = house.load_apart(first, second)
    assert [outcomes(one) for one in again] == [{"unchanged": 2}, {"unchanged": 1}]
    assert house.result.measured.reported == "2"


def test_same_resource_in_other_company_is_unchanged() -> None:
    house = read(bundle(patient(), report(), observation()))
    assert outcomes(house.load(bundle(observation(), patient()))) == {"unchanged": 2}


def test_report_is_served_from_its_exact_bytes() -> None:
    house = House()
    body = json.dumps(bundle(report(), observation()), indent=1).encode()
    house.load(body)
    (indexed,) = house.store.of("h1").reports.values()
    assert indexed.source is not None
    kept = house.store.of("h1").documents[indexed.source.document_id][2]
    served = kept[indexed.source.start : indexed.source.start + indexed.source.length]
    assert served in body
    assert json.loads(served) == report()


def test_parts_in_any_order_of_files_make_the_same_report() -> None:
    taken = {"resourceType": "Specimen", "id": "s1", "collection": {"collectedDateTime": "2026-11-20T07:00:00+08:00"}}
    parts = [report(), observation(specimen={"reference": "Specimen/s1"}), taken, patient()]
    expected = read(bundle(*parts)).reports
    for order in orders(parts):
        house = House()
        house.load_apart(*order)
        assert house.reports == expected


def test_urn_uuid_references_hold_across_files() -> None:
    linked = bundle(report(results=[]), observation())
    linked["entry"][1]["fullUrl"] = "urn:uuid:5e1f"
    linked["entry"][0]["resource"]["result"] = [{"reference": "urn:uuid:5e1f"}]
    later = {"resourceType": "Specimen", "id": "s1", "condition": [{"text": "溶血"}]}
    linked["entry"][1]["resource"]["specimen"] = {"reference": "Specimen/s1"}
    house = House()
    house.load_apart(linked, later)  # the report is made again from its stored document
    assert house.result.specimen_issues == ("haemolysed",)


def test_late_older_version_does_not_replace() -> None:
    old, new = dated(observation(value=100), 1), dated(observation(value=132), 2, status="corrected")
    for order in orders([report(), old, new]):
        house = House()
        counts = house.load_apart(*order)
        assert house.result.measured.reported == "132"
        assert sum(one.total("new") for one in counts) == 2


def test_history_without_own_times_is_ordered_by_its_entries() -> None:
    entries = [  # newest first, as FHIR R4 http.html#history has it
        {"resource": observation(value=n), "response": {"lastModified": f"2026-11-0{n}T00:00:00Z"}} for n in (3, 2, 1)
    ]
    house = read(report(), {"resourceType": "Bundle", "type": "history", "entry": entries})
    assert house.result.measured.reported == "3"


def test_of_equal_times_the_corrected_one_stands() -> None:
    old, new = dated(observation(value=100), 1), dated(observation(value=132), 1, status="corrected")
    for order in orders([report(), old, new]):
        house = House()
        house.load_apart(*order)
        assert house.result.measured.reported == "132"


def test_result_left_out_by_a_correction_never_stands_alone() -> None:
    first = dated(report(results=["Observation/o1", "Observation/o2"]), 1)
    second = dated(report(results=["Observation/o1"]), 2, status="corrected")
    for order in orders([first, second, observation(), observation("o2", "777-3")]):
        house = House()
        house.load_apart(*order)
        assert list(house.reports) == ["r1"]
        assert [one.item for one in house.report.results] == ["718-7"]


def test_results_of_a_withdrawn_report_never_stand_alone() -> None:
    first, second = dated(report(), 1), dated(report(status="entered-in-error"), 2)
    for order in orders([first, second, observation()]):
        house = House()
        house.load_apart(*order)
        assert [one.head.status.exists for one in house.reports.values()] == [False]


def test_deleted_report_is_gone_and_its_results_too() -> None:
    gone = {"request": {"method": "DELETE", "url": "DiagnosticReport/r1"},
            "response": {"lastModified": "2026-11-21T00:00:00Z"}}  # fmt: skip
    for order in orders([report(), observation(), {"resourceType": "Bundle", "type": "history", "entry": [gone]}]):
        house = House()
        house.load_apart(*order)
        assert house.reports == {}


def test_organization_that_was_only_saved_again_touches_no_report() -> None:
    house = House()
    lab = {"resourceType": "Organization", "id": "lab", "identifier": [{"value": "h2"}]}
    house.load(bundle(report(performer=[{"reference": "Organization/lab"}]), observation(), dated(lab, 1)))
    assert dict(house.load(dated(lab, 2)).reports) == {}
    assert house.load(dated(lab, 3, identifier=[{"value": "h1"}])).reports["updated"] == 1
    assert house.report.head.performer == "h1"


def test_observation_stands_alone_until_a_report_uses_it() -> None:
    house = House()
    house.load(observation())
    assert list(house.reports) == ["Observation/o1"]
    house.load(report())
    assert list(house.reports) == ["r1"]


def test_panel_observation_takes_its_members() -> None:
    panel = observation("panel", valueQuantity=None, hasMember=[{"reference": "Observation/o1"}], code={"text": "CBC"},
                        category=[{"coding": [{"code": "laboratory"}]}])  # fmt: skip
    for order in orders([panel, observation()]):
        house = House()
        house.load_apart(*order)
        assert list(house.reports) == ["Observation/panel"]


def test_two_reports_of_one_number_are_versions_of_one() -> None:
    number = [{"value": "N1"}]
    old, new = dated(report("a", identifier=number), 1), dated(report("b", identifier=number, status="corrected"), 2)
    for order in orders([old, new, observation()]):
        house = House()
        house.load_apart(*order)
        assert house.report.head.ref == "DiagnosticReport/b"


def test_two_versions_in_one_bundle_end_with_the_newer() -> None:
    counts = House().load(bundle(dated(patient(), 2), dated(patient(), 1), dated(patient(gender="male"), 3)))
    assert outcomes(counts) == {"new": 1, "unchanged": 1, "updated": 1}


def test_everything_that_came_is_counted_once() -> None:
    given = bundle(patient(), report(), observation(), {"resourceType": "Claim"}, {"resourceType": "Patient", "id": {}})
    given["entry"] += [None, {"fullUrl": "urn:x"}]
    assert outcomes(House().load(given)) == {"new": 3, "ignored": 2, "rejected": 2}


@pytest.mark.parametrize(
    ("bad", "place", "code"),
    [
        (observation(code="abc"), "Bundle.entry[0].resource.code", "wrong-type"),
        (observation(code=[]), "Bundle.entry[0].resource.code", "wrong-type"),
        (observation(code={"coding": "x"}), "Bundle.entry[0].resource.code.coding", "wrong-type"),
        (observation(subject="Patient/1"), "Bundle.entry[0].resource.subject", "wrong-type"),
        (observation(valueQuantity={"value": "many"}), "Bundle.entry[0].resource.valueQuantity.value", "wrong-type"),
        ({"resourceType": "Observation", "id": "x", "status": "final"}, "Bundle.entry[0].resource.code", "no-code"),
        (observation(focus=[{"reference": "Patient/donor"}]), "Bundle.entry[0].resource.focus", "not-of-the-patient"),
        (observation(valueString="140"), "Bundle.entry[0].resource.value", "two-values"),
        (
            observation(component=[{"valueInteger": 1, "valueString": "2"}]),
            "Bundle.entry[0].resource.component[0].value",
            "two-values",
        ),
        (report(subject={"reference": "Group/1"}), "Bundle.entry[0].resource.subject", "subject-not-a-patient"),
    ],
)
def test_malformed_resource_is_rejected_with_its_place(bad: Json, place: str, code: str) -> None:
    house = House()
    assert outcomes(house.load(bundle(bad, patient()))) == {"new": 1, "rejected": 1}
    assert house.rejected == [(place, code)]


def test_rejected_input_is_kept_and_can_be_tried_again() -> None:
    house = House()
    house.load(bundle(report(subject=None), observation()))
    (waiting,) = house.store.of("h1").rejected
    assert outcomes(house.loader.retry([waiting.id])) == {"unchanged": 1, "rejected": 1}
    with pytest.raises(KeyError):
        house.loader.retry([99])


def test_refusal_that_only_the_report_shows_is_refused_again() -> None:
    house = House()
    house.load(bundle(report(), observation(subject={"reference": "Patient/p2"})))
    assert outcomes(house.loader.retry()) == {"unchanged": 1, "rejected": 1}
    assert len(house.rejected) == 2  # the second takes the place of the first, which is done with


def test_retry_of_lines_keeps_their_numbers() -> None:
    house = House()
    house.loader.load([Document("ndjson", "a.ndjson", b"{}\n", 41)])
    assert house.rejected == [("line 41", "not-a-resource")]
    house.loader.retry()
    assert house.rejected[-1] == ("line 41", "not-a-resource")


def test_error_in_a_batch_leaves_no_trace() -> None:
    house = House()
    broken = document(patient())[0]
    with pytest.raises(AttributeError):
        house.loader.load([broken, None])  # type: ignore[list-item]
    assert house.store.states == {}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b'{"resourceType":"Patient"}', "json"),
        (b'\xef\xbb\xbf {\n"resourceType":"Patient"}', "json"),
        (b'{"a":1}\n{"a":2}\n', "ndjson"),
        (b'{"a":1}\n', "json"),
        (b"\0" * 128 + b"DICM", "dicom"),
        (b"MSH|^~\\&|", "hl7v2"),
        (b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3">', "cda"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\0\0\0\0", "unknown"),
        (b"PK\x03\x04", "unknown"),
        (b"<html>", "unknown"),
    ],
)
def test_content_says_what_a_file_is(head: bytes, kind: str) -> None:
    assert sniff(head) == kind


def test_folders_are_walked_in_order_and_hidden_files_are_said(tmp_path: Path) -> None:
    for name in ("b.json", "a/2.json", "a/1.json", ".hidden", "a/.git/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = list(walk([tmp_path, tmp_path / "none"]))
    assert [one.name for one in found if isinstance(one, FoundFile)] == ["b.json", "a/1.json", "a/2.json"]
    skipped = {(one.name, one.reason) for one in found if isinstance(one, SkippedFile)}
    assert skipped == {(".hidden", "hidden"), ("a/.git", "hidden"), ("none", "missing")}


def test_lines_are_cut_between_and_counted() -> None:
    line = b"x" * 1000 + b"\n"
    long = b"y" * (NDJSON_CHUNK + 10) + b"\n"
    body = line * 1500 + long + line
    found = list(chunks_of_lines(body))
    assert b"".join(piece for _, piece in found) == body
    assert all(piece.endswith(b"\n") for _, piece in found)
    starts = [body[: sum(len(p) for _, p in found[:n])].count(b"\n") + 1 for n in range(len(found))]
    assert [first for first, _ in found] == starts


def test_every_file_is_counted_and_progress_reaches_the_end(tmp_path: Path) -> None:
    files = {
        "1.json": json.dumps(bundle(patient(), report(), observation())).encode(),
        "2.ndjson": b"\n".join(json.dumps(one).encode() for one in (patient("p2"), patient("p3"))),
        "3.hl7": b"MSH|^~\\&|",
        "4.zip": b"PK\x03\x04",
        "5.json": b"{",
        "6.json": b"",
    }
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
    house, seen = House(), list[Progress]()
    counts = house.loader.load_paths([tmp_path], seen.append)
    assert outcomes(counts) == {"new": 5, "rejected": 4}
    assert counts.files == 6
    assert seen[-1].done == seen[-1].total == sum(map(len, files.values()))
    codes = {code for _, code in house.rejected}
    assert codes == {"format-not-read", "unknown-format", "not-json", "empty"}


def test_file_over_the_limit_is_rejected_and_its_beginning_kept(tmp_path: Path) -> None:
    (tmp_path / "big.json").write_bytes(json.dumps(patient()).encode() + b" " * 5000)
    house = House()
    assert outcomes(house.loader.load_paths([tmp_path], max_file=4000)) == {"rejected": 1}
    assert house.rejected == [("file", "too-large")]


def test_reports_of_two_institutions_stay_apart() -> None:
    first, second = House(), House(institution="h2")
    second.store = first.store
    second.loader = type(second.loader)(first.store, "h2", second.loader.catalogue, second.loader.network)
    first.load(bundle(report(), observation(value=1)))
    second.load(bundle(report(), observation(value=2)))
    values = [one.results[0].measured.reported for one in (first.report, second.report) if isinstance(one, LabReport)]
    assert values == ["1", "2"]


def named(resource: Json, *values: str) -> Json:
    """The resource with these identifiers of the laboratory."""
    return {**resource, "identifier": [{"system": "urn:lab", "value": one} for one in values]}


BY_IDENTIFIER = [{"identifier": {"system": "urn:lab", "value": "77"}}]


@pytest.mark.parametrize("status", ["final", "preliminary", "entered-in-error"])
def test_result_known_by_its_identifier_belongs_to_the_report_in_any_order(status: str) -> None:
    parts = [named(observation(), "76", "77"), {**report(status=status), "result": BY_IDENTIFIER}, patient()]
    expected = read(bundle(*parts)).reports
    assert [one.head.status for one in expected.values()] == [status]
    for order in orders(parts):
        house = House()
        house.load_apart(*order)
        assert house.reports == expected


def test_identifier_of_several_results_names_none_of_them() -> None:
    """Nor does one of them stand alone: the report that says whether it is final is not sure to be its own."""
    parts = [named(observation(), "77"), named(observation("o2"), "77"), {**report(), "result": BY_IDENTIFIER}]
    for order in orders(parts):
        house = House()
        house.load_apart(*order)
        assert house.report.results == ()
