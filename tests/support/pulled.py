"""A source held in memory, and a puller of it: for tests of the machinery."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.bootstrap import open_parts
from service.edge.parts import Parts
from service.ingest.source import (
    FHIR_JSON,
    Cursor,
    Listing,
    Pulled,
    RawRecord,
    Readiness,
    Source,
    SourceConfig,
    SourceError,
)
from service.pulling.configured import Adapter
from service.pulling.pull import Puller
from service.registry.ingest_store import SqlIngestStore
from service.settings import Settings
from service.source_settings import SourceSettings

NAME, INSTITUTION = "city-memory", "city-hospital"


@dataclass
class MemorySource:
    """Gives the records of `log` from the cursor on, `size` at a time. `fail` raises an error before the batch of that
    number (from 0)."""

    log: list[RawRecord] = field(default_factory=list)
    size: int = 3
    listings: list[Listing] = field(default_factory=list)
    fail: dict[int, Exception] = field(default_factory=dict)
    open_error: Exception | None = None
    opened: int = 0
    closed: int = 0

    def open(self, _config: SourceConfig) -> Source:
        """As an adapter's `open_source`."""
        if self.open_error is not None:
            raise self.open_error
        self.opened += 1
        return self

    def check(self) -> Readiness:
        """Nothing to find."""
        return Readiness(())

    def pull(self, cursor: Cursor | None) -> Iterator[Pulled]:
        """The log from the cursor on."""
        at = int((cursor or {}).get("at", 0))
        for n, start in enumerate(range(at, len(self.log), self.size)):
            if n in self.fail:
                raise self.fail[n]
            part = tuple(self.log[start : start + self.size])
            yield Pulled(
                part, {"at": start + len(part)}, scope="Observation", done=start + len(part), total=len(self.log)
            )
        for listing in self.listings:
            yield Pulled((), {"at": len(self.log)}, listing=listing)

    def probe(self) -> None:
        """Always there."""

    def close(self) -> None:
        """Counts."""
        self.closed += 1


def puller(parts: Parts, source: MemorySource, **more: Any) -> Puller:
    """What pulls `source` into the registry of `parts`."""

    def policy() -> Any:
        current = parts.reference.current_policy()
        return current.catalogue, current.network

    store = SqlIngestStore(parts.database, parts.keys, persons=parts.linker)
    return Puller(parts.database, parts.keys, store, lambda _kind: Adapter(source.open), policy, **more)


def settings_of(name: str = NAME, institution: str = INSTITUTION, **more: Any) -> SourceSettings:
    """A source's settings."""
    return SourceSettings(name=name, kind="memory", institution=institution, address="http://127.0.0.1:9/", **more)


def patient(number: int, family: str = "李") -> RawRecord:
    """A patient."""
    body = {
        "resourceType": "Patient", "id": f"p{number}", "name": [{"text": f"{family}{number}"}], "gender": "female",
        "birthDate": "1949-12-31", "identifier": [{"system": "urn:city", "value": f"C{number}",
        "type": {"coding": [{"code": "MR"}]}}],
    }  # fmt: skip
    return RawRecord(f"Patient/p{number}", FHIR_JSON, json.dumps(body, ensure_ascii=False).encode())


def glucose(
    number: int, value: str = "5.60", status: str = "final", updated: str = "2026-11-20T08:00:00+08:00"
) -> RawRecord:
    """A report's only result: glucose of patient `number`, its digits as written."""
    body = (
        f'{{"resourceType":"Observation","id":"o{number}","meta":{{"lastUpdated":"{updated}"}},"status":"{status}",'
        f'"code":{{"coding":[{{"system":"http://loinc.org","code":"14749-6"}}]}},"subject":{{"reference":"Patient/p{number}"}},'
        f'"effectiveDateTime":"2026-11-19T08:00:00+08:00","valueQuantity":{{"value":{value},"unit":"mmol/L"}}}}'
    )
    return RawRecord(f"Observation/o{number}", FHIR_JSON, body.encode())


def report(number: int, status: str = "final", updated: str = "2026-11-20T08:00:00+08:00") -> RawRecord:
    """The report of that result."""
    body = {
        "resourceType": "DiagnosticReport", "id": f"r{number}", "meta": {"lastUpdated": updated}, "status": status,
        "code": {"coding": [{"system": "http://loinc.org", "code": "14749-6"}]},
        "subject": {"reference": f"Patient/p{number}"}, "issued": updated,
        "result": [{"reference": f"Observation/o{number}"}],
    }  # fmt: skip
    return RawRecord(f"DiagnosticReport/r{number}", FHIR_JSON, json.dumps(body).encode())


def everything(count: int) -> list[RawRecord]:
    """Patients with a report of one result each."""
    return [made(n) for n in range(count) for made in (patient, glucose, report)]


def opened(settings: Settings) -> Parts:
    """The parts of an installation that `tests.support.serving.make_home` made."""
    return open_parts(settings)


__all__: Sequence[str] = [
    "INSTITUTION", "NAME", "MemorySource", "SourceError", "everything", "glucose", "opened", "patient", "puller",
    "report", "settings_of",
]  # fmt: skip
