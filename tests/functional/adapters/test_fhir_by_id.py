"""What a listing names and no search gave: read by ids, several at once, else one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.fhir import byid, open_source
from service.security.keys import KeyRing
from tests.contract.test_fhir import FhirWorld
from tests.support.fhir_pulling import Result, config_of, fill, pull, source_of
from tests.support.fhir_server import FhirServer
from tests.support.pulling import installation

pytestmark = pytest.mark.slow
KEYS = ["DiagnosticReport/r1", "Observation/o0", "Observation/o1", "Observation/o2", "Patient/p1"]
OLD = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with FhirServer() as made:
        fill(made, 3)
        yield made


@pytest.fixture
def world() -> Iterator[FhirWorld]:
    made = FhirWorld()
    yield made
    made.stop()


def fetched(server: FhirServer, keys: list[str]) -> tuple[Result, set[str]]:
    """What came, and what was answered."""
    result = Result()
    with closing(source_of(config_of(server.url))) as source:
        for one in source.fetch(keys):
            result.add(one)
    return result, {key for one in result.batches for key in one.asked}


def test_several_of_a_type_are_one_question_and_a_single_one_is_read(server: FhirServer) -> None:
    result, asked = fetched(server, KEYS)
    assert (sorted(result.keys), asked) == (KEYS, set(KEYS))
    assert server.paths() == ["metadata", "DiagnosticReport/r1", "Observation", "Patient/p1"]
    assert [one.scope for one in result.batches] == ["DiagnosticReport", "Observation", "Patient"]


@pytest.mark.parametrize("fault", ["refused", "passed_over"])
def test_server_that_cannot_search_by_id_is_read_from_one_by_one(server: FhirServer, fault: str) -> None:
    setattr(server.faults, fault, {"_id"})
    for n in range(3, 9):
        server.put({"resourceType": "Observation", "id": f"o{n}", "status": "final"})
    result, asked = fetched(server, KEYS)
    assert (sorted(result.keys), asked) == (KEYS, set(KEYS))
    assert server.paths().count("Observation") == 1


@pytest.mark.parametrize("trouble", ["gone", "poisoned", "hidden"])
def test_one_that_cannot_be_had_is_answered_and_costs_no_neighbour(server: FhirServer, trouble: str) -> None:
    if trouble == "gone":
        server.delete("Observation/o1")
    elif trouble == "poisoned":
        server.faults.poisoned = {"Observation/o1"}
    else:
        server.faults.hidden = {"Observation/o1": 403}
    result, asked = fetched(server, KEYS)
    assert (sorted(result.keys), asked) == ([one for one in KEYS if one != "Observation/o1"], set(KEYS))


def test_no_id_that_means_something_else_in_an_address_leaves(server: FhirServer) -> None:
    odd = ["Observation/o1,o2", "Observation/..", "Observation/o1&_count=9", "Observation/%2e"]
    result, asked = fetched(server, odd)
    assert (result.keys, asked, server.paths()) == ([], set(odd), ["metadata"])


def test_single_reads_of_a_run_are_limited_and_the_rest_is_left_for_the_next(
    server: FhirServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byid, "_MOST_SINGLE", 2)
    server.faults.refused = {"_id"}
    result, asked = fetched(server, KEYS)
    assert sorted(result.keys) == sorted(asked) == ["DiagnosticReport/r1", "Observation/o0"]


def test_what_no_search_gives_comes_along_with_the_report_that_refers_to_it(server: FhirServer) -> None:
    server.faults.undeclared = {"Observation", "Specimen"}
    result, asked = fetched(server, ["DiagnosticReport/r1"])
    assert sorted(result.keys) == [one for one in KEYS if "Patient" not in one]
    assert asked == {"DiagnosticReport/r1"}


@pytest.mark.parametrize("more", [{}, {"search_by": "date"}])
def test_what_lies_before_the_first_day_is_listed_and_not_expected(server: FhirServer, more: dict[str, Any]) -> None:
    old = {"resourceType": "Observation", "id": "old", "status": "final", "effectiveDateTime": "2026-10-01"}
    new = {"resourceType": "Observation", "id": "new", "status": "final", "effectiveDateTime": "2026-11-20"}
    server.put(old, OLD)
    server.put(new)
    options = {"listing_hours": 0, "since": "2026-11-01", **more}
    first = pull(config_of(server.url, options))
    (listing,) = [
        one for one in pull(config_of(server.url, options), first.cursor).listings if one.scope == "Observation"
    ]
    assert "Observation/old" in listing.keys - listing.expected
    assert "Observation/new" in listing.expected
    assert listing.expected <= listing.keys


def test_all_that_is_listed_is_expected_where_the_first_run_gave_everything(server: FhirServer) -> None:
    first = pull(config_of(server.url, {"listing_hours": 0}))
    listings = pull(config_of(server.url, {"listing_hours": 0}), first.cursor).listings
    assert listings
    assert all(one.expected == one.keys for one in listings)


def test_withdrawal_that_is_committed_later_than_the_overlap_counts_after_the_next_listing(
    world: FhirWorld, tmp_path: Path, sqlite_template: Path, keys: KeyRing
) -> None:
    with (
        installation(tmp_path, sqlite_template, keys, kind="fhir") as house,
        closing(open_source(world.config())) as source,
    ):
        for n in (1, 2):
            world.add(n)
        late = world._resources(1, status="entered-in-error")[1:]
        at = world.server.now()
        world.advance(timedelta(hours=2))
        world.add(3)
        world.advance(timedelta(minutes=1))
        house.pull_until_quiet(source)
        for one in late:
            world.server.put(one, at)
        assert [house.pull(source).error for _ in range(2)] == [None, None]
        assert house.contents().statuses() == {"r1": "entered-in-error", "r2": "final", "r3": "final"}
        assert house.days()["fetched"] == 2
