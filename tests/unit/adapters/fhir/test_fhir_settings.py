"""Options, capabilities and cursors: what is wrong is named, what is odd is lived with."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from adapters.fhir.capabilities import read_capabilities
from adapters.fhir.cursor import State, TypeState, read_cursor
from adapters.fhir.options import IN_ORDER, read_options
from service.ingest.fhir_r4.shapes import SHAPES
from service.ingest.source import Fatal, SourceConfig


def options(**given: Any) -> Any:
    return read_options(SourceConfig("s", "fhir", "h1", "https://h/fhir", options=given))


def test_every_type_that_is_read_is_pulled() -> None:
    assert set(IN_ORDER) == set(SHAPES)


def test_options_of_the_settings_and_those_of_the_transport_are_taken() -> None:
    given = options(page=50, since=date(2026, 1, 1), also_known_as=["http://x/fhir"], scope="system/*.rs")
    assert (given.page, given.since) == (50, date(2026, 1, 1))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"pages": 3}, "pages"),
        ({"page": "many"}, "page"),
        ({"page": 0}, "page"),
        ({"types": ["Encounter"]}, "Encounter"),
        ({"search_by": "luck"}, "luck"),
        ({"clock_ahead_hours": 40}, "clock_ahead_hours"),
    ],
)
def test_option_that_cannot_be_meant_is_refused_by_name(given: dict[str, Any], named: str) -> None:
    with pytest.raises(Fatal) as caught:
        options(**given)
    assert caught.value.code == "bad-option"
    assert named in caught.value.message


def statement(**more: Any) -> bytes:
    return json.dumps({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", **more}).encode()


def test_capabilities_are_read_by_type_with_what_holds_for_all() -> None:
    kind = {
        "type": "Observation", "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [{"name": "date"}], "searchInclude": ["Observation:subject"],
    }  # fmt: skip
    rest = {"mode": "server", "searchParam": [{"name": "_lastUpdated"}], "resource": [kind, {"type": "Patient"}]}
    found = read_capabilities(statement(rest=[{"mode": "client", "resource": [{"type": "Group"}]}, rest]))
    assert set(found.types) == {"Observation", "Patient"}
    told = found.types["Observation"]
    assert (told.interactions, told.parameters) == ({"read", "search-type"}, {"date", "_lastUpdated"})
    assert told.can_include("Observation", "subject")
    assert not told.can_include("Observation", "device")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html>", "not-fhir"),
        (b"\xff", "not-fhir"),
        (b"[]", "not-fhir"),
        (b'{"resourceType":"Bundle"}', "not-fhir"),
        (b"[" * 5000, "not-fhir"),
        (statement(fhirVersion="3.0.2"), "wrong-version"),
        (statement(fhirVersion="4.3.0"), "wrong-version"),
        (b'{"resourceType":"CapabilityStatement"}', "wrong-version"),
    ],
)
def test_what_is_no_r4_server_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Fatal) as caught:
        read_capabilities(body)
    assert caught.value.code == code


def test_cursor_is_json_and_comes_back_as_it_was() -> None:
    at = datetime(2026, 11, 20, 1, 2, 3, 456000, UTC)
    state = State({"Observation": TypeState(watermark=at, until=at, next="https://h/fhir?p=2", ordered=True)})
    state.missing["Patient/1"] = 2
    again = read_cursor(json.loads(json.dumps(state.cursor())))
    assert again == state


@pytest.mark.parametrize("cursor", [None, {}, {"types": 7}, {"types": {"Observation": {"watermark": "noon"}}}])
def test_cursor_that_is_not_ours_begins_at_the_beginning(cursor: Any) -> None:
    assert read_cursor(cursor) == State()


def test_order_that_turns_out_to_be_none_takes_the_watermark_back() -> None:
    old, new = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    state = TypeState(watermark=old)
    state.start(new)
    state.ordered = True
    state.moved(new)
    state.unordered()
    assert (state.watermark, state.ordered) == (old, False)
