"""A FHIR source on the fake server, and what runs of it give."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapters.fhir.options import read_options
from adapters.fhir.source import FhirSource
from adapters.transport import GuardedClient
from service.ingest.source import Limits, Listing, Pulled, RawRecord, SourceConfig
from tests.support.fhir_server import FhirServer

ZONE = ZoneInfo("Asia/Shanghai")
QUICK = Limits(requests_per_second=100_000, read_seconds=5, answer_seconds=5)


def config_of(address: str, options: Mapping[str, Any] | None = None, **more: Any) -> SourceConfig:
    """A source with a small page."""
    given = {"limits": QUICK, "zone": ZONE, **more}
    return SourceConfig("city", "fhir", "h1", address, options={"page": 4, **(options or {})}, **given)


def source_of(config: SourceConfig) -> FhirSource:
    """The source, waiting for nothing between tries."""
    return FhirSource(config, GuardedClient(config, sleep=lambda seconds: None), read_options(config))


@dataclass
class Result:
    """What runs gave: records in order, what was ignored, listings, and the cursor as it would be stored."""

    records: list[RawRecord] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    listings: list[Listing] = field(default_factory=list)
    batches: list[Pulled] = field(default_factory=list)
    cursor: Any = None

    @property
    def keys(self) -> list[str]:
        """Of usable records that exist."""
        return [one.key for one in self.records if one.problem is None and not one.is_deletion]

    @property
    def deleted(self) -> list[str]:
        """Keys of deletions."""
        return [one.key for one in self.records if one.is_deletion]

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Key and code of what cannot be used."""
        return [(one.key, one.problem[0]) for one in self.records if one.problem]

    def add(self, batch: Pulled) -> None:
        """Takes a batch, its cursor as JSON."""
        self.batches.append(batch)
        self.records += batch.records
        self.listings += [batch.listing] if batch.listing else []
        for reason, n in batch.ignored.items():
            self.ignored[reason] = self.ignored.get(reason, 0) + n
        self.cursor = json.loads(json.dumps(batch.cursor))
        assert self.cursor == batch.cursor, "the cursor is stored as JSON"


def pull(config: SourceConfig, cursor: Any = None, batches: int | None = None, into: Result | None = None) -> Result:
    """One run; only its first `batches`, as if it were killed then. What an error leaves is `into`."""
    source, result = source_of(config), into if into is not None else Result()
    run = source.pull(cursor)
    try:
        for n, one in enumerate(run, 1):
            result.add(one)
            if n == batches:
                break
    finally:
        run.close()  # type: ignore[attr-defined]
        source.close()
    return result


def fill(server: FhirServer, number: int, at: datetime | None = None, step: timedelta = timedelta(seconds=5)) -> None:
    """A patient, that many results, and a report of them all."""
    at = at or server.now() - timedelta(days=1)
    server.put({"resourceType": "Patient", "id": "p1"}, at)
    for n in range(number):
        server.put(result(n), at + n * step)
    listed = [{"reference": f"Observation/o{n}"} for n in range(number)]
    about = {"reference": "Patient/p1"}
    server.put({"resourceType": "DiagnosticReport", "id": "r1", "subject": about, "result": listed}, at + number * step)


def result(n: int, **more: Any) -> dict[str, Any]:
    """One result of the patient."""
    made = {"resourceType": "Observation", "id": f"o{n}", "status": "final", "subject": {"reference": "Patient/p1"}}
    return {**made, "valueQuantity": {"value": n}, **more}
