"""Every defect of real FHIR servers that is known to us, one switch each: nothing is lost, or it is said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.ingest.source import Fatal, Level, Limits, Retriable, SourceError
from tests.support.fhir_pulling import ZONE, Result, config_of, fill, pull, result, source_of
from tests.support.fhir_server import FhirServer

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with FhirServer() as started:
        fill(started, 10)
        yield started


ALL = {"Patient/p1", "DiagnosticReport/r1", *(f"Observation/o{n}" for n in range(10))}


def failing(
    server: FhirServer, cursor: Any = None, options: Mapping[str, Any] | None = None, **more: Any
) -> tuple[SourceError, Result]:
    into = Result()
    with pytest.raises(SourceError) as caught:
        pull(config_of(server.url, options, **more), cursor, into=into)
    return caught.value, into


@pytest.mark.parametrize("link", ["double-port", "relative", "long", "unescaped"])
def test_odd_next_link_is_followed(server: FhirServer, link: str) -> None:
    server.faults.next_link = link
    assert set(pull(config_of(server.url)).keys) == ALL


def test_servers_own_idea_of_its_address_is_followed_only_where_it_is_listed(server: FhirServer) -> None:
    server.faults.next_link = "inner-host"
    error, _ = failing(server)
    assert (type(error), error.code) == (Fatal, "foreign-address")
    known = config_of(server.url, {"also_known_as": ["http://fhir-internal.example:8080/fhir"]})
    assert set(pull(known).keys) == ALL


def test_foreign_next_link_gets_no_request_and_what_came_before_is_kept(server: FhirServer) -> None:
    server.faults.next_link = "foreign"
    error, given = failing(server)
    assert error.code == "foreign-address"
    assert set(given.keys) == {"Patient/p1", "DiagnosticReport/r1"}  # of one page each


def test_next_link_to_the_same_page_ends_the_run(server: FhirServer) -> None:
    server.faults.next_link = "repeated"
    error, _ = failing(server)
    assert (type(error), error.code) == (Fatal, "repeated-link")


def test_paging_without_end_ends(server: FhirServer) -> None:
    server.faults.endless = True
    server.faults.empty_pages = True
    error, _ = failing(server, limits=Limits(requests_per_second=100_000, pages=12))
    assert error.code in ("too-many-pages", "repeated-link")


def test_empty_pages_in_between_are_passed(server: FhirServer) -> None:
    server.faults.empty_pages = True
    assert set(pull(config_of(server.url)).keys) == ALL


def test_search_that_expires_is_begun_anew(server: FhirServer) -> None:
    server.faults.expire_searches = 2
    assert set(pull(config_of(server.url)).keys) == ALL


def test_search_that_always_expires_is_given_up(server: FhirServer) -> None:
    server.faults.expire_searches = 10_000
    server.faults.unordered = True
    error, _ = failing(server)
    assert (type(error), error.code) == (Retriable, "search-expired")


def test_unordered_search_that_expires_is_read_from_its_beginning(server: FhirServer) -> None:
    server.faults.unordered = True
    server.put(result(0), server.now() - timedelta(hours=2))  # the oldest by arrival is the newest by time
    first = pull(config_of(server.url), batches=3)
    assert len([one for one in first.keys if one.startswith("Observation")]) == 4
    server.faults.expire_searches = 1
    rest = pull(config_of(server.url, overlap=timedelta(0)), first.cursor)
    assert set(rest.keys) >= ALL - {"Patient/p1"}


@pytest.mark.parametrize("paging", ["snapshot", "offset"])
def test_row_that_changes_while_pages_are_read_costs_no_other_row(server: FhirServer, paging: str) -> None:
    server.faults.paging = paging
    config = config_of(server.url, {"types": ["Observation"]})
    source, given = source_of(config), Result()
    for n, batch in enumerate(source.pull(None)):
        given.add(batch)
        if n == 1:
            server.put(result(0), server.now() + timedelta(hours=1))  # leaves the search: later rows move up by one
    source.close()
    assert {f"Observation/o{n}" for n in range(10)} <= set(given.keys)


def test_many_changes_of_one_moment_are_all_read(server: FhirServer) -> None:
    at = server.now() - timedelta(hours=3)
    for n in range(100, 130):
        server.put(result(n), at)
    for paging in ("snapshot", "offset"):
        server.faults.paging = paging
        assert {f"Observation/o{n}" for n in range(100, 130)} <= set(pull(config_of(server.url)).keys)


def test_outcome_in_a_200_ends_the_run_and_the_next_one_goes_on(server: FhirServer) -> None:
    server.faults.outcome_instead = 1
    error, given = failing(server)
    assert (type(error), error.code) == (Retriable, "incomplete-answer")
    assert set(pull(config_of(server.url), given.cursor).keys) == ALL


def test_refusing_outcome_in_a_200_is_final_and_tells_no_patient(server: FhirServer) -> None:
    server.faults.outcome_instead, server.faults.outcome_code = 99, "forbidden"
    error, _ = failing(server)
    assert type(error) is Fatal
    assert "张三" not in str(error)


@pytest.mark.parametrize("marked", [True, False])
def test_error_among_the_results_is_not_taken_for_completeness(server: FhirServer, marked: bool) -> None:
    server.faults.outcome_entry, server.faults.outcome_mode = "error", marked
    error, _ = failing(server)
    assert type(error) is Retriable


def test_warning_among_the_results_is_counted(server: FhirServer) -> None:
    server.faults.outcome_entry = "warning"
    given = pull(config_of(server.url))
    assert set(given.keys) == ALL
    assert given.ignored["search-outcome"] > 0


def test_changes_without_last_updated_are_found_by_reading_everything(server: FhirServer) -> None:
    server.faults.without_last_updated = True
    first = pull(config_of(server.url))
    server.put(result(3, status="corrected"))
    again = pull(config_of(server.url), first.cursor)
    assert set(first.keys) == set(again.keys) == ALL


def test_local_times_count_in_the_zone_of_the_source(server: FhirServer) -> None:
    server.faults.local_times = ZONE
    first = pull(config_of(server.url, {"types": ["Observation"]}, overlap=timedelta(seconds=7)))
    again = pull(config_of(server.url, {"types": ["Observation"]}, overlap=timedelta(seconds=7)), first.cursor)
    assert again.keys == ["Observation/o8", "Observation/o9", "Patient/p1"]


def test_clock_that_is_hours_off_loses_and_repeats_nothing(server: FhirServer) -> None:
    for hours in (-30, 30):
        server.faults.clock = timedelta(hours=hours)
        first = pull(config_of(server.url))
        server.put(result(50 + hours))
        assert f"Observation/o{50 + hours}" in pull(config_of(server.url), first.cursor).keys


def test_server_without_a_date_is_read_by_our_clock(server: FhirServer) -> None:
    server.faults.without_date = True
    assert set(pull(config_of(server.url)).keys) == ALL


def test_stamps_ahead_of_the_servers_clock_are_noticed_and_read_when_that_is_set(server: FhirServer) -> None:
    server.put(result(70), server.now() + timedelta(hours=8))
    source = source_of(config_of(server.url))
    warned = [one for one in source.check().findings if one.level is Level.WARNING and one.name == "clock"]
    source.close()
    assert any("clock_ahead_hours" in one.text for one in warned)
    assert "Observation/o70" in pull(config_of(server.url, {"clock_ahead_hours": 9})).keys


def test_includes_that_are_not_offered_are_not_asked_for(server: FhirServer) -> None:
    server.faults.without_include = True
    given = pull(config_of(server.url, {"search_by": "date"}))
    assert "Patient/p1" in given.keys
    assert not any(name == "_include" for one in server.asked for name, _ in one.query)


@pytest.mark.parametrize("refused", [{"_sort"}, {"_include"}, {"_id"}, {"_elements"}, {"_sort", "_include", "_id"}])
def test_claims_that_are_lies_are_done_without(server: FhirServer, refused: set[str]) -> None:
    server.faults.claims_all, server.faults.refused, server.faults.without_history = True, refused, True
    options = {"types": ["Observation", "DiagnosticReport"]}
    first = pull(config_of(server.url, options))
    assert set(first.keys) == ALL
    server.faults.clock += timedelta(hours=25)
    listed = {one.scope for one in pull(config_of(server.url, options), first.cursor).listings}
    assert listed == {"Observation", "DiagnosticReport"}


def test_server_that_claims_nothing_is_tried(server: FhirServer) -> None:
    server.faults.claims_no_parameters = True
    assert set(pull(config_of(server.url)).keys) == ALL


def test_server_that_cannot_tell_changes_is_refused_with_what_to_set(server: FhirServer) -> None:
    server.faults.refused = {"_lastUpdated"}
    error, _ = failing(server)
    assert type(error) is Fatal
    assert "search_by" in str(error)


def test_server_that_passes_the_time_over_gives_everything_and_check_says_so(server: FhirServer) -> None:
    server.faults.passed_over = {"_lastUpdated"}
    assert set(pull(config_of(server.url)).keys) == ALL
    source = source_of(config_of(server.url))
    found = [one for one in source.check().findings if one.name == "changes"]
    source.close()
    assert [one.level for one in found] == [Level.WARNING]


@pytest.mark.parametrize(("fault", "count"), [("too_many", 2), ("broken", 3), ("unauthorised", 1), ("cut", 2)])
def test_passing_trouble_is_sat_out_or_the_next_run_goes_on(server: FhirServer, fault: str, count: int) -> None:
    setattr(server.faults, fault, count)
    given = Result()
    try:
        pull(config_of(server.url), into=given)
    except SourceError:
        pull(config_of(server.url), given.cursor, into=given)
    assert set(given.keys) == ALL


def test_type_that_always_fails_is_said_and_loses_nothing_of_what_came(server: FhirServer) -> None:
    server.faults.broken_paths = {"Observation"}
    server.faults.broken_status = 500
    error, given = failing(server)
    assert (type(error), error.code) == (Retriable, "server-error")
    assert {"Patient/p1", "DiagnosticReport/r1"} == set(given.keys)  # other types need not wait for it
    assert {code for _, code in given.problems} == {"reference-failed"}
    server.faults.broken_paths = set()
    assert set(given.keys) | set(pull(config_of(server.url), given.cursor).keys) == ALL


def test_resource_that_breaks_its_servers_answers_costs_no_neighbour_for_long(server: FhirServer) -> None:
    server.faults.poisoned = {"Observation/o6"}
    options = {"deletions": "none"}
    given = Result()
    for _ in range(2):
        with pytest.raises(Retriable):
            pull(config_of(server.url, options), given.cursor, into=given)
    assert "Observation/o8" not in given.keys
    third = pull(config_of(server.url, options), given.cursor)
    assert {f"Observation/o{n}" for n in range(10) if n != 6} <= set(given.keys) | set(third.keys)
    assert [code for key, code in third.problems if "unreadable" in key] == ["unreadable-at-source"]
    fourth = pull(config_of(server.url, options, overlap=timedelta(days=9)), third.cursor)
    assert {f"Observation/o{n}" for n in range(10) if n != 6} <= set(fourth.keys)
    server.faults.poisoned = set()
    mended = pull(config_of(server.url, options, overlap=timedelta(0)), fourth.cursor)
    assert "Observation/o6" in mended.keys
    assert "unread" not in mended.cursor["types"]["Observation"]


def test_many_rows_of_a_second_that_was_left_out_come_once_it_is_mended(server: FhirServer) -> None:
    at = server.now() - timedelta(hours=2)
    for n in range(100, 111):
        server.put(result(n), at)
    server.faults.poisoned = {"Observation/o105"}
    options, given = {"deletions": "none"}, Result()
    for _ in range(2):
        with pytest.raises(Retriable):
            pull(config_of(server.url, options), given.cursor, into=given)
    third = pull(config_of(server.url, options), given.cursor)
    assert third.problems
    server.faults.poisoned = set()
    mended = pull(config_of(server.url, options), third.cursor)
    assert {f"Observation/o{n}" for n in range(100, 111)} <= set(mended.keys)


@pytest.mark.parametrize("stamp", ["2999-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_resource_stamped_in_the_far_future_takes_the_watermark_nowhere(server: FhirServer, stamp: str) -> None:
    server.faults.passed_over = {"_lastUpdated"}
    server.put({"resourceType": "Device", "id": "d1"}, datetime.fromisoformat(stamp))
    state = pull(config_of(server.url, {"types": ["Device"]})).cursor["types"]["Device"]
    assert datetime.fromisoformat(state["watermark"]) <= server.now()


def test_resource_stamped_before_all_time_stops_no_later_run(server: FhirServer) -> None:
    server.faults.passed_over = {"_lastUpdated"}
    config = config_of(server.url, {"types": ["Device"]})
    server.put({"resourceType": "Device", "id": "d1"}, datetime(1, 1, 1, tzinfo=UTC))
    first = pull(config)
    assert "Device/d1" in first.keys
    assert "Device/d1" in pull(config, first.cursor).keys


def test_pages_that_never_change_under_ever_new_links_are_left(server: FhirServer) -> None:
    server.faults.next_link = "renewed"
    error, given = failing(server)
    assert (type(error), error.code) == (Fatal, "repeated-link")
    assert len(server.asked) < 20
    assert given.keys


@pytest.mark.parametrize("status", [202, 204, 206, 304])
def test_answer_that_is_not_the_whole_of_it_is_not_taken_for_it(server: FhirServer, status: int) -> None:
    server.faults.broken_paths, server.faults.broken_status = {"Observation"}, status
    error, _ = failing(server)
    assert isinstance(error, Retriable)
    assert error.code == "incomplete-answer"
    assert str(status) in error.message
    assert "redirect" not in error.message


def test_server_that_fails_altogether_is_not_read_past(server: FhirServer) -> None:
    server.faults.broken_paths, server.faults.broken_status = {"Observation"}, 500
    given = Result()
    for _ in range(4):
        with pytest.raises(Retriable):
            pull(config_of(server.url, {"types": ["Observation"]}), given.cursor, into=given)
    assert "unread" not in given.cursor["types"]["Observation"]
    assert not given.problems
    server.faults.broken_paths = set()
    config = config_of(server.url, {"types": ["Observation"]})
    healed = pull(config, given.cursor)
    healed = pull(config, healed.cursor, into=healed)
    assert {f"Observation/o{n}" for n in range(10)} <= set(healed.keys)


@pytest.mark.parametrize("at", [0, 5, 17, 60, 200, 700, -1, -30])
def test_answer_that_is_cut_is_never_taken_for_whole(server: FhirServer, at: int) -> None:
    server.faults.cut_at, server.faults.cut = at, 10_000
    error, given = failing(server)
    assert isinstance(error, Retriable)
    server.faults.cut = 0
    assert set(pull(config_of(server.url), given.cursor).keys) == ALL


def test_answer_larger_than_allowed_is_refused_with_what_to_set(server: FhirServer) -> None:
    fill(server, 60)
    error, _ = failing(server, limits=Limits(requests_per_second=1e5, answer_bytes=9000), options={"page": 200})
    assert (type(error), error.code) == (Fatal, "too-large")
    assert "options.page" in str(error)


def test_slow_drip_ends_within_the_limits(server: FhirServer) -> None:
    server.faults.drip = 0.02
    error, _ = failing(server, limits=Limits(requests_per_second=1e5, read_seconds=1, answer_seconds=0.3, retries=0))
    assert (type(error), error.code) == (Retriable, "slow")


def test_compressed_answers_are_read(server: FhirServer) -> None:
    server.faults.gzip = True
    assert set(pull(config_of(server.url)).keys) == ALL


def test_resources_of_other_releases_odd_values_and_text_only_reports_pass_unaltered(server: FhirServer) -> None:
    odd: list[dict[str, Any]] = [
        {"resourceType": "ImagingStudy", "id": "r5", "modality": [{"coding": [{"code": "CT"}]}]},
        {"resourceType": "Observation", "id": "stu3", "comment": "x", "interpretation": {"text": "H"}},
        {"resourceType": "Observation", "id": "text", "valueQuantity": {"value": "<5.0"}},
        {"resourceType": "DiagnosticReport", "id": "inside", "contained": [{"resourceType": "Observation", "id": "1"}],
         "result": [{"reference": "#1"}]},
        {"resourceType": "DiagnosticReport", "id": "pdf", "presentedForm": [{"contentType": "application/pdf"}]},
        {"resourceType": "DiagnosticReport", "id": "text"},
    ]  # fmt: skip
    for one in odd:
        server.put(one)
    given = {one.key: json.loads(one.body) for one in pull(config_of(server.url)).records}
    for one in odd:
        found = given[f"{one['resourceType']}/{one['id']}"]
        assert {key: found[key] for key in one} == one


@pytest.mark.parametrize("note", [b"\x02", "检验".encode("gb18030")], ids=["control", "gbk"])
def test_resource_nobody_can_read_is_kept_as_a_problem_in_every_run(server: FhirServer, note: bytes) -> None:
    text = b'{"resourceType":"Observation","id":"bad","note":"' + note + b'"}'
    server.store.put_raw("Observation/bad", text)
    first = pull(config_of(server.url))
    assert set(first.keys) == ALL
    (problem,) = first.problems
    assert text in next(one.body for one in first.records if one.problem)
    assert pull(config_of(server.url), first.cursor).problems == [problem]


@pytest.mark.parametrize("instead", [b"<html>login</html>", b"[]", b'{"resourceType":"Patient","id":"1"}'])
def test_answer_that_is_no_bundle_is_said(server: FhirServer, instead: bytes) -> None:
    server.faults.instead = instead
    error, given = failing(server)
    assert error.code in ("not-fhir", "unreadable-answer")
    assert given.records == []
