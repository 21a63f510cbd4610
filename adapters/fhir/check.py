"""What `testonce source check` looks at before a FHIR server is pulled from for the first time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from adapters.fhir.capabilities import Capabilities
from adapters.fhir.cursor import State
from adapters.fhir.deletions import way_of
from adapters.fhir.followup import FollowUp
from adapters.fhir.options import IN_ORDER, Options
from adapters.fhir.pages import Page, Row
from adapters.fhir.questions import Params, Server, open_server
from adapters.transport import GuardedClient
from adapters.transport.findings import of_line, of_sample
from service.ingest.source import Finding, Level, RawRecord, Readiness, SourceConfig, SourceError

_SAMPLE = 20
_REPORTS = 5
_NEEDED = ("DiagnosticReport", "Observation", "Patient")
_CLOCK = timedelta(minutes=2)
_EVER = timedelta(days=3650)


def check(client: GuardedClient, config: SourceConfig, options: Options) -> Readiness:
    """Asks what the server can, tries it, takes a sample. Raises SourceError where there is nothing to talk to."""
    server = open_server(client, config, options)
    sample = _sample(server)
    findings = [of_line(config), version_of(server.capabilities), *_types(server), _clock(server)]
    for tried in (_searched, _stamped, _deletions):
        findings += _tried(tried, server)
    findings.append(of_sample(sample))
    told = {kind: sorted(server.offers(kind).interactions) for kind in server.types}
    return Readiness(tuple(findings), server.capabilities.software, told, tuple(sample))


def _tried(look: Callable[[Server], Iterator[Finding]], server: Server) -> list[Finding]:
    try:
        return list(look(server))
    except SourceError as error:
        return [Finding(look.__name__.strip("_"), Level.PROBLEM, error.message)]


def version_of(told: Capabilities) -> Finding:
    """What the server says it is."""
    return Finding("version", Level.OK, f"FHIR {told.version}, {told.software or 'software not said'}")


def _types(server: Server) -> Iterator[Finding]:
    swept = [kind for kind in server.types if server.is_swept(kind)]
    lacking = [kind for kind in IN_ORDER if kind not in swept]
    yield Finding("types", Level.OK, f"searched: {', '.join(swept) or 'none'}; not searched: {', '.join(lacking)}")
    if "Consent" in server.capabilities.types and "Consent" not in swept:
        text = "Consent is not among options.types: withheld consents would not be known; add it"
        yield Finding("types", Level.WARNING, text)
    for kind in _NEEDED:
        if kind not in swept and (kind != "Patient" or kind not in server.capabilities.types):
            text = f"{kind} is not offered by a search; ask the vendor to enable it, or name it in options.types"
            yield Finding("types", Level.PROBLEM, text)


def _clock(server: Server) -> Finding:
    ours = datetime.now(UTC)
    theirs = server.until + server.options.settle - timedelta(hours=server.options.clock_ahead_hours)
    off = theirs - ours
    if abs(off) <= _CLOCK:
        return Finding("clock", Level.OK, f"the server's clock is {off.total_seconds():+.0f} s off ours")
    text = f"the server's clock is {off.total_seconds():+.0f} s off ours; its own is used, but mend one of them"
    return Finding("clock", Level.WARNING, text)


def _searched(server: Server) -> Iterator[Finding]:
    """Whether what is asked for is honoured, whatever is claimed."""
    kind = _first(server)
    if server.options.search_by == "date":
        text = f"what is dated within {server.options.days_back} days is read again in every run, and compared"
        yield Finding("changes", Level.WARNING, text)
        return
    far = server.changes(kind, server.until + _EVER, server.until + 2 * _EVER)
    page = _ask(server, kind, far)
    if page.rows:
        text = '_lastUpdated is passed over: every run reads everything; set options.search_by = "date" instead'
        yield Finding("changes", Level.WARNING, text)
    else:
        yield Finding("changes", Level.OK, "searches by _lastUpdated")
    future = [("_lastUpdated", f"gt{_text(server)}"), ("_count", "1")]
    if not page.rows and _ask(server, kind, future).rows:
        text = "records are stamped later than the server's own clock: they would come late; set "
        yield Finding("clock", Level.WARNING, text + "options.clock_ahead_hours to how far lastUpdated runs ahead")


def _stamped(server: Server) -> Iterator[Finding]:
    """Order and form of lastUpdated."""
    kind = _first(server)
    stamps = [
        one.updated_at for one in _ask(server, kind, server.changes(kind, None, server.until)).rows if one.is_match
    ]
    known = [one for one in stamps if one is not None]
    if len(known) < len(stamps):
        text = f"{len(stamps) - len(known)} of {len(stamps)} resources of {kind} have no meta.lastUpdated"
        yield Finding("lastUpdated", Level.WARNING, text + "; their changes are known by their content only")
    if known != sorted(known):
        text = "searches do not come in order of lastUpdated: a first run that is interrupted begins anew"
        yield Finding("order", Level.WARNING, text)


def _deletions(server: Server) -> Iterator[Finding]:
    ways = sorted({way_of(server, kind) for kind in server.types if server.is_swept(kind)})
    level = Level.WARNING if "none" in ways else Level.OK
    yield Finding("deletions", level, f"learned by {', '.join(ways)}")


def _sample(server: Server) -> list[RawRecord]:
    """The newest reports with what they refer to."""
    kind = "DiagnosticReport" if server.is_swept("DiagnosticReport") else _first(server)
    rows: list[Row] = _ask(server, kind, [("_sort", "-_lastUpdated"), ("_count", str(_REPORTS))]).rows[:_REPORTS]
    follow = FollowUp(server, State())
    follow.note(rows)
    found = list(rows)
    parts = list(follow.of(rows))
    for _, more in (*parts, *follow.fetched(follow.postponed())):
        found += more
    return [one.record for one in found][:_SAMPLE]


def _ask(server: Server, kind: str, params: Params) -> Page:
    return server.search(kind, params)[1]


def _first(server: Server) -> str:
    """The type that is tried: results, as there are most of them."""
    swept = [kind for kind in server.types if server.is_swept(kind)]
    return "Observation" if "Observation" in swept else (swept or ["DiagnosticReport"])[0]


def _text(server: Server) -> str:
    return (server.until + server.options.settle).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
