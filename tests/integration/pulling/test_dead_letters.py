"""What could not be used waits until the same record has come good in a later version; then it says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.edge.parts import Parts
from service.ingest.source import DICOM_JSON, FHIR_JSON, RawRecord
from service.registry import rejections, source_states
from tests.support import pulled
from tests.support.serving import make_home

pytestmark = pytest.mark.slow

KEY = "Observation/o0"
GARBLED = RawRecord(KEY, FHIR_JSON, b'{"resourceType":"Observation","id":"o0",', problem=("not-json", "cut off"))
MISSING = RawRecord(KEY, FHIR_JSON, b"", problem=("reference-missing", "the server does not have it"))


@pytest.fixture
def feed(database_url: str, tmp_path: Path) -> Iterator[Feed]:
    parts = pulled.opened(make_home(tmp_path / "home", database_url))
    yield Feed(parts)
    parts.close()


@dataclass
class Feed:
    """A source of a registry, and the dead letters there."""

    parts: Parts
    log: list[RawRecord] = field(default_factory=list)

    def give(self, *records: RawRecord) -> None:
        """One run, which gives these."""
        self.log += records
        outcome = pulled.puller(self.parts, pulled.MemorySource(self.log, size=1)).pull(pulled.settings_of())
        assert outcome is not None
        assert outcome.is_complete

    def letters(self, *, done: bool = False) -> list[tuple[str, bool]]:
        """Code of each letter that waits (or is done with), and whether a later version made it good."""
        with self.parts.database.read() as conn:
            found = rejections.listed(conn, self.parts.keys, done=True)
        return [(one.code, one.is_superseded) for one in found if (one.resolved_at is not None) is done]


def version(at: str, **changes: Any) -> RawRecord:
    """The record in a version of its own."""
    (found,) = (one for one in pulled.everything(1) if one.key == KEY)
    resource = json.loads(found.body) | {"meta": {"lastUpdated": at}} | changes
    return RawRecord(KEY, FHIR_JSON, json.dumps(resource).encode())


BAD = version("2026-11-20T08:00:00Z", code=7)
GOOD = version("2026-11-20T09:00:00Z")


@pytest.mark.parametrize("bad", [BAD, GARBLED, MISSING], ids=["in-a-bundle", "garbled", "missing"])
def test_a_record_that_comes_good_in_a_later_version_waits_no_more_and_says_why(feed: Feed, bad: RawRecord) -> None:
    feed.give(*pulled.everything(2), bad)
    assert [superseded for _, superseded in feed.letters()] == [False]
    with feed.parts.database.read() as conn:
        assert [one.record for one in rejections.waiting(conn, feed.parts.keys)] == [KEY]
    feed.give(GOOD)
    assert feed.letters() == []
    assert [superseded for _, superseded in feed.letters(done=True)] == [True]
    with feed.parts.database.read() as conn:
        assert source_states.count_dead_letters(conn) == {}


def test_an_older_version_that_arrives_late_leaves_the_newer_one_waiting(feed: Feed) -> None:
    older = version("2026-11-20T07:00:00Z")
    feed.give(*pulled.everything(1), BAD, older)
    assert feed.letters() == [("wrong-type", False)]


def test_a_record_that_is_there_again_as_it_was_before_it_failed_is_good(feed: Feed) -> None:
    feed.give(*pulled.everything(1), GOOD, MISSING, GOOD)
    assert feed.letters() == []
    assert feed.letters(done=True) == [("reference-missing", True)]


def test_the_same_record_that_goes_bad_again_waits_again(feed: Feed) -> None:
    feed.give(*pulled.everything(1), MISSING, GOOD, MISSING)
    assert feed.letters() == [("reference-missing", False)]


def test_a_deletion_makes_nothing_good(feed: Feed) -> None:
    gone = RawRecord(KEY, FHIR_JSON, b"", is_deletion=True)
    feed.give(*pulled.everything(1), GARBLED, gone)
    assert feed.letters() == [("not-json", False)]


def test_neighbours_and_other_sources_make_nothing_good(feed: Feed) -> None:
    feed.give(GARBLED)
    puller = pulled.puller(feed.parts, pulled.MemorySource([*pulled.everything(1), GOOD], size=9))
    assert puller.pull(pulled.settings_of(name="another")) is not None
    feed.give(*[one for one in pulled.everything(3) if one.key != KEY])
    assert feed.letters() == [("not-json", False)]


@pytest.mark.parametrize("refused", ["series/1.2.3/1.2.3.4", "study/1.2.3"])
def test_a_series_or_study_that_was_refused_and_comes_waits_no_more(feed: Feed, refused: str) -> None:
    key = "series/1.2.3/1.2.3.4"
    bad = RawRecord(refused, DICOM_JSON, key.encode(), problem=("server-error", "the archive failed in two runs"))
    instance = {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
        "00080018": {"vr": "UI", "Value": ["1.2.3.4.5"]},
        "00080060": {"vr": "CS", "Value": ["CT"]},
        "00100020": {"vr": "LO", "Value": ["P1"]},
        "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
        "0020000E": {"vr": "UI", "Value": ["1.2.3.4"]},
    }
    good = {"series": "1.2.3/1.2.3.4", "instances": [instance]}
    feed.give(bad, RawRecord(key, DICOM_JSON, json.dumps(good).encode()))
    assert feed.letters(done=True) == [("server-error", True)]


def test_two_records_with_the_same_useless_body_have_a_letter_each(feed: Feed) -> None:
    body = b"<html>sign in</html>"
    several = [RawRecord(f"Observation/{n}", FHIR_JSON, body, problem=("not-json", "no JSON")) for n in "ab"]
    feed.give(*several)
    assert feed.letters() == [("not-json", False)] * 2
    pulled.puller(feed.parts, pulled.MemorySource()).loader(pulled.settings_of()).retry()
    assert [superseded for _, superseded in feed.letters()] == [False] * 2
