"""`GET /api/v1/sources`, the sources in `/metrics`, and the probes in the background."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any

import pytest

from service.api import sources
from service.ingest.source import FHIR_JSON, Fatal, RawRecord, Retriable
from service.pulling.probes import Probes
from service.pulling.pull import Puller
from service.registry import source_states
from service.registry.retrievals import add_retrieval
from service.security.caller import Role
from tests.support import pulled
from tests.support.serving import ISSUER, REQUESTER, World, assert_problem, serve

pytestmark = pytest.mark.slow

CITY, COUNTY = pulled.settings_of(), pulled.settings_of("county-memory", REQUESTER)


@pytest.fixture
def served(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(sources, "KEPT_SECONDS", 0.0)
    with serve(tmp_path / "home", sqlite_url, source=(CITY, COUNTY)) as world:
        yield world


def listed(world: World, institution: str, role: Role) -> list[str]:
    answer = world.client.get("/api/v1/sources", headers=world.headers(institution, role))
    assert answer.status_code == 200
    return [one["source"] for one in answer.json()["sources"]]


@pytest.mark.parametrize(("institution", "role", "expected"), [
    (ISSUER, Role.CLINICIAN, ["city-memory"]), (REQUESTER, Role.SYSTEM, ["county-memory"]),
    ("third-hospital", Role.CLINICIAN, []), ("third-hospital", Role.STEWARD, []),
    ("third-hospital", Role.AUDITOR, ["city-memory", "county-memory"]),
    ("third-hospital", Role.ADMIN, ["city-memory", "county-memory"]),
])  # fmt: skip
def test_who_sees_which_source(served: World, institution: str, role: Role, expected: list[str]) -> None:
    assert listed(served, institution, role) == expected


def test_nobody_sees_a_source_without_a_token(served: World) -> None:
    assert_problem(served.client.get("/api/v1/sources"), 401, "not-authenticated")


def test_a_run_and_its_counts_are_told(served: World) -> None:
    bad = RawRecord("Observation/x", FHIR_JSON, b"{", problem=("not-fhir", "no JSON object"))
    pulled.puller(served.parts, pulled.MemorySource([*pulled.everything(2), bad])).pull(CITY)
    (found,) = served.client.get("/api/v1/sources", headers=served.headers(ISSUER)).json()["sources"]
    assert (found["state"], found["failures"], found["deadLetters"], found["waitingDocuments"]) == ("ok", 0, 1, 0)
    assert found["lastPull"]["completedAt"] >= found["lastPull"]["startedAt"]
    (day,) = found["days"]
    assert (day["received"], day["new"], day["rejected"]) == (7, 6, 1)
    assert "李" not in str(found)


def samples(world: World) -> dict[str, float]:
    text = world.client.get("/metrics").text
    return {name: float(n) for name, n in re.findall(r"^(testonce_source_\S+) (\S+)$", text, re.MULTILINE)}


def test_figures_of_each_source_are_scraped_without_anything_of_a_patient(served: World) -> None:
    pulled.puller(served.parts, pulled.MemorySource(pulled.everything(2))).pull(CITY)
    sick = pulled.MemorySource(fail={0: Retriable("unreachable", "refused")}, log=pulled.everything(1))
    pulled.puller(served.parts, sick).pull(COUNTY)
    found = samples(served)
    assert found['testonce_source_records_total{outcome="new",source="city-memory"}'] == 6
    assert found['testonce_source_failures{source="county-memory"}'] == 1
    assert found['testonce_source_reachable{source="county-memory"}'] == 0
    assert found['testonce_source_warning{kind="unreachable",source="county-memory"}'] == 1
    assert found['testonce_source_dead_letters{source="city-memory"}'] == 0
    assert found['testonce_source_last_success_timestamp{source="city-memory"}'] > 1.7e9
    assert 'testonce_source_last_success_timestamp{source="county-memory"}' not in found
    assert {label for name in found for label in re.findall(r'(\w+)="', name)} == {"source", "outcome", "kind"}


def test_how_long_studies_took_to_open_is_told(served: World) -> None:
    database = served.parts.database
    row: dict[str, Any] = {
        "source": CITY.name, "requester": REQUESTER, "study_uid": "1.2.3", "streamed_bytes": 0, "streamed_us": 0,
        "bytes": 9, "outcome": "given", "complete_us": None, "key_series_us": None,
    }  # fmt: skip
    with database.write() as conn:
        for n, seconds in enumerate((0.4, 0.2, 1.5)):
            started = database.now_us() - 3_600_000_000
            add_retrieval(conn, row | {"id": n, "started_at": started, "first_image_us": int(seconds * 1e6)})
        add_retrieval(conn, row | {"id": 9, "started_at": 0, "first_image_us": 99_000_000})  # long ago
    (found,) = served.client.get("/api/v1/sources", headers=served.headers(ISSUER)).json()["sources"]
    assert found["retrieval"] == {
        "count": 3, "outcomes": {"given": 3}, "bytes": 27, "firstImage": {"count": 3, "p50": 0.4, "p95": 1.5},
    }  # fmt: skip
    scraped = samples(served)
    first = 'testonce_source_retrieval_seconds{clock="first-image",quantile="0.95",source="city-memory"}'
    assert scraped[first] == 1.5
    assert scraped['testonce_source_retrievals{outcome="given",source="city-memory"}'] == 3
    assert not [name for name in scraped if "key-series" in name]


def test_figures_are_kept_for_some_seconds(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "KEPT_SECONDS", 60.0)
    before = samples(served)
    pulled.puller(served.parts, pulled.MemorySource(pulled.everything(1))).pull(CITY)
    assert samples(served) == before


def probed(world: World, source: pulled.MemorySource, every: float = 0.05) -> Probes:
    return Probes(world.parts.database, lambda: pulled.puller(world.parts, source), [CITY], every)


def wait_for(world: World, is_reachable: bool, name: str = CITY.name) -> None:
    until = monotonic() + 10
    while monotonic() < until:
        with world.parts.database.read() as conn:
            found = source_states.all_states(conn).get(name)
        if found is not None and found.is_reachable is is_reachable:
            return
        sleep(0.02)
    raise AssertionError("the answer was never noted")


def test_a_source_that_stops_answering_is_known_without_a_pull_and_so_is_its_return(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = pulled.MemorySource()
    probes = probed(served, source)
    probes.start()
    wait_for(served, True)

    def silence() -> None:
        raise Retriable("unreachable", "no route")

    monkeypatch.setattr(source, "probe", silence)
    wait_for(served, False)
    monkeypatch.undo()
    wait_for(served, True)
    probes.stop()
    assert source.opened - source.closed <= 1


def test_a_source_that_hangs_delays_no_shutdown_and_is_asked_once(
    served: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, hangs, release = pulled.MemorySource(), Event(), Event()

    def hang() -> None:
        hangs.set()
        release.wait(20)

    monkeypatch.setattr(source, "probe", hang)
    probes = probed(served, source)
    probes.start()
    assert hangs.wait(10)
    sleep(0.2)
    started = monotonic()
    probes.stop()
    assert monotonic() - started < 5  # it hangs for twenty
    assert source.opened == 1
    release.set()


def test_two_processes_ask_a_source_once_between_them(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.pulling.probes._FIRST_SECONDS", 0.01)
    source = pulled.MemorySource()
    both = [probed(served, source, 30.0), probed(served, source, 30.0)]
    for one in both:
        one.start()
    wait_for(served, True)
    sleep(0.2)
    for one in both:
        one.stop()
    assert source.opened == 1


@pytest.mark.parametrize("holds_images", [True, False])
def test_a_source_that_is_not_pulled_from_is_asked_only_where_it_holds_images(
    served: World, monkeypatch: pytest.MonkeyPatch, holds_images: bool
) -> None:
    monkeypatch.setattr("service.pulling.probes._FIRST_SECONDS", 0.01)
    monkeypatch.setattr(Puller, "holds_images", lambda _self, settings: holds_images and settings.name == CITY.name)
    source, off = pulled.MemorySource(), CITY.model_copy(update={"enabled": False})
    database = served.parts.database
    probes = Probes(database, lambda: pulled.puller(served.parts, source), [off, COUNTY], 30.0)
    probes.start()
    wait_for(served, True, CITY.name if holds_images else COUNTY.name)
    wait_for(served, True, COUNTY.name)
    probes.stop()
    assert source.opened == 1 + holds_images


def test_whatever_goes_wrong_is_a_code_and_never_a_text(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    source = pulled.MemorySource()
    probes = probed(served, source)

    def refuse() -> None:
        raise Fatal("unauthorised", "401")

    def break_down() -> None:
        raise ValueError("李敏")

    monkeypatch.setattr(source, "probe", refuse)
    assert probes.ask(CITY) == "unauthorised"
    monkeypatch.setattr(source, "probe", break_down)
    assert probes.ask(CITY) == "adapter-failed"


def test_a_source_that_is_configured_no_more_cannot_be_reached(world: World) -> None:
    pulled.puller(world.parts, pulled.MemorySource(pulled.everything(1))).pull(CITY)
    probes = Probes(world.parts.database, lambda: pulled.puller(world.parts, pulled.MemorySource()), [], 30.0)
    probes.start()
    wait_for(world, False)
    probes.stop()
