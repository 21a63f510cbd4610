"""What is asked of a FHIR server, and what its answers are (FHIR R4 search.html, http.html)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from adapters.fhir.capabilities import Capabilities, TypeCapabilities, read_capabilities
from adapters.fhir.cursor import instant
from adapters.fhir.options import IN_ORDER, Options
from adapters.fhir.pages import Page, Row, read_page, read_resource
from adapters.transport import Answer, GuardedClient
from service.ingest.source import FHIR_JSON, Fatal, RawRecord, Retriable, Skippable, SourceConfig

Params = list[tuple[str, str]]

ACCEPT = {"Accept": "application/fhir+json, application/json;q=0.9", "Cache-Control": "no-cache"}
"""HAPI gives the result of an equal search again for a minute unless it is told not to."""
OK = 200
LOCAL = {"server-error", "incomplete-answer", "unreadable-answer", "search-expired"}
"""Codes of what may be the trouble of one type, or of one resource of it, alone."""

_OPTIONAL = ("_include", "_elements", "_sort")  # left out one after another where a search is refused
_SHIFTING = re.compile(r"(?:^|[?&])_?(?:offset|skip|page|start|startindex|start-index|from)=\d+", re.IGNORECASE)
_DATED = {"DiagnosticReport": "date", "Observation": "date", "ImagingStudy": "started", "Specimen": "collected"}
_POSITION = {kind: n for n, kind in enumerate(IN_ORDER)}
_REFERS = {
    "DiagnosticReport": {"subject": "Patient", "result": "Observation", "specimen": "Specimen"},
    "Observation": {"subject": "Patient", "specimen": "Specimen", "device": "Device"},
    "ImagingStudy": {"subject": "Patient", "endpoint": "Endpoint"},
    "Specimen": {"subject": "Patient"},
    "Consent": {"patient": "Patient"},
}
"""Search parameters that are references to what is used, by type."""


@dataclass
class Server:
    """One FHIR server within one run: what it can, when the run ends, what it refused when asked."""

    client: GuardedClient
    config: SourceConfig
    options: Options
    capabilities: Capabilities
    until: datetime
    refused: set[tuple[str, str]] = field(default_factory=set)

    def offers(self, kind: str) -> TypeCapabilities:
        """What is offered for a type."""
        return self.capabilities.types.get(kind, TypeCapabilities())

    @property
    def types(self) -> list[str]:
        """The types that are wanted and offered, what others refer to first. Types that the options name are asked for
        whatever the server claims."""
        named = self.options.types
        if named is not None:
            return sorted(named, key=_order)
        return sorted((one for one in self.capabilities.types if one in _POSITION), key=_order)

    def is_swept(self, kind: str) -> bool:
        """Whether all of the type is searched for; what is not comes along with others, or is read one by one."""
        if kind not in self.types:
            return False
        told = self.offers(kind).interactions
        if self.options.types is None and told and "search-type" not in told:
            return False
        return self.options.search_by == "last-updated" or kind in _DATED or kind == "Consent"

    def search(self, kind: str, params: Params) -> tuple[str, Page]:
        """The first page of a search with its address; where it is refused, without what can be done without."""
        while True:
            asked = [one for one in params if (kind, one[0]) not in self.refused]
            try:
                return self.page(kind, kind, asked)
            except Fatal as error:
                optional = next((name for name in _OPTIONAL if any(one[0] == name for one in asked)), None)
                if error.code != "refused" or optional is None:
                    raise
                self.refused.add((kind, optional))

    def page(self, kind: str, path_or_url: str, params: Sequence[tuple[str, str]] = ()) -> tuple[str, Page]:
        """A page with its address."""
        try:
            answer = self.client.get(path_or_url, params=params, headers=ACCEPT)
        except Fatal as error:
            if error.code != "too-large":
                raise
            raise Fatal("too-large", f"{error.message}; a smaller options.page makes smaller answers") from None
        if answer.status != OK:
            raise _not_whole(answer, f"a search of {kind}")
        return path_or_url, read_page(answer.body, kind.partition("/")[0], self.config.zone)

    def address(self, path_or_url: str) -> str:
        """The address of a page, for the links on it."""
        return path_or_url if "://" in path_or_url else f"{self.client.base.url}/{path_or_url}"

    def read(self, ref: str) -> tuple[int, Row]:
        """A read of `Type/id`: its status, and its row."""
        answer = self.client.get(ref, headers=ACCEPT, expect={403, 404, 410})
        if answer.status == OK:
            return OK, read_resource(answer.body, ref, self.config.zone)
        if answer.status < 300:
            raise _not_whole(answer, f"a read of {ref.partition('/')[0]}")
        return answer.status, Row(RawRecord(ref, FHIR_JSON, answer.body), ref.partition("/")[0])

    def changes(self, kind: str, since: datetime | None, until: datetime) -> Params:
        """The query for what changed in [since, until), the oldest change first."""
        asked = self.since(kind, since)
        if self.options.search_by == "last-updated":
            asked += [("_lastUpdated", f"lt{self._time(until)}"), ("_sort", "_lastUpdated")]
        return [*asked, ("_count", str(self.options.page)), *self.includes(kind)]

    def since(self, kind: str, since: datetime | None) -> Params:
        """The part of the query that says since when; none where there is no such time, or nothing to ask it by."""
        if since and self.options.search_by == "last-updated":
            return [("_lastUpdated", f"ge{self._time(since)}")]
        if since and kind in _DATED:
            return [(_DATED[kind], f"ge{since.astimezone(self.config.zone).date().isoformat()}")]
        return []

    @property
    def begin(self) -> datetime | None:
        """When the first run begins; None: with the oldest."""
        first = self.options.since
        return datetime(first.year, first.month, first.day, tzinfo=self.config.zone) if first else None

    def includes(self, kind: str) -> Params:
        """`_include` for what no search of its own gives."""
        told = self.offers(kind)
        return [
            ("_include", f"{kind}:{name}")
            for name, target in _REFERS.get(kind, {}).items()
            if target in _POSITION and not self.is_swept(target) and told.can_include(kind, name)
        ]

    def _time(self, at: datetime) -> str:
        if not self.options.local_times:
            return instant(at)
        return at.astimezone(self.config.zone).replace(tzinfo=None).isoformat(timespec="milliseconds")


def open_server(client: GuardedClient, config: SourceConfig, options: Options) -> Server:
    """Reads what the server can, and fixes by its own clock where this run ends. Raises SourceError."""
    try:
        answer = client.get("metadata", headers=ACCEPT)
    except Skippable as error:
        raise Fatal("not-fhir", f"{error.message}; address must be the FHIR base URL, as https://host/fhir") from None
    now = clock_of(answer)
    until = now - options.settle + timedelta(hours=options.clock_ahead_hours)
    return Server(client, config, options, read_capabilities(answer.body), until)


def _not_whole(answer: Answer, asked: str) -> Retriable:
    return Retriable(
        "incomplete-answer", f"{asked} was answered {answer.status}, which brings no whole answer; 200 is expected"
    )


def clock_of(answer: Answer) -> datetime:
    """The server's time; ours where it does not tell."""
    return (answer.server_time or datetime.now(UTC)).replace(microsecond=0)


def shifts(link: str) -> bool:
    """Whether a next link counts rows in what is found by then: when a row leaves the search meanwhile, as it does when
    it is changed, the next page begins one too late. A snapshot (`_getpages`) and an opaque token do not."""
    query = urlsplit(link).query
    return "_getpages=" not in query and _SHIFTING.search(query) is not None


def _order(kind: str) -> int:
    return _POSITION[kind]
