"""A hospital's own codes, and reading again what it gave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from service.cli.load import loader_of
from service.edge.parts import Parts
from service.ingest import pipeline
from service.ingest.fhir_r4.document import read_json
from service.ingest.source import FHIR_JSON, Fatal, RawRecord
from service.pulling.pull import Puller
from service.pulling.replay import Replayed, replay
from service.registry.columns import from_us
from service.registry.tables import document, reference_file, report, result
from service.source_settings import SourceSettings
from tests.support import pulled
from tests.support.serving import make_home

pytestmark = pytest.mark.slow

PROFILE = """
[profile]
version = "1"
author = "王工"
[[code]]
system = "urn:city:lab"
code = "GLU"
loinc = "14749-6"
"""


@pytest.fixture
def parts(database_url: str, tmp_path: Path) -> Iterator[Parts]:
    opened = pulled.opened(make_home(tmp_path / "home", database_url))
    yield opened
    opened.close()


def local_glucose(number: int, code: str = "GLU") -> RawRecord:
    """A result under the hospital's own code."""
    body = json.loads(pulled.glucose(number).body)
    body["code"] = {"coding": [{"system": "urn:city:lab", "code": code}]}
    return RawRecord(f"Observation/o{number}", FHIR_JSON, json.dumps(body).encode())


def log() -> list[RawRecord]:
    return [pulled.patient(0), local_glucose(0), pulled.report(0), pulled.patient(1), local_glucose(1, "NEW"),
            pulled.report(1)]  # fmt: skip


def items(parts: Parts) -> list[str | None]:
    """The items of the results that matching finds."""
    with parts.database.read() as conn:
        return list(conn.execute(select(result.c.item).order_by(result.c.report_id)).scalars())


def counted(parts: Parts) -> list[int]:
    with parts.database.read() as conn:
        return [conn.execute(select(func.count()).select_from(one)).scalar_one() for one in (report, document)]


def again(puller: Puller, settings: SourceSettings, *, dry_run: bool) -> Replayed:
    now = datetime.now(UTC)
    return replay(puller, settings, now - timedelta(hours=1), now + timedelta(hours=1), dry_run=dry_run)


def test_replaying_changes_nothing_where_nothing_is_new(parts: Parts) -> None:
    puller = pulled.puller(parts, pulled.MemorySource(pulled.everything(3)))
    puller.pull(pulled.settings_of())
    before = counted(parts)
    done = again(puller, pulled.settings_of(), dry_run=False)
    assert (done.documents, done.counts.reports["unchanged"], done.counts.reports["updated"]) == (3, 3, 0)
    assert counted(parts) == before


def test_a_profile_reads_what_was_not_recognisable_after_a_dry_run_has_shown_it(parts: Parts, tmp_path: Path) -> None:
    puller = pulled.puller(parts, pulled.MemorySource(log()))
    puller.pull(pulled.settings_of())
    assert items(parts) == []
    (tmp_path / "x.toml").write_text(PROFILE)
    mapped = pulled.settings_of(mapping=tmp_path / "x.toml")
    before = counted(parts)
    shown = again(puller, mapped, dry_run=True)
    assert (shown.counts.reports["updated"], shown.results) == (1, 1)
    assert (items(parts), counted(parts)) == ([], before)
    with parts.database.read() as conn:
        assert conn.execute(select(func.count()).where(reference_file.c.kind == "mapping")).scalar_one() == 0
    done = again(puller, mapped, dry_run=False)
    assert done.counts.reports["updated"] == 1
    assert items(parts) == ["14749-6"]


