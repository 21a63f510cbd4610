"""Whatever a source does wrong: a run ends as it should, the good records come through, nothing of a patient leaks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from service.ingest.source import FHIR_JSON, Cursor, Listing, Pulled, RawRecord
from service.registry.database import Database
from service.registry.pulling import LeaseLost
from service.security.keys import KeyRing
from tests.support.fhir import observation
from tests.support.hostile_source import AT, SECRET, WRONGS, HostileSource, giving, good, good_records, record
from tests.support.pulling import LIMITS, Contents, Installation, installation


@pytest.fixture
def house(tmp_path: Path, sqlite_template: Path, keys: KeyRing) -> Iterator[Installation]:
    with installation(tmp_path, sqlite_template, keys, limits=replace(LIMITS, pages=20)) as made:
        yield made


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, keys: KeyRing) -> Contents:
    with installation(tmp_path_factory.mktemp("good"), sqlite_template, keys) as made:
        made.pull(HostileSource(good))
        return made.contents()


@pytest.mark.parametrize("wrong", WRONGS)
def test_machinery_survives(
    wrong: str, house: Installation, undisturbed: Contents, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    batches, code = WRONGS[wrong]
    outcome = house.pull(HostileSource(batches))
    assert (outcome.error.code if outcome.error else None) == code
    assert SECRET not in f"{outcome.error!r} {outcome.warning} {outcome.counts}" + caplog.text
    last = house.pull(HostileSource(good))
    assert last.error is None
    assert set(house.contents().statuses().items()) >= set(undisturbed.statuses().items())
    same = {number: body for number, (_, body) in house.contents().reports.items() if number in undisturbed.reports}
    assert same == {number: body for number, (_, body) in undisturbed.reports.items()}
    house.check_nothing_is_stuck()
    _check_counts(house)
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes(), f"in the clear in *{file.suffix}"


@pytest.mark.slow
def test_machinery_survives_all_of_it_on_postgresql_as_well(postgres_url: str, keys: KeyRing) -> None:
    with closing(Database.open(postgres_url)) as database:
        for n, (wrong, (batches, code)) in enumerate(WRONGS.items()):
            house = Installation(database, keys, name=f"source-{n}", limits=replace(LIMITS, pages=20))
            outcome = house.pull(HostileSource(batches))
            assert (outcome.error.code if outcome.error else None) == code, wrong
            assert house.pull(HostileSource(good)).error is None, wrong
            house.check_nothing_is_stuck()


def _check_counts(house: Installation) -> None:
    """Every record that came was known, or was read to some outcome."""
    days = house.days()
    read = sum(days.get(one, 0) for one in ("new", "updated", "unchanged", "rejected"))
    assert read >= days["received"] - days.get("known", 0)
    assert all(n >= 0 for n in days.values())


def test_source_that_hangs_can_be_taken_over_by_another_process(house: Installation) -> None:
    ends, lost = threading.Event(), []

    def hangs(cursor: Cursor | None) -> Iterator[Pulled]:
        yield from good(cursor)
        ends.wait(20)
        yield Pulled((record(observation("late"), AT),), {"at": 2})

    def pull() -> None:
        try:
            slow.pull(HostileSource(hangs))
        except LeaseLost as error:
            lost.append(error)

    slow = replace(house, limits=replace(LIMITS, run_seconds=0.1), lease_us=100_000)
    thread = threading.Thread(target=pull)
    thread.start()
    another, deadline = house.store(), time.monotonic() + 10
    while slow.days().get("received") is None or not another.take():
        assert time.monotonic() < deadline, "its lease is renewed for ever"
        time.sleep(0.02)
    another.end({})
    assert house.pull(HostileSource(good)).error is None
    ends.set()
    thread.join(20)
    assert lost, "who hung stored something after its source was taken over"
    assert "Observation/late" not in house.keys_pulled()
    house.check_nothing_is_stuck()


def _problem(key: str, body: bytes = b"") -> RawRecord:
    return RawRecord(key, FHIR_JSON, body, problem=("gone", "410: the server lists it and gives it to nobody"))


def test_each_record_with_a_problem_waits_for_itself(house: Installation) -> None:
    house.pull(HostileSource(giving(_problem("Observation/a"), _problem("Observation/b"))))
    assert len(house.rejected()) == 2


def test_record_whose_problem_is_mended_is_read(house: Installation) -> None:
    whole = record(observation("o9"), AT)
    broken = RawRecord(whole.key, FHIR_JSON, whole.body, problem=("incomplete", "half of what it names was there"))
    house.pull(HostileSource(giving(broken)))
    assert house.pull(HostileSource(giving(broken))).stored == 0
    assert house.pull(HostileSource(giving(whole))).stored == 1


def test_record_too_large_is_read_once_the_limit_is_raised(house: Installation) -> None:
    large = record(observation("o9", note=[{"text": "x" * 3000}]), AT)
    replace(house, limits=replace(LIMITS, record_bytes=2000)).pull(HostileSource(giving(large)))
    assert [code for code, _ in house.rejected()] == ["too-large"]
    assert house.pull(HostileSource(giving(large))).stored == 1


def test_what_listings_missed_and_comes_back_unchanged_stands_again(house: Installation) -> None:
    records = good_records()
    keys = frozenset(one.key for one in records)

    def listing(*missing: str) -> HostileSource:
        told = Listing("all", keys - set(missing))
        given = tuple(one for one in records if one.key not in missing)
        return HostileSource(lambda _: iter([Pulled(given, {}, scope="all", listing=told, watermark=AT)]))

    house.pull(listing())
    before = house.contents()
    for _ in range(3):
        house.pull(listing("DiagnosticReport/r2"))
    assert house.contents().statuses().get("r2") in (None, "entered-in-error", "cancelled")
    house.pull(listing())
    assert house.contents() == before
