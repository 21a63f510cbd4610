"""From an answer's bytes to rows: nothing lost, nothing altered, nothing told that a patient could be known by."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.fhir.pages import Page, read_page, read_resource
from adapters.fhir.questions import shifts
from service.ingest.source import Fatal, Retriable, SourceError

FIXTURES = Path(__file__).parents[4] / "fixtures/adapters/fhir"
EXPECTED: dict[str, Any] = json.loads((FIXTURES / "expected/records.json").read_text("utf-8"))
ZONE = ZoneInfo("Asia/Shanghai")
ODD = b'{ "resourceType" : "Observation",\n "id":"o1", "valueQuantity":{"value":6.30}, "note":[{"text":"\\u68c0"}] }'
FINE = b'{"resourceType":"Observation","id":"o2"}'


def searchset(*resources: bytes, more: bytes = b"") -> bytes:
    entries = b",".join(b'{"resource":' + one + b"}" for one in resources)
    return b'{"resourceType":"Bundle","type":"searchset"' + more + b',"entry":[' + entries + b"]}"


def read(body: bytes, asked: str = "Observation") -> Page:
    return read_page(body, asked, ZONE)


def keys(page: Page) -> list[tuple[str, str | None]]:
    return [(row.record.key, row.record.problem[0] if row.record.problem else None) for row in page.rows]


def test_resources_keep_the_bytes_in_which_they_came() -> None:
    page = read(b"\xef\xbb\xbf" + searchset(ODD, FINE, ODD))
    assert [row.record.body for row in page.rows] == [ODD, FINE, ODD]


def test_links_and_total_are_read() -> None:
    links = b',"total":7,"link":[{"relation":"self","url":"S?_sort=x"},{"relation":"next","url":"?p=2"}]'
    page = read(searchset(FINE, more=links))
    assert (page.next, page.self, page.total) == ("?p=2", "S?_sort=x", 7)


@pytest.mark.parametrize("total", [b'"7"', b"7.5", b"null"])
def test_total_that_is_no_number_is_no_total(total: bytes) -> None:
    page = read(searchset(FINE, more=b',"total":' + total))
    assert (page.total, len(page.rows)) == (None, 1)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b'{"resourceType":"Observation","id":"x","note":"\x01"}', "not-json"),
        ('{"resourceType":"Observation","id":"x","note":"检验"}'.encode("gb18030"), "not-utf-8"),
        (b'{"resourceType":"Observation","id":"x","a":' + b"[" * 3000 + b"]" * 3000 + b"}", "too-deep"),
        (b'{"resourceType":"Observation","id":["x"]}', "wrong-type"),
        (b'{"resourceType":"Observation","id":"x","meta":7}', "wrong-type"),
        (b'{"resourceType":"Observation","id":"a b"}', "bad-id"),
        (b'{"resourceType":"Observation"}', "bad-id"),
        (b"[]", "wrong-type"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_bad_resource_is_kept_with_its_problem_and_costs_no_neighbour(bad: bytes, code: str) -> None:
    page = read(searchset(ODD, bad, FINE))
    assert [one for _, one in keys(page)] == [None, code, None]
    assert page.rows[1].record.body in (bad, b'{"resource":' + bad + b"}")
    assert [page.rows[0].record.body, page.rows[2].record.body] == [ODD, FINE]


def test_several_bad_entries_are_each_their_own_bytes() -> None:
    bad = [b'{"a":"\x01"}', b'{ "b":"\x02" }', b'{"c":"\x03"}  ']
    page = read(searchset(FINE, *bad, ODD))
    assert [row.record.body for row in page.rows[1:4]] == [b'{"resource":' + one + b"}" for one in bad]


def test_entry_that_is_no_object_is_a_problem() -> None:
    page = read(b'{"resourceType":"Bundle","entry":[null,"x",{"resource":' + FINE + b"}]}")
    assert [one for _, one in keys(page)] == ["wrong-type", "wrong-type", None]


def test_id_that_only_full_url_tells_is_used() -> None:
    entry = b'{"fullUrl":"https://h/fhir/Observation/o9","resource":{"resourceType":"Observation"}}'
    assert keys(read(b'{"resourceType":"Bundle","entry":[' + entry + b"]}")) == [("Observation/o9", None)]


def test_equal_ids_of_two_types_are_two_records() -> None:
    page = read(searchset(FINE, b'{"resourceType":"Patient","id":"o2"}'))
    assert keys(page) == [("Observation/o2", None), ("Patient/o2", None)]
    assert [row.is_match for row in page.rows] == [True, False]


def test_what_is_not_used_is_ignored_with_its_reason() -> None:
    page = read(searchset(b'{"resourceType":"Encounter","id":"e"}', FINE, b'{"resourceType":"Encounter","id":"f"}'))
    assert (len(page.rows), page.ignored) == (1, {"type-not-used": 2})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T08:00:00.123+08:00", datetime(2026, 11, 20, 0, 0, 0, 123000, UTC)),
        ("2026-11-20T08:00:00", datetime(2026, 11, 20, 0, 0, 0, 0, UTC)),  # local, as some servers write
        ("20 Nov", None),
        ("", None),
    ],
)
def test_last_updated_is_read_in_the_zone_of_the_source(text: str, expected: datetime | None) -> None:
    page = read(
        searchset(json.dumps({"resourceType": "Observation", "id": "o", "meta": {"lastUpdated": text}}).encode())
    )
    assert page.rows[0].updated_at == expected


def outcome(severity: str, code: str) -> dict[str, Any]:
    issue = {"severity": severity, "code": code, "diagnostics": "张三 13800000000"}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


@pytest.mark.parametrize(
    ("code", "kind"),
    [("transient", Retriable), ("timeout", Retriable), ("forbidden", Fatal), ("login", Fatal), ("invalid", Fatal)],
)
@pytest.mark.parametrize("where", ["instead", "entry", "unmarked"])
def test_error_inside_a_200_is_an_error_and_tells_codes_only(code: str, kind: type[SourceError], where: str) -> None:
    given = outcome("error", code)
    body = json.dumps(given).encode()
    if where != "instead":
        mode = b',"search":{"mode":"outcome"}' if where == "entry" else b""
        body = b'{"resourceType":"Bundle","entry":[{"resource":' + body + mode + b'},{"resource":' + FINE + b"}]}"
    with pytest.raises(kind) as caught:
        read(body)
    assert code in caught.value.message
    assert "张三" not in caught.value.message
    assert "138" not in caught.value.message


@pytest.mark.parametrize("severity", ["warning", "information"])
def test_warning_among_the_results_is_ignored_with_its_reason(severity: str) -> None:
    page = read(searchset(FINE, json.dumps(outcome(severity, "not-supported")).encode()))
    assert (len(page.rows), page.ignored) == (1, {"search-outcome": 1})


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"<html>", Fatal, "not-fhir"),
        (b"  <Bundle xmlns='http://hl7.org/fhir'/>", Fatal, "not-fhir"),
        (b'{"resourceType":"Patient","id":"1"}', Fatal, "not-fhir"),
        (b"{}", Fatal, "not-fhir"),
        (searchset(FINE)[:-3], Retriable, "unreadable-answer"),
        (b"", Retriable, "unreadable-answer"),
        ("检验".encode("gb18030"), Retriable, "unreadable-answer"),
    ],
)
def test_answer_that_is_no_page_is_an_error(body: bytes, kind: type[SourceError], code: str) -> None:
    with pytest.raises(kind) as caught:
        read(body)
    assert caught.value.code == code


def test_deletion_in_a_history_is_the_entry_as_it_came() -> None:
    entry = b'{"request":{"method":"DELETE","url":"Observation/o1"},"response":{"lastModified":"2026-11-20T00:00:00Z"}}'
    page = read(b'{"resourceType":"Bundle","type":"history","entry":[' + entry + b"]}")
    (row,) = page.rows
    assert (row.record.key, row.record.is_deletion, row.record.body) == ("Observation/o1", True, entry)
    assert row.updated_at == datetime(2026, 11, 20, tzinfo=UTC)


def test_deletion_of_what_is_not_named_is_a_problem_and_no_deletion() -> None:
    page = read(b'{"resourceType":"Bundle","entry":[{"request":{"method":"DELETE","url":"Patient?name=x"}}]}')
    assert [(row.record.is_deletion, row.record.problem and row.record.problem[0]) for row in page.rows] == [
        (False, "delete-unclear")
    ]


def test_read_that_answers_another_resource_is_refused() -> None:
    assert read_resource(FINE, "Observation/o2", ZONE).record.problem is None
    row = read_resource(FINE, "Observation/o1", ZONE)
    assert (row.record.key, row.record.problem and row.record.problem[0]) == ("Observation/o1", "other-record")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff"])
def test_read_that_answers_no_resource_is_a_problem_of_that_record(body: bytes) -> None:
    row = read_resource(body, "Observation/o1", ZONE)
    assert row.record.key == "Observation/o1"
    assert row.record.problem is not None


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://h/fhir/Observation?_offset=20&_count=10", True),
        ("?page=2", True),
        ("Observation?_count=10&_skip=20", True),
        ("https://h/fhir?_getpages=1f&_getpagesoffset=20&_page=3", False),  # HAPI: counted in a snapshot
        ("https://h/fhir/Observation?ct=W3sidG9rZW4i", False),
        ("https://h/fhir/offset=3", False),
    ],
)
def test_next_link_that_counts_rows_is_told_from_one_that_points(link: str, expected: bool) -> None:
    assert shifts(link) is expected


def version_of(entry: bytes) -> tuple[bool, int | None]:
    (row,) = read(b'{"resourceType":"Bundle","type":"history","entry":[' + entry + b"]}").rows
    return row.record.is_deletion, row.version


def test_number_of_a_version_is_read_wherever_a_server_puts_it() -> None:
    deleted = b'{"request":{"method":"DELETE","url":"Observation/o%s"},"response":{"etag":"W/\\"%s\\""}}'
    assert version_of(deleted % (b"1/_history/12", b"x")) == (True, 12)
    assert version_of(deleted % (b"1", b"7")) == (True, 7)
    assert version_of(deleted % (b"17", b"a0b")) == (True, None)
    put = b'{"resource":{"resourceType":"Observation","id":"o1","meta":{"versionId":"%s"}},"request":{"method":"PUT"}}'
    assert version_of(put % b"3") == (False, 3)
    assert version_of(put % b"MTY4") == (False, None)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_answers_as_servers_give_them_become_what_is_expected(name: str) -> None:
    body = (FIXTURES / f"input/{name}.json").read_bytes()
    page, expected = read(body), EXPECTED[name]
    assert (page.next, page.total, page.ignored) == (expected["next"], expected["total"], expected["ignored"])
    for row, wanted in zip(page.rows, expected["rows"], strict=True):
        told = {
            "key": row.record.key, "match": row.is_match, "deletion": row.record.is_deletion, "version": row.version,
            "updated_at": row.updated_at.isoformat() if row.updated_at else None,
            "problem": row.record.problem[0] if row.record.problem else None,
        }  # fmt: skip
        assert {one: told[one] for one in wanted} == wanted
        assert told["problem"] == wanted.get("problem")
        assert row.record.body in body


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Bundle","entry":[{"resource":%b}],"entry":[{"resource":%b}]}' % (ODD, FINE),
        b'{"resourceType":"Bundle","entry":[{"resource":%b},{"resource":%b}],"entry":[{"resource":%b}]}'
        % (FINE, ODD, FINE),
        b'{"resourceType":"Bundle","entry":[{"resource":%b}],"entry":[]}' % ODD,
        b'{"resourceType":"Bundle","link":[{"relation":"next","url":"?p=2"}],"entry":[],"link":[]}',
        searchset(FINE, more=b',"link":[{"relation":"next","url":"?p=2"},{"relation":"next","url":"?p=3"}]'),
    ],
)
def test_page_of_which_a_part_would_be_passed_over_is_refused(body: bytes) -> None:
    with pytest.raises(Retriable, match=r"twice|two next") as caught:
        read(body)
    assert caught.value.code == "unreadable-answer"


def test_entry_with_two_resources_is_a_problem_and_its_neighbour_is_read() -> None:
    page = read(
        b'{"resourceType":"Bundle","entry":[{"resource":%b,"resource":%b},{"resource":%b}]}' % (ODD, FINE, FINE)
    )
    assert [problem for _, problem in keys(page)] == ["duplicate-key", None]
    assert ODD in page.rows[0].record.body


def test_nested_bundles_and_texts_that_speak_of_entries_are_no_second_list() -> None:
    inner = b'{"resourceType":"Observation","id":"o3","note":[{"text":"\\"entry\\""}],"x":{"entry":[{}],"link":1}}'
    assert keys(read(searchset(inner, FINE))) == [("Observation/o3", None), ("Observation/o2", None)]


def test_resource_marked_as_an_outcome_that_is_none_is_taken() -> None:
    page = read(b'{"resourceType":"Bundle","entry":[{"resource":%b,"search":{"mode":"outcome"}}]}' % FINE)
    assert (keys(page), page.ignored) == ([("Observation/o2", None)], {})


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"resourceType":"Bundle"}'.encode("utf-16"), "not UTF-8"),
        (b'{"resourceType":"Bundle","entry":{}}', r"Expected `array`.*entry"),
        (b'{"resourceType":"Bundle","entry":[}', r"byte \d+"),
        (b"", "no JSON"),
    ],
)
def test_page_that_cannot_be_read_is_said_with_its_place(body: bytes, told: str) -> None:
    with pytest.raises(Retriable, match=told):
        read(body)


def test_web_page_with_a_byte_order_mark_is_told_from_broken_json() -> None:
    with pytest.raises(Fatal, match="HTML"):
        read(b"\xef\xbb\xbf \n<html>")