def test_a_profile_in_force_serves_later_commands_without_its_file(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(PROFILE)
    pulled.puller(parts, pulled.MemorySource(log())).pull(pulled.settings_of(mapping=tmp_path / "x.toml"))
    assert items(parts) == ["14749-6"]
    (tmp_path / "x.toml").unlink()
    counts = loader_of(parts, pulled.INSTITUTION).read_again()
    assert (counts.reports["unchanged"], counts.reports["updated"]) == (2, 0)
    assert loader_of(parts, "county-hospital").catalogue.find_id("urn:city:lab", "GLU") is None


def test_a_profile_taken_out_of_the_settings_is_no_longer_in_force(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(PROFILE)
    puller = pulled.puller(parts, pulled.MemorySource(log()))
    puller.pull(pulled.settings_of(mapping=tmp_path / "x.toml"))
    puller.pull(pulled.settings_of())
    assert loader_of(parts, pulled.INSTITUTION).catalogue.find_id("urn:city:lab", "GLU") is None


def test_a_profile_with_mistakes_stops_the_source_and_names_them(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(PROFILE.replace("14749-6", "14749-7"))
    source = pulled.MemorySource(log())
    outcome = pulled.puller(parts, source).pull(pulled.settings_of(mapping=tmp_path / "x.toml"))
    assert outcome is not None
    assert isinstance(outcome.error, Fatal)
    assert outcome.error.code == "configuration"
    assert "code[1].loinc" in outcome.error.message
    assert (outcome.received, source.opened) == (0, 0)


def naive_glucose() -> RawRecord:
    """A result whose time carries no offset."""
    body = json.loads(pulled.glucose(0).body) | {"effectiveDateTime": "2026-11-20T08:00:00"}
    return RawRecord("Observation/o0", FHIR_JSON, json.dumps(body).encode())


def performed(parts: Parts) -> datetime:
    with parts.database.read() as conn:
        return from_us(conn.execute(select(result.c.start_at)).scalar_one())


def test_times_without_an_offset_are_in_the_zone_of_the_source_in_later_commands_too(parts: Parts) -> None:
    source = pulled.MemorySource([pulled.patient(0), naive_glucose(), pulled.report(0)])
    pulled.puller(parts, source).pull(pulled.settings_of(timezone="Asia/Urumqi"))
    assert performed(parts) == datetime(2026, 11, 20, 2, tzinfo=UTC)
    assert loader_of(parts, pulled.INSTITUTION).read_again().reports["updated"] == 0
    assert performed(parts) == datetime(2026, 11, 20, 2, tzinfo=UTC)
    assert loader_of(parts, "county-hospital").network.timezone == "Asia/Shanghai"


def test_two_sources_of_a_hospital_cannot_state_different_zones(parts: Parts) -> None:
    puller = pulled.puller(parts, pulled.MemorySource(pulled.everything(1)))
    puller.pull(pulled.settings_of(timezone="Asia/Urumqi"))
    outcome = puller.pull(pulled.settings_of("other", timezone="Asia/Tokyo"))
    assert outcome is not None
    assert outcome.error is not None
    assert (outcome.error.code, outcome.received) == ("configuration", 0)
    assert "Asia/Tokyo, Asia/Urumqi" in outcome.error.message
    assert loader_of(parts, pulled.INSTITUTION).network.timezone == "Asia/Urumqi"


def test_a_document_that_the_reader_fails_on_keeps_none_of_the_others_waiting(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    puller = pulled.puller(parts, pulled.MemorySource(pulled.everything(3)))
    puller.pull(pulled.settings_of())

    def fail_on_one(body: bytes) -> object:
        if b"Patient/p1" in body:
            raise RuntimeError("a defect of the reader")
        return read_json(body)

    monkeypatch.setattr(pipeline, "read_json", fail_on_one)
    done = again(puller, pulled.settings_of(), dry_run=False)
    assert (done.documents, done.counts.reports["unchanged"], done.counts.total("rejected")) == (3, 2, 1)


def test_only_what_was_received_in_the_span_is_read_again(parts: Parts) -> None:
    puller = pulled.puller(parts, pulled.MemorySource(pulled.everything(1)))
    puller.pull(pulled.settings_of())
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert replay(puller, pulled.settings_of(), long_ago, long_ago + timedelta(days=1)).documents == 0
