"""Bytes to resources: every entry ends somewhere, with its place and its exact bytes."""

from __future__ import annotations

import json

import pytest

from service.ingest.fhir_r4.document import FhirDocument, read_json, read_lines
from service.ingest.fhir_r4.references import target_of
from service.ingest.fhir_r4.shapes import Identifier, Reference

PATIENT = b'{"resourceType":"Patient","id":"1"}'


def of_entries(*entries: bytes) -> FhirDocument:
    return read_json(b'{"resourceType":"Bundle","type":"batch","entry":[' + b",".join(entries) + b"]}")


def problems(found: FhirDocument) -> list[tuple[str, str]]:
    return [(one.place, one.code) for one in found.problems]


def test_each_resource_is_its_exact_bytes() -> None:
    odd = b'{ "resourceType" : "Observation",\n "id":"o", "valueQuantity":{"value":6.30} }'
    body = b'{"resourceType":"Bundle","entry":[{"resource":' + odd + b'},{"resource":' + odd + b"}]}"
    found = read_json(body)
    assert [body[one.start : one.start + one.length] for one in found.resources] == [odd, odd]
    assert found.resources[0].start < found.resources[1].start


@pytest.mark.parametrize(
    ("entry", "place", "code"),
    [
        (b"null", "Bundle.entry[1]", "wrong-type"),
        (b'"x"', "Bundle.entry[1]", "wrong-type"),
        (b'{"resource":null}', "Bundle.entry[1].resource", "wrong-type"),
        (b'{"resource":[]}', "Bundle.entry[1].resource", "wrong-type"),
        (b'{"resource":{"id":"1"}}', "Bundle.entry[1].resource", "not-a-resource"),
        (b'{"resource":{"resourceType":7}}', "Bundle.entry[1].resource.resourceType", "wrong-type"),
        (b'{"resource":{"resourceType":"Patient","id":"a b"}}', "Bundle.entry[1].resource.id", "bad-id"),
        (b'{"resource":{"resourceType":"Patient","id":"2","id":"3"}}', "Bundle.entry[1].resource", "duplicate-key"),
        (
            b'{"resource":{"resourceType":"Patient","name":[{"x":1,"x":1}]}}',
            "Bundle.entry[1].resource",
            "duplicate-key",
        ),
        (b'{"request":{"method":"DELETE","url":"Patient?x=1"}}', "Bundle.entry[1].request.url", "delete-unclear"),
    ],
)
def test_bad_entry_is_named_and_costs_no_neighbour(entry: bytes, place: str, code: str) -> None:
    found = of_entries(b'{"resource":' + PATIENT + b"}", entry, b'{"resource":' + PATIENT + b"}")
    assert problems(found) == [(place, code)]
    assert len(found.resources) == 2


@pytest.mark.parametrize(
    ("body", "place", "code"),
    [
        (b"", "end", "not-json"),
        (b"{", "end", "not-json"),
        (PATIENT + b" x", "byte 37", "not-json"),
        (PATIENT[:20] + b"\xff" + PATIENT[20:], "byte 20", "not-utf-8"),
        ('{"resourceType":"Patient"}'.encode("utf-16"), "byte 0", "not-utf-8"),
        (b'{"a":' * 50_000, "document", "too-deep"),
        (b'{"resourceType":"Patient","x":' + b"[" * 5000 + b"]" * 5000 + b"}", "document", "too-deep"),
        (b"[]", "document", "wrong-type"),
        (b"7", "document", "wrong-type"),
        (b'{"resourceType":"Bundle","entry":{}}', "Bundle.entry", "wrong-type"),
        (b'{"resourceType":"Bundle","entry":[],"entry":[{"resource":' + PATIENT + b"}]}", "document", "duplicate-key"),
        (b'{"resourceType":"Bundle","entry":[{"resource":' + PATIENT + b',"resource":{"resourceType":"Patient"}}]}',
         "document", "duplicate-key"),
        (b'{"resourceType":"Patient","x":NaN}', "byte 30", "not-json"),
    ],
)  # fmt: skip
def test_unreadable_document_says_where_and_why(body: bytes, place: str, code: str) -> None:
    found = read_json(body)
    assert problems(found) == [(place, code)]
    assert found.resources == []


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (b'{"resource":{"resourceType":"Patient","id":"bad","name":[{"text":"a\nb"}]}}', "not-json"),
        (b'{"resource":{"resourceType":"Patient","id":"bad","name":[{"text":"\\ud800"}]}}', "not-json"),
        (b'{"resource":{"resourceType":"Patient","id":"bad","x":NaN}}', "not-json"),
        (b'{"resource":{"resourceType":"Patient","id":"bad","x":"}],","y":01}}', "not-json"),
        (b'{"resource":{"resourceType":"Patient","id":"bad","name":"' + "李敏".encode("gb18030") + b'"}}', "not-utf-8"),
        (b'{"resource":{"x":' + b"[" * 3000 + b"]" * 3000 + b"}}", "too-deep"),
    ],
    ids=["control character", "surrogate", "NaN", "number", "character set", "nesting"],
)
def test_entry_that_is_no_json_costs_no_neighbour(entry: bytes, code: str) -> None:
    good = b'{"resource":%s}' % PATIENT
    start = b'{"type":"entry","id":"[","resourceType":"Bundle","entry" : ['
    body = start + b",\n".join([good, entry, good, entry]) + b"]}"
    found = read_json(body)
    assert problems(found) == [("Bundle.entry[1]", code), ("Bundle.entry[3]", code)]
    assert [body[one.start : one.start + one.length] for one in found.resources] == [PATIENT, PATIENT]


