"""Lines come out in their very bytes; what cannot be used is kept with its problem and costs no neighbour."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.fhir_bulk.lines import Line, Taken, split_lines, take_line
from adapters.fhir_bulk.manifest import ExportFile, Section
from service.ingest.source import RawRecord

FIXTURES = Path(__file__).parents[4] / "fixtures/adapters/fhir_bulk"
OBSERVATIONS = ExportFile(Section.OUTPUT, "Observation", "https://h/1")
DELETIONS = ExportFile(Section.DELETED, "Bundle", "https://h/2")
ERRORS = ExportFile(Section.ERROR, "OperationOutcome", "https://h/3")
MOST = 1_000_000


def cut(body: bytes, size: int) -> Iterator[bytes]:
    return iter([body[at : at + size] for at in range(0, len(body), size)])


def lines(body: bytes, size: int = 65536, most: int = MOST) -> list[Line]:
    return list(split_lines(cut(body, size), most))


def take(body: bytes, file: ExportFile = OBSERVATIONS) -> Taken:
    taken = Taken()
    for line in lines(body):
        take_line(taken, line, file, MOST)
    return taken


def only(body: bytes, file: ExportFile = OBSERVATIONS) -> RawRecord:
    (record,) = take(body, file).records
    return record


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_the_same_however_the_file_is_cut(size: int) -> None:
    body = b'\xef\xbb\xbf{"a":1}\r\n\n  \r\n{"b": "\xe5\xbc\xa0"} \nlast'
    found = [(one.number, one.body) for one in lines(body, size)]
    assert found == [(1, b'{"a":1}'), (2, b""), (3, b""), (4, b'{"b": "\xe5\xbc\xa0"}'), (5, b"last")]


def test_file_without_lines_has_none() -> None:
    assert lines(b"") == []
    assert [one.body for one in lines(b"\n")] == [b""]


@pytest.mark.parametrize("size", [10, 4096, 10**6])
def test_line_beyond_the_limit_is_not_held_and_is_known_by_its_beginning(size: int) -> None:
    long = b'{"x":"' + b"y" * 300_000 + b'"}'
    found = lines(b"a\n" + long + b"\nb\n" + long, size, most=100_000)
    assert [(one.number, one.size) for one in found] == [(1, 1), (2, len(long)), (3, 1), (4, len(long))]
    assert [found[1].body, found[3].body] == [long[: 64 * 1024]] * 2
    taken = Taken()
    take_line(taken, found[1], OBSERVATIONS, 100_000)
    assert taken.records[0].problem is not None
    assert taken.records[0].problem[0] == "too-large"


def test_line_without_end_takes_no_more_memory_than_is_kept_of_it() -> None:
    tracemalloc.start()
    try:
        (line,) = split_lines((bytes(65536) for _ in range(300)), 100_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (line.size, len(line.body)) == (300 * 65536, 65536)
    assert peak < 2_000_000


def test_resource_is_given_byte_for_byte() -> None:
    body = b'{"resourceType": "Observation",  "id":"o-1", "valueQuantity":{"value":6.30}, "n":1E2}'
    assert only(body + b"\n") == RawRecord("Observation/o-1", "application/fhir+json", body)


@pytest.mark.parametrize(("body", "code"), [
    (b"{", "not-json"), (b"<html>", "not-json"), (b'{"resourceType":"Observation","id":"1"}{}', "not-json"),
    (b'{"resourceType":"Observation","id":"1","x":"\xd5\xc5"}', "not-json"), (b"[]", "wrong-type"),
    (b'{"resourceType":["Observation"]}', "wrong-type"), (b'{"resourceType":"Patient","id":"1"}', "wrong-file"),
    (b'{"id":"1"}', "wrong-file"), (b"{}", "wrong-file"), (b'{"resourceType":"Observation"}', "bad-id"),
    (b'{"resourceType":"Observation","id":"a b"}', "bad-id"), (b'{"resourceType":"Observation","id":""}', "bad-id"),
    (b'{"resourceType":"Observation","id":"x/y"}', "bad-id"),
    (b'{"resourceType":"Observation","id":"1","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too-deep"),
])  # fmt: skip
def test_line_that_cannot_be_used_is_kept_under_a_name_of_its_bytes(body: bytes, code: str) -> None:
    good = b'{"resourceType":"Observation","id":"1"}'
    first, bad, last = take(good + b"\n" + body + b"\n" + good).records
    assert first == last == RawRecord("Observation/1", "application/fhir+json", good)
    assert (bad.body, bad.problem and bad.problem[0]) == (body, code)
    assert bad.key.startswith("Observation/~")


def test_problem_says_nothing_of_what_the_line_says() -> None:
    for body in (b'{"resourceType":"Zhang San 110101","id":"1"}', b'{"resourceType":"Observation","id":"Zhang San"}'):
        assert "Zhang" not in str(only(body).problem)


def test_deletions_are_the_entries_as_they_came() -> None:
    first = b'{"request": {"method":"DELETE","url":"Observation/o1"}}'
    second = b'{"fullUrl":"x","request":{"url":"https://h/fhir/DiagnosticReport/r1/_history/2","method":"DELETE"}}'
    bundle = b'{"resourceType":"Bundle","type":"transaction","entry":[' + first + b", " + second + b"]}"
    assert take(bundle, DELETIONS).records == [
        RawRecord("Observation/o1", "application/fhir+json", first, is_deletion=True),
        RawRecord("DiagnosticReport/r1", "application/fhir+json", second, is_deletion=True),
    ]


@pytest.mark.parametrize(("entry", "code"), [
    (b'{"request":{"method":"PUT","url":"Observation/1"}}', "delete-unclear"),
    (b'{"request":{"method":"DELETE","url":"Observation?code=1"}}', "delete-unclear"),
    (b'{"request":{"method":"DELETE"}}', "delete-unclear"), (b'{"resource":{}}', "wrong-type"), (b"1", "wrong-type"),
])  # fmt: skip
def test_deletion_that_names_no_resource_is_kept_as_a_problem(entry: bytes, code: str) -> None:
    record = only(b'{"resourceType":"Bundle","entry":[' + entry + b"]}", DELETIONS)
    assert record.problem is not None
    assert (record.problem[0], record.is_deletion) == (code, False)


def test_deletion_of_a_type_nobody_uses_is_counted() -> None:
    bundle = b'{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Claim/1"}}]}'
    assert take(bundle, DELETIONS) == Taken([], {"type-not-used": 1})


def test_resource_among_deletions_deletes_nothing() -> None:
    record = only(b'{"resourceType":"Observation","id":"1"}', DELETIONS)
    assert record.problem is not None
    assert (record.problem[0], record.is_deletion) == ("wrong-file", False)


def test_errors_of_an_export_are_kept_with_their_codes_and_nothing_else() -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [
        {"severity": "error", "code": "not-found", "diagnostics": "Zhang San 110101199003078515"},
        {"severity": "warning", "code": "processing"}, {"severity": "information", "code": "informational"},
    ]}  # fmt: skip
    record = only(json.dumps(outcome).encode(), ERRORS)
    assert record.problem == (
        "export-error", "the server could not export something (not-found, processing); its own log says what",
    )  # fmt: skip
    outcome["issue"] = [{"severity": "information", "code": "informational"}]
    assert take(json.dumps(outcome).encode(), ERRORS) == Taken([], {"export-information": 1})
    assert only(b'{"resourceType":"OperationOutcome","issue":[]}', ERRORS).problem is not None


def test_example_files_give_what_stands_beside_them() -> None:
    found = {}
    for name, file in (("Observation", OBSERVATIONS), ("deleted", DELETIONS), ("error", ERRORS)):
        taken = take((FIXTURES / f"input/{name}.ndjson").read_bytes(), file)
        found[name] = {
            "records": [
                {"key": one.key, "deletion": one.is_deletion, "problem": one.problem and one.problem[0]}
                for one in taken.records
            ],
            "ignored": taken.ignored,
        }
    assert found == json.loads((FIXTURES / "expected/records.json").read_text("utf-8"))


def test_entry_of_deletions_that_is_none_costs_no_neighbour() -> None:
    entries = b'null,{"request":null},{"request":{"method":"DELETE","url":"Observation/o2"}}'
    records = take(b'{"resourceType":"Bundle","entry":[%b]}' % entries, DELETIONS).records
    assert [one.problem[0] if one.problem else one.key for one in records] == ["wrong-type"] * 2 + ["Observation/o2"]
