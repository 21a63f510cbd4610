"""A manifest is taken whole or not at all; options and cursors say what is wrong with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.fhir_bulk import open_source
from adapters.fhir_bulk.cursor import State, read_cursor
from adapters.fhir_bulk.manifest import ExportFile, Manifest, Section, read_manifest
from adapters.fhir_bulk.options import read_options
from service.ingest.source import Fatal, Retriable, SourceConfig

FIXTURES = Path(__file__).parents[4] / "fixtures/adapters/fhir_bulk"
GOOD: dict[str, Any] = {
    "transactionTime": "2026-11-20T08:00:00.123+08:00", "request": "https://h/fhir/$export",
    "requiresAccessToken": True, "error": [],
    "output": [{"type": "Patient", "url": "https://h/fhir/p.ndjson?sig=1", "count": 2}],
}  # fmt: skip


def read(**changes: Any) -> Manifest:
    told = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return read_manifest(json.dumps(told).encode(), lambda link: b"never")


def test_manifest_names_its_time_and_files() -> None:
    found = read()
    assert found.transaction_time == datetime(2026, 11, 20, 0, 0, 0, 123000, UTC)
    assert found.needs_token is True
    assert found.files == (ExportFile(Section.OUTPUT, "Patient", "https://h/fhir/p.ndjson?sig=1", 2),)


def test_deletions_and_errors_come_after_what_was_exported() -> None:
    one = [{"type": "x", "url": "https://h/x"}]
    found = read(error=one, deleted=one, output=one, requiresAccessToken=None)
    assert [file.section for file in found.files] == [Section.OUTPUT, Section.DELETED, Section.ERROR]
    assert found.needs_token is False


@pytest.mark.parametrize("changes", [
    {"transactionTime": None}, {"transactionTime": "2026-11-20"}, {"transactionTime": "2026-11-20T08:00:00"},
    {"transactionTime": "yesterday"},
    {"transactionTime": "0001-01-01T00:00:00+14:00"}, {"output": None}, {"output": {}},
    {"output": [{"type": "Patient"}]},
    {"output": [{"url": 1}]}, {"requiresAccessToken": "yes"},
    {"output": [{"type": "Patient", "url": "x", "count": "2"}]},
])  # fmt: skip
def test_manifest_that_leaves_out_what_makes_it_whole_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Fatal) as caught:
        read(**changes)
    assert caught.value.code == "bad-manifest"


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff"])
def test_manifest_that_is_no_json_may_come_right(body: bytes) -> None:
    with pytest.raises(Retriable) as caught:
        read_manifest(body, lambda link: b"")
    assert caught.value.code == "bad-manifest"


def test_pages_of_a_manifest_are_one() -> None:
    pages = {
        "2": {
            **GOOD,
            "output": [{"type": "Observation", "url": "https://h/o"}],
            "link": [{"relation": "next", "url": "3"}],
        },
        "3": {**GOOD, "output": [{"type": "Device", "url": "https://h/d"}], "deleted": [{"url": "https://h/gone"}]},
    }
    first = {**GOOD, "link": [{"relation": "self", "url": "1"}, {"relation": "next", "url": "2"}]}
    found = read_manifest(json.dumps(first).encode(), lambda link: json.dumps(pages[link]).encode())
    assert [one.type for one in found.files] == ["Patient", "Device", "Observation", ""]


def test_pages_of_different_exports_are_refused() -> None:
    first = {**GOOD, "link": [{"relation": "next", "url": "2"}]}
    other = json.dumps({**GOOD, "transactionTime": "2026-11-21T08:00:00Z"}).encode()
    with pytest.raises(Fatal, match="different times"):
        read_manifest(json.dumps(first).encode(), lambda link: other)


def test_mark_tells_other_files_and_not_other_signatures() -> None:
    def mark(url: str, count: int = 2) -> str:
        return read(output=[{"type": "Patient", "url": url, "count": count}]).mark

    assert mark("https://h/p?sig=1") == mark("https://h/p?sig=2")
    assert len({mark("https://h/p"), mark("https://h/q"), mark("https://h/p", 3)}) == 3


def test_place_survives_in_a_cursor_and_starts_over_with_other_files() -> None:
    state = State("2026-11-20T00:00:00Z", "https://h/s", "mark", 3, 40, failed=1)
    assert read_cursor(json.loads(json.dumps(state.cursor()))) == state
    state.follow("mark")
    assert (state.file, state.line) == (3, 40)
    state.follow("other")
    assert (state.file, state.line, state.failed, state.status) == (0, 0, 0, "https://h/s")
    state.forget()
    assert state == State("2026-11-20T00:00:00Z")


@pytest.mark.parametrize("cursor", [None, {}, {"since": 3}, {"file": "x"}, {"after": 7}])
def test_cursor_that_is_not_ours_is_the_beginning(cursor: dict[str, Any] | None) -> None:
    assert read_cursor(cursor) == State()


@pytest.mark.parametrize(("options", "named"), [
    ({"no_such": 1}, "no_such"), ({"types": ["Claim"]}, "Claim"), ({"export": "all"}, "export"),
    ({"batch": 0}, "batch"),
    ({"export": "group"}, "group"), ({"group": "g1"}, "group"), ({"export": "group", "group": "a/b"}, "group"),
    ({"wait_hours": -1}, "wait_hours"), ({"file_hosts": "x"}, "file_hosts"), ({"since": "soon"}, "since"),
])  # fmt: skip
def test_option_that_cannot_be_used_is_named_when_the_source_is_opened(options: dict[str, Any], named: str) -> None:
    with pytest.raises(Fatal, match=named) as caught:
        open_source(SourceConfig("b", "fhir-bulk", "h1", "https://h/fhir", options=options))
    assert caught.value.code == "bad-option"


@pytest.mark.parametrize(("options", "path", "count"), [
    ({}, "Patient/$export", 7), ({"export": "system"}, "$export", 9), ({"types": ["Patient"]}, "Patient/$export", 1),
    ({"export": "group", "group": "g-1"}, "Group/g-1/$export", 7),
])  # fmt: skip
def test_level_and_types_are_as_configured(options: dict[str, Any], path: str, count: int) -> None:
    found = read_options(SourceConfig("b", "fhir-bulk", "h1", "https://h/fhir", options=options))
    assert (found.path, len(found.asked)) == (path, count)


def test_example_manifest_is_read() -> None:
    found = read_manifest((FIXTURES / "input/manifest.json").read_bytes(), lambda link: b"")
    assert [(one.section, one.type, one.count) for one in found.files] == [
        (Section.OUTPUT, "Observation", 3), (Section.DELETED, "Bundle", 1), (Section.ERROR, "OperationOutcome", 1),
    ]  # fmt: skip


def test_manifest_with_two_lists_of_files_is_refused() -> None:
    body = json.dumps(GOOD).encode()[:-1] + b',"output":[]}'
    with pytest.raises(Fatal, match="twice"):
        read_manifest(body, lambda link: b"")


def test_manifest_may_begin_with_a_byte_order_mark() -> None:
    assert read_manifest(b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), lambda link: b"").files