@pytest.mark.parametrize("end", [b"]", b"", b',{"resource":{"id":"cut'])
def test_bundle_that_is_cut_short_is_refused_as_a_whole(end: bytes) -> None:
    found = read_json(b'{"resourceType":"Bundle","entry":[{"resource":%s},{"resource":{"x":NaN}}%s' % (PATIENT, end))
    assert not found.resources
    assert [one.code for one in found.problems] == ["not-json"]


def test_byte_order_mark_is_passed_over() -> None:
    found = read_json(b"\xef\xbb\xbf" + PATIENT)
    assert [(one.ref, one.start) for one in found.resources] == [("Patient/1", 3)]


def test_escapes_are_no_duplicate_keys() -> None:
    assert problems(read_json(b'{"resourceType":"Patient","id":"1","name":[{"text":"\\u674e"}],"x":1.0E2}')) == []


def test_search_outcomes_empty_entries_and_other_types_are_ignored_with_a_reason() -> None:
    outcome = b'{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}}'
    found = of_entries(outcome, b'{"fullUrl":"urn:x"}', b'{"resource":{"resourceType":"Claim"}}')
    assert [one.reason for one in found.ignored] == ["search-outcome", "no-resource", "type-not-used"]


def test_deletion_in_a_history_is_a_version_without_content() -> None:
    gone = {"request": {"method": "DELETE", "url": "DiagnosticReport/9"}, "response": {"lastModified": "2026-01-01"}}
    (found,) = of_entries(json.dumps(gone).encode()).resources
    assert (found.ref, found.raw, found.modified_at) == ("DiagnosticReport/9", None, "2026-01-01")


def test_nested_bundles_are_read_and_end() -> None:
    body = PATIENT
    for _ in range(3):
        body = b'{"resourceType":"Bundle","entry":[{"resource":' + body + b"}]}"
    (found,) = read_json(body).resources
    assert found.place == "Bundle" + ".entry[0].resource" * 3
    for _ in range(5):
        body = b'{"resourceType":"Bundle","entry":[{"resource":' + body + b"}]}"
    assert [code for _, code in problems(read_json(body))] == ["too-deep"]


@pytest.mark.parametrize(
    ("entry", "ref"),
    [
        (b'{"resource":{"resourceType":"Patient","id":"Patient/7"}}', "Patient/7"),
        (b'{"fullUrl":"urn:uuid:ab-1","resource":{"resourceType":"Patient"}}', "Patient/ab-1"),
        (b'{"fullUrl":"http://x/fhir/Patient/8","resource":{"resourceType":"Patient"}}', "Patient/8"),
        (b'{"fullUrl":"urn:uuid:ab-1","resource":{"resourceType":"Patient","id":"9"}}', "Patient/9"),
        (b'{"resource":{"resourceType":"Patient","id":12}}', "Patient/12"),
        (b'{"request":{"method":"PUT","url":"Patient/13"},"resource":{"resourceType":"Patient"}}', "Patient/13"),
    ],
)
def test_resource_is_named_by_id_else_by_full_url(entry: bytes, ref: str) -> None:
    assert [one.ref for one in of_entries(entry).resources] == [ref]


def test_one_bad_line_costs_no_other_line() -> None:
    found = read_lines(PATIENT + b"\n{\n\n\xff\n" + PATIENT.replace(b"1", b"2") + b"\r\n", 11)
    assert problems(found) == [("line 12 end", "not-json"), ("line 14 byte 0", "not-utf-8")]
    assert [(one.ref, one.place) for one in found.resources] == [("Patient/1", "line 11"), ("Patient/2", "line 15")]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Patient/1", "Patient/1"),
        ("http://x/fhir/Patient/1", "Patient/1"),
        ("http://x/fhir/Patient/1/_history/3", "Patient/1"),
        ("urn:uuid:known", "Patient/77"),
        ("urn:uuid:unknown", "Patient/unknown"),
        ("#inner", "#inner"),
        ("Patient?identifier=urn:id%7C42", "identifier|urn:id|42"),
        ("1", "Patient/1"),
        ("not a reference", None),
        ("", None),
    ],
)
def test_reference_points_to(text: str, target: str | None) -> None:
    assert target_of(Reference(reference=text), "Patient", {"urn:uuid:known": "Patient/77"}) == target


def test_reference_by_identifier_points_to_it() -> None:
    told = Reference(identifier=Identifier(system="urn:id", value=" 42 "))
    assert target_of(told, "Patient", {}) == "identifier|urn:id|42"
