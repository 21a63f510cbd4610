"""Whatever a source does wrong: a run ends as it should, the good records come through, nothing of a patient leaks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.ingest.source import FHIR_JSON, Listing, Pulled, RawRecord
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


def _check_counts(house: Installation) -> None:
    """Every record that came was known, or was read to some outcome."""
    days = house.days()
    read = sum(days.get(one, 0) for one in ("new", "updated", "unchanged", "rejected"))
    assert read >= days["received"] - days.get("known", 0)
    assert all(n >= 0 for n in days.values())


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
