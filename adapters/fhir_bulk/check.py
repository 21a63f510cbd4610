"""What `testonce source check` looks at before a server is exported from for the first time."""

from __future__ import annotations

from datetime import UTC, datetime

from adapters.fhir.capabilities import read_capabilities
from adapters.fhir.check import version_of
from adapters.fhir.pages import read_page
from adapters.fhir_bulk.export import Exports
from adapters.fhir_bulk.options import Options
from adapters.transport import GuardedClient
from adapters.transport.findings import of_line, of_sample
from service.ingest.source import Finding, Level, RawRecord, Readiness, SourceConfig, SourceError

_JSON = {"Accept": "application/fhir+json"}
_SAMPLE = 20
_REPORTS = [("_count", "4"), ("_include", "DiagnosticReport:result"), ("_include", "DiagnosticReport:subject")]


def check(client: GuardedClient, config: SourceConfig, options: Options, exports: Exports) -> Readiness:
    """Raises SourceError where there is nothing to talk to."""
    answer = client.get("metadata", headers=_JSON)
    told = read_capabilities(answer.body)
    exported = _export(exports, options, answer.server_time or datetime.now(UTC))
    sample, found = _sample(client, config)
    return Readiness(
        (of_line(config), version_of(told), exported, found),
        told.software,
        {"export": options.path, "types": options.asked},
        tuple(sample),
    )


def _export(exports: Exports, options: Options, now: datetime) -> Finding:
    """Asks for what changes from now on, which is next to nothing, and gives it back at once."""
    try:
        exports.give_back(exports.kick_off(now.astimezone(UTC).isoformat()))
    except SourceError as error:
        return Finding("export", Level.PROBLEM, error.message)
    return Finding("export", Level.OK, f"{options.path} is accepted")


def _sample(client: GuardedClient, config: SourceConfig) -> tuple[list[RawRecord], Finding]:
    """Some reports with their results, by a search: an export of everything takes hours."""
    try:
        answer = client.get("DiagnosticReport", params=_REPORTS, headers=_JSON)
        rows = read_page(answer.body, "DiagnosticReport", config.zone).rows
    except SourceError as error:
        text = f"no sample: searches are not answered ({error.code}); the first export shows what there is"
        return [], Finding("sample", Level.WARNING, text)
    sample = [one.record for one in rows][:_SAMPLE]
    return sample, of_sample(sample)
