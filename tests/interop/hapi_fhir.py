"""Our FHIR adapter against HAPI FHIR's JPA server. Not part of `make test`: `make interop` (docs in adapters/fhir)."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.fhir_pulling import Result, config_of, pull, source_of
from tests.support.hapi import hapi_server

_numbers = itertools.count(1)
TEXT = {"text": "x"}


class Hospital:
    """What one test puts into the server that all share; its ids begin alike."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.prefix = f"t{next(_numbers)}-"
        self.url = str(client.base_url).rstrip("/")

    def put(self, kind: str, name: str, **more: Any) -> None:
        """Stores a resource."""
        made = {"resourceType": kind, "id": self.prefix + name, **more}
        answer = self.client.put(f"/{kind}/{made['id']}", json=made)
        assert answer.status_code in (200, 201), answer.text[:500]

    def fill(self, number: int) -> None:
        """A patient, that many results, a report of them."""
        self.put("Patient", "p")
        about = {"reference": f"Patient/{self.prefix}p"}
        for n in range(number):
            self.put("Observation", f"o{n}", status="final", code=TEXT, subject=about, valueInteger=n)
        results = [{"reference": f"Observation/{self.prefix}o{n}"} for n in range(number)]
        self.put("DiagnosticReport", "r", status="final", code=TEXT, subject=about, result=results)

    def delete(self, kind: str, name: str) -> None:
        """Deletes a resource."""
        assert self.client.delete(f"/{kind}/{self.prefix}{name}").status_code < 300

    def pull(self, cursor: Any = None, batches: int | None = None, overlap: float = 2, **options: Any) -> Result:
        """A run, a second after the last change: the server tells its time in whole seconds."""
        time.sleep(1.1)
        config = config_of(self.url, {"page": 5, **options}, overlap=timedelta(seconds=overlap))
        return pull(config, cursor, batches)

    def own(self, keys: list[str]) -> set[str]:
        """Those keys that are of this test."""
        return {one.replace(self.prefix, "") for one in keys if f"/{self.prefix}" in one}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with hapi_server(tmp_path_factory.mktemp("hapi")) as started:
        yield started


@pytest.fixture
def hospital(client: httpx.Client) -> Hospital:
    return Hospital(client)


ALL = {"Patient/p", "DiagnosticReport/r", *(f"Observation/o{n}" for n in range(12))}


def test_server_is_found_ready(hospital: Hospital) -> None:
    hospital.fill(3)
    time.sleep(1.1)
    source = source_of(config_of(hospital.url))
    source.probe()
    found = source.check()
    source.close()
    assert found.is_ready
    assert found.software.startswith("HAPI FHIR")
    assert found.sample
    assert any(one.name == "deletions" and "history" in one.text for one in found.findings)


def test_everything_comes_once_and_then_only_what_changed(hospital: Hospital) -> None:
    hospital.fill(12)
    first = hospital.pull()
    assert hospital.own(first.keys) == ALL
    assert len(first.keys) == len(set(first.keys))
    assert first.problems == []
    hospital.put("Observation", "o3", status="corrected", code=TEXT, valueInteger=77)
    again = hospital.pull(first.cursor, overlap=0)
    assert hospital.own(again.keys) == {"Observation/o3", "Observation/o11", "Patient/p", "DiagnosticReport/r"}
    assert any(b'"valueInteger":77' in one.body for one in again.records)


def test_digits_are_kept(hospital: Hospital) -> None:
    body = (
        '{"resourceType":"Observation","id":"%sd","status":"final","code":{"text":"x"},"valueQuantity":{"value":6.30}}'
    )
    headers = {"Content-Type": "application/fhir+json"}
    url = f"/Observation/{hospital.prefix}d"
    assert hospital.client.put(url, content=body % hospital.prefix, headers=headers).status_code == 201
    given = {one.key: one.body for one in hospital.pull().records}
    assert b'"value":6.30}' in given[f"Observation/{hospital.prefix}d"]


@pytest.mark.parametrize("stopped_after", [1, 3, 4])
@pytest.mark.parametrize("is_forgotten", [False, True])
def test_killed_run_goes_on(hospital: Hospital, stopped_after: int, is_forgotten: bool) -> None:
    hospital.fill(12)
    first = hospital.pull(batches=stopped_after)
    cursor = json.loads(json.dumps(first.cursor))
    if is_forgotten:
        lost = f"{hospital.url}?_getpages=00000000-0000-0000-0000-000000000000&_getpagesoffset=5&_count=5"
        cursor["types"]["Observation"] = {**cursor["types"].get("Observation", {}), "next": lost}
    rest = hospital.pull(cursor)
    assert hospital.own(first.keys) | hospital.own(rest.keys) == ALL


def test_deletions_come_from_the_history_and_what_was_put_again_stays(hospital: Hospital) -> None:
    hospital.fill(4)
    cursor = hospital.pull().cursor
    hospital.delete("DiagnosticReport", "r")
    hospital.delete("Observation", "o1")
    hospital.delete("Observation", "o2")
    hospital.put("Observation", "o2", status="final", code=TEXT)
    again = hospital.pull(cursor)
    assert hospital.own(again.deleted) == {"DiagnosticReport/r", "Observation/o1"}
    assert "Observation/o2" in hospital.own(again.keys)


def test_listings_name_all_that_exists(hospital: Hospital) -> None:
    hospital.fill(12)
    cursor = hospital.pull(deletions="listing", listing_hours=0).cursor
    hospital.delete("DiagnosticReport", "r")
    hospital.delete("Observation", "o1")
    listed = {one.scope: one.keys for one in hospital.pull(cursor, deletions="listing", listing_hours=0).listings}
    assert hospital.own(list(listed["Observation"])) == {f"Observation/o{n}" for n in range(12) if n != 1}
    assert hospital.own(list(listed["DiagnosticReport"])) == set()


def test_reports_alone_bring_what_they_refer_to(hospital: Hospital) -> None:
    hospital.fill(12)
    assert hospital.own(hospital.pull(types=["DiagnosticReport"]).keys) == ALL


def test_dates_serve_where_nothing_else_does(hospital: Hospital) -> None:
    hospital.fill(2)
    assert hospital.own(hospital.pull(search_by="date").keys) >= {"Observation/o0", "Observation/o1", "Patient/p"}
