"""Pulling from a FHIR server that behaves: everything once, then changes, deletions, and what reports refer to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from service.ingest.source import Fatal
from tests.support.fhir_pulling import config_of, fill, pull, result, source_of
from tests.support.fhir_server import FhirServer

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with FhirServer() as started:
        yield started


ALL_OF_TEN = {"Patient/p1", "DiagnosticReport/r1", *(f"Observation/o{n}" for n in range(10))}


def test_first_run_gives_everything_once_and_reports_before_their_results(server: FhirServer) -> None:
    fill(server, 10)
    given = pull(config_of(server.url))
    assert sorted(given.keys) == sorted(ALL_OF_TEN)
    assert given.keys[:3] == ["Patient/p1", "DiagnosticReport/r1", "Observation/o0"]
    assert {one.scope for one in given.batches if one.records} == {"Patient", "Observation", "DiagnosticReport"}
    assert max(len(one.records) for one in given.batches) == 4


def test_digits_and_blanks_arrive_as_they_were_sent(server: FhirServer) -> None:
    text = '{"resourceType":"Observation", "id":"o1",  "valueQuantity":{"value":6.30,"unit":"\\u68c0 mg"}}'
    server.put(text)
    (record,) = pull(config_of(server.url)).records
    assert record.body.startswith(text[:-1].encode())


def test_run_without_news_repeats_the_overlap_only(server: FhirServer) -> None:
    fill(server, 10)  # a day ago
    first = pull(config_of(server.url, overlap=timedelta(seconds=12)))
    again = pull(config_of(server.url, overlap=timedelta(seconds=12)), first.cursor)
    assert again.keys == ["Patient/p1", "DiagnosticReport/r1", "Observation/o7", "Observation/o8", "Observation/o9"]
    assert again.cursor == pull(config_of(server.url, overlap=timedelta(seconds=12)), again.cursor).cursor


def test_empty_server_gives_nothing_and_a_later_record_is_found(server: FhirServer) -> None:
    empty = pull(config_of(server.url))
    assert empty.records == []
    server.put(result(1))
    assert "Observation/o1" in pull(config_of(server.url), empty.cursor).keys


def test_correction_and_withdrawal_arrive_as_new_versions(server: FhirServer) -> None:
    fill(server, 3)
    first = pull(config_of(server.url, overlap=timedelta(0)))
    server.put(result(1, status="corrected"))
    server.put(result(2, status="entered-in-error"))
    again = pull(config_of(server.url, overlap=timedelta(0)), first.cursor)
    states = {one.key: one.body for one in again.records}
    assert b"corrected" in states["Observation/o1"]
    assert b"entered-in-error" in states["Observation/o2"]


def test_record_that_was_dated_before_the_last_run_and_committed_after_it_is_found(server: FhirServer) -> None:
    fill(server, 3)
    server.put(result(5))
    first = pull(config_of(server.url))
    server.put(result(6), server.now() - timedelta(minutes=8))
    assert "Observation/o6" in pull(config_of(server.url), first.cursor).keys


def test_watermark_is_the_newest_change_and_never_later_than_the_run(server: FhirServer) -> None:
    fill(server, 3, server.now() - timedelta(hours=1))
    server.put(result(9), server.now() + timedelta(days=9))
    given = pull(config_of(server.url))
    newest = server.store.get("DiagnosticReport/r1")
    assert newest is not None
    assert max(one.watermark for one in given.batches if one.watermark) == newest.at.replace(
        microsecond=newest.at.microsecond // 1000 * 1000
    )
    assert "Observation/o9" not in given.keys


def test_first_run_begins_with_the_day_that_is_set(server: FhirServer) -> None:
    fill(server, 2, server.now() - timedelta(days=40))
    server.put(result(7))
    since = (server.now() - timedelta(days=3)).date()
    given = pull(config_of(server.url, {"since": since}))
    assert given.keys == ["Observation/o7", "Patient/p1"]  # its patient is older, and is read because it is referred to


@pytest.mark.parametrize("stopped_after", range(1, 9))
def test_killed_run_goes_on_where_it_was(server: FhirServer, stopped_after: int) -> None:
    fill(server, 18)
    first = pull(config_of(server.url), batches=stopped_after)
    rest = pull(config_of(server.url, {"follow": False}, overlap=timedelta(0)), first.cursor)
    assert set(first.keys) | set(rest.keys) >= {"Patient/p1", *(f"Observation/o{n}" for n in range(18))}
    assert len(rest.keys) <= 20 - len(first.keys) + 4  # one page again, or the newest of a type


def test_killed_run_whose_search_is_forgotten_goes_on_from_the_watermark(server: FhirServer) -> None:
    fill(server, 18)
    first = pull(config_of(server.url), batches=4)
    server.faults.expire_searches = 1
    rest = pull(config_of(server.url, {"follow": False}, overlap=timedelta(0)), first.cursor)
    assert set(first.keys) | set(rest.keys) >= {f"Observation/o{n}" for n in range(18)}
    assert "Observation/o0" not in rest.keys  # in order: what was given is not asked for again


def test_deletion_is_learned_from_the_history(server: FhirServer) -> None:
    fill(server, 5)
    first = pull(config_of(server.url))
    server.delete("Observation/o2")
    again = pull(config_of(server.url), first.cursor)
    assert again.deleted == ["Observation/o2"]
    assert b'"method": "DELETE"' in next(one.body for one in again.records if one.is_deletion)


def test_deletion_while_the_first_run_was_interrupted_is_learned(server: FhirServer) -> None:
    fill(server, 18)
    first = pull(config_of(server.url, overlap=timedelta(0)), batches=4)
    assert "Observation/o1" in first.keys
    server.delete("Observation/o1")
    server.put(result(30))
    assert pull(config_of(server.url, overlap=timedelta(0)), first.cursor).deleted == ["Observation/o1"]


@pytest.mark.parametrize("fault", ["", "without_last_updated", "unordered"])
def test_what_was_put_again_after_its_deletion_is_not_deleted(server: FhirServer, fault: str) -> None:
    fill(server, 5)
    if fault:
        setattr(server.faults, fault, True)
    first = pull(config_of(server.url))
    server.delete("Observation/o2")
    server.put(result(2))
    again = pull(config_of(server.url), first.cursor)
    assert again.deleted == []
    assert "Observation/o2" in again.keys


def test_without_a_history_all_ids_are_listed_once_a_day(server: FhirServer) -> None:
    server.faults.without_history = True
    fill(server, 9)
    cursor = pull(config_of(server.url)).cursor
    server.delete("Observation/o2")
    soon = pull(config_of(server.url), cursor)
    assert soon.listings == []
    server.faults.clock += timedelta(hours=25)
    later = pull(config_of(server.url), soon.cursor)
    listed = {one.scope: one.keys for one in later.listings}
    assert listed["Observation"] == {f"Observation/o{n}" for n in range(9) if n != 2}
    assert listed["Consent"] == frozenset()
    assert pull(config_of(server.url), later.cursor).listings == []


def test_beside_a_history_all_ids_are_listed_once_a_day(server: FhirServer) -> None:
    fill(server, 3)
    cursor = pull(config_of(server.url)).cursor
    for hours, number in ((20, 0), (5, 9), (1, 0)):
        server.faults.clock += timedelta(hours=hours)
        again = pull(config_of(server.url), cursor)
        cursor = again.cursor
        assert len(again.listings) == number


def test_listing_that_lacks_what_its_total_counts_is_not_believed(server: FhirServer) -> None:
    server.faults.without_history = True
    fill(server, 9)
    cursor = pull(config_of(server.url)).cursor
    server.faults.clock += timedelta(hours=25)
    real = server.answers._bundle
    server.answers._bundle = lambda search, total, links, entries: real(search, total, links[:1], entries[:3])  # type: ignore[method-assign]
    assert all(one.scope != "Observation" for one in pull(config_of(server.url), cursor).listings)


def test_type_the_server_does_not_offer_is_left_out(server: FhirServer) -> None:
    fill(server, 2)
    server.faults.undeclared = {"Consent", "Device"}
    assert sorted(pull(config_of(server.url)).keys) == sorted(
        ["Patient/p1", "Observation/o0", "Observation/o1", "DiagnosticReport/r1"]
    )
    assert not {"Consent", "Device"} & set(server.paths())


def test_type_that_is_named_is_asked_for_whatever_is_claimed(server: FhirServer) -> None:
    fill(server, 2)
    server.faults.undeclared = {"Observation"}
    given = pull(config_of(server.url, {"types": ["Observation"]}))
    assert sorted(given.keys) == ["Observation/o0", "Observation/o1", "Patient/p1"]


def test_reference_nobody_gave_is_read_in_one_question(server: FhirServer) -> None:
    fill(server, 9)
    server.faults.without_include = True
    given = pull(config_of(server.url, {"types": ["DiagnosticReport"]}))
    assert sorted(given.keys) == sorted(["Patient/p1", "DiagnosticReport/r1", *(f"Observation/o{n}" for n in range(9))])
    assert server.paths().count("Observation") == 1
    assert not any(one.startswith("Observation/") for one in server.paths())


def test_types_without_a_search_of_their_own_come_along_where_the_server_offers_it(server: FhirServer) -> None:
    fill(server, 3)
    given = pull(config_of(server.url, {"search_by": "date", "days_back": 7}))
    assert "Patient/p1" in given.keys
    asked = [value for one in server.asked for name, value in one.query if name == "_include"]
    assert "Observation:subject" in asked


@pytest.mark.parametrize("status", [404, 410])
def test_result_that_is_not_returned_is_a_problem_and_is_asked_for_again(server: FhirServer, status: int) -> None:
    fill(server, 6)
    server.faults.hidden["Observation/o3"] = status
    first = pull(config_of(server.url))
    code = {404: "reference-missing", 410: "reference-deleted"}[status]
    assert first.problems == [("Observation/o3", code)]
    again = pull(config_of(server.url), first.cursor)
    assert again.problems == []  # said once
    del server.faults.hidden["Observation/o3"]
    server.faults.passed_over = set()
    found = pull(config_of(server.url, overlap=timedelta(0)), again.cursor)
    assert "Observation/o3" in found.keys
    assert "missing" not in found.cursor


def test_what_a_first_run_lacks_is_not_forgotten_when_it_is_killed_at_its_end(server: FhirServer) -> None:
    fill(server, 6)
    server.faults.hidden = {"Observation/o3": 404, "Patient/p1": 404}
    whole = pull(config_of(server.url))
    assert {key for key, _ in whole.problems} == {"Observation/o3", "Patient/p1"}
    first_problem = next(n for n, one in enumerate(whole.batches, 1) if any(record.problem for record in one.records))
    killed = pull(config_of(server.url), batches=first_problem)
    server.faults.hidden = {}
    assert {"Observation/o3", "Patient/p1"} <= set(
        pull(config_of(server.url, overlap=timedelta(0)), killed.cursor).keys
    )


def test_reference_to_another_server_is_not_looked_for_here(server: FhirServer) -> None:
    about = {"reference": "https://elsewhere.example/fhir/Patient/p1"}
    server.put(result(1, subject=about))
    pull(config_of(server.url, {"types": ["Observation"]}))
    assert not any(path.startswith("Patient") for path in server.paths())


def test_old_dates_are_read_again_where_nothing_tells_what_changed(server: FhirServer) -> None:
    server.faults.refused = {"_lastUpdated", "_sort"}
    now = server.now()
    for n, days in enumerate((1, 5, 40)):
        server.put(result(n, effectiveDateTime=(now - timedelta(days=days)).isoformat()))
    options = {"search_by": "date", "days_back": 7}
    first = pull(config_of(server.url, options))
    again = pull(config_of(server.url, options), first.cursor)
    assert {one for one in first.keys if one.startswith("Obs")} == {
        "Observation/o0",
        "Observation/o1",
        "Observation/o2",
    }
    assert {one for one in again.keys if one.startswith("Obs")} == {"Observation/o0", "Observation/o1"}


def test_server_of_another_release_is_refused(server: FhirServer) -> None:
    server.faults.fhir_version = "5.0.0"
    with pytest.raises(Fatal) as caught:
        pull(config_of(server.url))
    assert caught.value.code == "wrong-version"


def test_address_that_is_no_fhir_server_is_refused(server: FhirServer) -> None:
    with pytest.raises(Fatal) as caught:
        pull(config_of(f"{server.url}/x"))
    assert caught.value.code == "not-fhir"


def test_probe_asks_one_cheap_question(server: FhirServer) -> None:
    source = source_of(config_of(server.url))
    source.probe()
    source.close()
    assert [(one.path, one.query) for one in server.asked] == [("metadata", [("_summary", "true")])]
