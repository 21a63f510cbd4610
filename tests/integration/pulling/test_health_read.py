"""The health of sources as each database tells it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.api.sources import SourceMetrics
from service.domain.errors import Unavailable
from service.edge.parts import Parts
from service.ingest.source import FHIR_JSON, RawRecord, Retriable
from service.pulling.health import State, read_health
from service.registry.database import Database
from service.registry.source_states import sum_days
from tests.support import pulled
from tests.support.serving import make_home

pytestmark = pytest.mark.slow

SOURCES = (pulled.settings_of(), pulled.settings_of("county-memory", "county-hospital"), pulled.settings_of("third"))


@pytest.fixture
def parts(database_url: str, tmp_path: Path) -> Iterator[Parts]:
    opened = pulled.opened(make_home(tmp_path / "home", database_url, source=SOURCES))
    yield opened
    opened.close()


def test_runs_days_dead_letters_and_failures_are_found_for_each_source(parts: Parts) -> None:
    bad = RawRecord("Observation/x", FHIR_JSON, b"{", problem=("not-fhir", "no JSON object"))
    city = pulled.MemorySource([*pulled.everything(2), bad])
    pulled.puller(parts, city).pull(SOURCES[0])
    sick = pulled.MemorySource(pulled.everything(1), fail={0: Retriable("slow", "too slow")})
    pulled.puller(parts, sick).pull(SOURCES[1])
    found = read_health(parts.database, SOURCES, parts.reference.current_policy().network)
    assert [(one.state, one.dead_letters, one.waiting) for one in found] == [
        (State.OK, 1, 0), (State.FAILING, 0, 0), (State.NEVER, 0, 0),
    ]  # fmt: skip
    (counts,) = found[0].days.values()
    with parts.database.read() as conn:
        sums = sum_days(conn)
    assert sums == {pulled.NAME: dict(counts)}
    assert (counts["received"], counts["new"], counts["rejected"]) == (7, 6, 1)


def test_while_the_database_cannot_be_asked_no_old_figure_is_given(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.sources.KEPT_SECONDS", -1.0)
    metrics = SourceMetrics(parts)
    assert metrics.collect() != []

    def gone(_self: Database) -> object:
        raise Unavailable("away")

    monkeypatch.setattr(Database, "snapshot", gone)
    assert metrics.collect() == []
