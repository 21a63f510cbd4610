"""A run of a source: stored with its cursor, read afterwards, free to repeat, whatever goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from service.domain.errors import Unavailable
from service.edge.parts import Parts
from service.ingest.source import DICOM_JSON, FHIR_JSON, Fatal, Listing, RawRecord, Retriable
from service.pulling.unbelieved import Unbelieved
from service.registry import images, source_states
from service.registry.tables import document, pulled_document, pulled_record, report, result, source_state
from tests.support import pulled
from tests.support.serving import make_home

pytestmark = pytest.mark.slow


@pytest.fixture
def parts(database_url: str, tmp_path: Path) -> Iterator[Parts]:
    opened = pulled.opened(make_home(tmp_path / "home", database_url))
    yield opened
    opened.close()


def count(parts: Parts, table: Any, *where: Any) -> int:
    with parts.database.read() as conn:
        return int(conn.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def state(parts: Parts) -> source_states.SourceState:
    with parts.database.read() as conn:
        return source_states.all_states(conn)[pulled.NAME]


def test_everything_is_stored_and_indexed_and_a_second_run_does_nothing(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(4), size=5)
    puller = pulled.puller(parts, source)
    first = puller.pull(pulled.settings_of())
    assert first is not None
    assert first.is_complete
    assert (first.received, first.stored, first.counts.total("new"), first.counts.total("rejected")) == (12, 12, 12, 0)
    assert count(parts, result) == 4
    assert count(parts, pulled_document, pulled_document.c.read_at.is_(None)) == 0
    documents = count(parts, document)
    second = puller.pull(pulled.settings_of())
    assert second is not None
    assert second.received == 0
    assert (count(parts, document), source.opened, source.closed) == (documents, 2, 2)
    found = state(parts)
    assert (found.failures, found.lease_owner, found.error) == (0, None, None)
    assert found.due_at is not None
    assert found.finished_at is not None
    assert found.due_at > found.finished_at


def test_what_comes_again_by_the_overlap_is_known_and_costs_no_document(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(2), size=50)
    puller = pulled.puller(parts, source)
    puller.pull(pulled.settings_of())
    documents = count(parts, document)
    source.log += [*pulled.everything(2), pulled.glucose(1, "6.10", "corrected", "2026-11-21T08:00:00+08:00")]
    again = puller.pull(pulled.settings_of())
    assert again is not None
    assert (again.known, again.stored) == (6, 1)
    assert count(parts, document) == documents + 1
    with parts.database.read() as conn:
        assert sorted(conn.execute(select(result.c.reported)).scalars()) == ["5.60", "6.10"]


def test_a_failure_half_way_keeps_what_came_and_the_next_run_goes_on(parts: Parts) -> None:
    trouble = Retriable("unreachable", "the server closed the connection", retry_after=90)
    source = pulled.MemorySource(pulled.everything(3), size=3, fail={2: trouble})
    puller = pulled.puller(parts, source)
    outcome = puller.pull(pulled.settings_of())
    assert outcome is not None
    assert outcome.error is trouble
    assert outcome.stored == 6
    found = state(parts)
    assert (found.failures, found.error_class, found.error_code, found.is_reachable) == (
        1,
        "retriable",
        "unreachable",
        False,
    )
    assert found.due_at is not None
    assert found.failed_at is not None
    assert found.due_at - found.failed_at >= 90_000_000
    source.fail.clear()
    more = puller.pull(pulled.settings_of())
    assert more is not None
    assert (more.received, more.is_complete) == (3, True)
    assert count(parts, result) == 3
    assert state(parts).failures == 0


def test_an_adapter_that_breaks_is_named_by_kind_only(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(1), fail={0: ValueError("李敏 11010519491231002X")})
    outcome = pulled.puller(parts, source).pull(pulled.settings_of())
    assert outcome is not None
    assert isinstance(outcome.error, Fatal)
    assert "ValueError" in outcome.error.message
    assert "李" not in outcome.error.message


def test_a_record_that_cannot_be_used_waits_with_the_dead_letters_and_its_neighbours_do_not(parts: Parts) -> None:
    bad = RawRecord("Observation/x", FHIR_JSON, b"not json", problem=("not-fhir", "the entry is no JSON object"))
    torn = RawRecord("Observation/y", FHIR_JSON, b'{"resourceType":"Observation","id":"y",')
    source = pulled.MemorySource([bad, *pulled.everything(1), torn], size=10)
    outcome = pulled.puller(parts, source).pull(pulled.settings_of())
    assert outcome is not None
    assert outcome.counts.total("rejected") == 2
    assert count(parts, result) == 1
    with parts.database.read() as conn:
        assert source_states.count_dead_letters(conn) == {pulled.NAME: 2}
    again = pulled.puller(parts, pulled.MemorySource([*source.log, bad, torn], size=10)).pull(pulled.settings_of())
    assert again is not None
    assert again.known == 2


def test_a_deletion_withdraws_and_is_free_to_repeat(parts: Parts) -> None:
    gone = RawRecord(
        "Observation/o0", FHIR_JSON,
        b'{"request":{"method":"DELETE","url":"Observation/o0"},"response":{"lastModified":"2026-11-21T08:00:00Z"}}',
        is_deletion=True,
    )  # fmt: skip
    source = pulled.MemorySource([*pulled.everything(2), gone, gone], size=3)
    outcome = pulled.puller(parts, source).pull(pulled.settings_of())
    assert outcome is not None
    assert outcome.known == 1
    assert count(parts, result) == 1


def test_missing_from_two_listings_in_a_row_is_deleted_from_one_is_not(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(3), size=50)
    puller = pulled.puller(parts, source)
    puller.pull(pulled.settings_of())
    keys = frozenset(one.key for one in source.log)
    source.listings = [Listing("Observation", keys - {"Observation/o1"})]
    puller.pull(pulled.settings_of())
    assert count(parts, result) == 3
    source.listings = [Listing("Observation", keys)]
    puller.pull(pulled.settings_of())
    source.listings = [Listing("Observation", keys - {"Observation/o1"})]
    puller.pull(pulled.settings_of())
    assert count(parts, result) == 3  # it was named in between
    outcome = puller.pull(pulled.settings_of())
    assert outcome is not None
    assert outcome.deleted == 1
    assert count(parts, result) == 2
    again = puller.pull(pulled.settings_of())
    assert again is not None
    assert again.deleted == 0


def test_a_patient_missing_from_two_listings_is_named_by_its_own_id(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(2), size=50)
    puller = pulled.puller(parts, source)
    puller.pull(pulled.settings_of())
    source.listings = [Listing("Observation", frozenset(one.key for one in source.log) - {"Patient/p1"})]
    for _ in range(2):
        outcome = puller.pull(pulled.settings_of())
    assert outcome is not None
    assert outcome.deleted == 1
    assert outcome.counts.total("rejected") == 0
    assert count(parts, pulled_record, pulled_record.c.is_gone.is_(True)) == 1


def test_too_much_vanished_at_once_is_a_broken_view_and_withdraws_nothing(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(8), size=50)
    puller = pulled.puller(parts, source)
    puller.pull(pulled.settings_of())
    source.listings = [Listing("Observation", frozenset())]
    for _ in range(3):
        outcome = puller.pull(pulled.settings_of())
        assert outcome is not None
        assert outcome.deleted == 0
        assert outcome.warning
    assert count(parts, result) == 8
    assert Unbelieved.read(state(parts).warning or "") == outcome.warning


def test_one_process_at_a_time_and_a_dead_one_is_not_waited_for(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(1))
    puller = pulled.puller(parts, source)
    _, network = puller.policy()
    other = puller.store_of(pulled.settings_of(), network)
    assert other.take()
    assert puller.pull(pulled.settings_of()) is None
    other.end({})
    with parts.database.write() as conn:
        dead = other.owner.split("|")
        dead[1] = "4194303"  # above any process number of Linux by default
        conn.execute(source_state.update().values(lease_owner="|".join(dead), lease_until=2**62))
    assert puller.pull(pulled.settings_of()) is not None


def test_who_lost_the_lease_stores_nothing(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(2), size=3)

    def steal(name: str) -> None:
        if name == "pulled":
            with parts.database.write() as conn:
                conn.execute(source_state.update().values(lease_owner="another", lease_until=2**62))

    assert pulled.puller(parts, source, step=steal).pull(pulled.settings_of()) is None
    assert count(parts, document) == 0
    assert state(parts).lease_owner == "another"


def test_stopped_between_storing_and_reading_the_next_run_reads(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(2), size=50)

    def stop(name: str) -> None:
        if name == "kept":
            raise Unavailable("the power is gone")

    with pytest.raises(Unavailable):
        pulled.puller(parts, source, step=stop).pull(pulled.settings_of())
    assert (count(parts, result), count(parts, pulled_document, pulled_document.c.read_at.is_(None))) == (0, 1)
    outcome = pulled.puller(parts, source).pull(pulled.settings_of())
    assert outcome is not None
    assert outcome.received == 0
    assert outcome.counts.total("new") == 6
    assert (count(parts, result), count(parts, report)) == (2, 2)


def test_studies_that_a_source_told_of_are_held_there_until_it_takes_them_back(parts: Parts) -> None:
    tags = {"0020000D": "1.2.3", "0020000E": "1.2.3.1", "00080018": "1.2.3.1.1", "00100020": "C1", "00080060": "CT"}
    body = json.dumps([{tag: {"vr": "UI", "Value": [value]} for tag, value in tags.items()}]).encode()
    gone = b'{"deleted":["1.2.3/1.2.3.1"],"reason":"113001"}'
    series = RawRecord("series/1.2.3/1.2.3.1", DICOM_JSON, body)
    source = pulled.MemorySource([series])
    pulled.puller(parts, source).pull(pulled.settings_of())
    with parts.database.read() as conn:
        found = images.held_by(conn, {(pulled.INSTITUTION, "1.2.3")})
    ((held,),) = found.values()
    assert (held.source, held.state, held.reachable) == (pulled.NAME, "held", True)
    note = body.replace(b'"CT"', b'"KO"').replace(b"1.2.3.1", b"1.2.3.9")
    source.log += [
        RawRecord("series/1.2.3/1.2.3.9", DICOM_JSON, note),
        RawRecord(series.key, DICOM_JSON, gone, is_deletion=True),
    ]
    pulled.puller(parts, source).pull(pulled.settings_of())
    with parts.database.read() as conn:
        ((held,),) = images.held_by(conn, {(pulled.INSTITUTION, "1.2.3")}).values()
    assert held.state == "not-held"  # what is left is a rejection note, no image


def test_what_waits_is_read_though_the_source_cannot_be_opened(parts: Parts) -> None:
    source = pulled.MemorySource(pulled.everything(1), size=50)

    def stop(name: str) -> None:
        if name == "kept":
            raise Unavailable("the power is gone")

    with pytest.raises(Unavailable):
        pulled.puller(parts, source, step=stop).pull(pulled.settings_of())
    source.open_error = Fatal("bad-credentials", "the secret token is missing")
    outcome = pulled.puller(parts, source).pull(pulled.settings_of())
    assert outcome is not None
    assert outcome.error is source.open_error
    assert count(parts, result) == 1
