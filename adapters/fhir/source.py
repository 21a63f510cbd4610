"""A FHIR R4 server as a source: searches by type, what they leave out, and deletions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from adapters.fhir.byid import ById
from adapters.fhir.check import check
from adapters.fhir.cursor import State, TypeState, read_cursor
from adapters.fhir.deletions import deleted_since, is_listing_due, listing_of, way_of
from adapters.fhir.followup import FollowUp
from adapters.fhir.options import Options, read_options
from adapters.fhir.pages import Row
from adapters.fhir.questions import ACCEPT, LOCAL, Server, open_server
from adapters.fhir.sweep import Sweep
from adapters.transport import GuardedClient
from service.ingest.source import Cursor, Fatal, Pulled, Readiness, Retriable, SourceConfig

_MOST_AT_ONCE = 500


def open_source(config: SourceConfig) -> FhirSource:
    """A FHIR source; nothing is asked yet. Raises Fatal `bad-option`, `bad-address` where the settings are wrong."""
    options = read_options(config)
    return FhirSource(config, GuardedClient(config), options)


class FhirSource:
    """A FHIR R4 server (`service.ingest.source.Source`)."""

    def __init__(self, config: SourceConfig, client: GuardedClient, options: Options) -> None:
        self._config = config
        self._client = client
        self._options = options
        self._server: Server | None = None  # as it was when last pulled

    def check(self) -> Readiness:
        """What the server is and can, tried out; a sample of at most twenty records."""
        return check(self._client, self._config, self._options)

    def pull(self, cursor: Cursor | None) -> Iterator[Pulled]:
        """All changes since the cursor, type by type; see the port."""
        server = open_server(self._client, self._config, self._options)
        if not any(server.is_swept(one) for one in server.types):
            raise Fatal(
                "nothing-offered", "the server offers no search of any type that is used; ask its vendor for the FHIR "
                "base URL, or name the types in options.types",
            )  # fmt: skip
        self._server = server
        yield from _Run(server, read_cursor(cursor)).batches()

    def fetch(self, keys: Sequence[str]) -> Iterator[Pulled]:
        """Resources by their ids, with what they refer to and no search gives; see `FetchesByKey`."""
        server = self._server or open_server(self._client, self._config, self._options)
        follow = FollowUp(server, State())
        for kind, asked, rows in ById(server).batches(keys):
            yield Pulled(tuple(one.record for one in rows), {}, scope=kind, asked=frozenset(asked))
            for of_kind, more in follow.of(rows):
                yield Pulled(tuple(one.record for one in more), {}, scope=of_kind)

    def probe(self) -> None:
        """Asks for the summary of what the server can; a server that knows no summary answers as well."""
        self._client.get("metadata", params=[("_summary", "true")], headers=ACCEPT, expect={400, 406, 501})

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()


class _Run:
    """One run: batches with the cursor that may be stored with each."""

    def __init__(self, server: Server, state: State) -> None:
        self._server = server
        self._state = state
        self._stored = state.cursor()
        self._follow = FollowUp(server, state)

    def batches(self) -> Iterator[Pulled]:
        for kind, rows in self._follow.again():
            yield from self._given(kind, rows)
        failed: list[Retriable] = []
        for kind in self._server.types:
            if self._server.is_swept(kind):
                try:
                    yield from self._swept(kind)
                    yield from self._deleted(kind)
                    self._state.of(kind).failures = 0
                except Retriable as error:
                    if error.code not in LOCAL:
                        raise
                    state = read_cursor(self._stored).of(kind)  # what was read and not given is read again
                    state.failures += 1
                    self._state.types[kind] = state
                    failed.append(error)
        postponed = self._follow.postponed()
        self._stored = self._state.cursor()
        for kind, rows in self._follow.fetched(postponed):
            yield from self._given(kind, rows)
        self._stored = self._state.cursor()
        yield Pulled((), self._stored)
        if failed:
            raise failed[0]

    def _swept(self, kind: str) -> Iterator[Pulled]:
        state = self._state.of(kind)
        state.history_until = state.history_until or self._server.until  # what was deleted before was never pulled
        for page in Sweep(self._server, kind, state).pages():
            self._follow.note(page.rows)
            by_type = _by_type(page.rows)
            batches = [(kind, by_type.pop(kind, [])), *by_type.items(), *self._follow.of(page.rows, state.began)]
            for n, (type_, rows) in enumerate(batches, 1):  # a page is done with once all that it refers to is stored
                ignored = page.ignored if n == 1 else None
                yield from self._given(type_, rows, ignored, state if n == len(batches) else None)

    def _deleted(self, kind: str) -> Iterator[Pulled]:
        state = self._state.of(kind)
        is_first = state.history_until == self._server.until  # this very run began to look
        if way_of(self._server, kind) == "history" and not is_first:
            found = deleted_since(self._server, kind, state)
            if found is not None:
                rows, others = found
                yield from self._given(kind, rows, {"version-in-history": others} if others else {}, state)
        if is_listing_due(self._server, kind, state):
            listing = listing_of(self._server, kind)
            if listing is not None:
                state.listed_at = self._server.until
                self._stored = self._state.cursor()
                yield Pulled((), self._stored, scope=kind, listing=listing)

    def _given(
        self, kind: str, rows: Sequence[Row], ignored: Mapping[str, int] | None = None, done: TypeState | None = None
    ) -> Iterator[Pulled]:
        """Rows of one type as batches. With the last of them the cursor moves, where this is all of a page of the type
        that `done` is the state of."""
        parts = [rows[n : n + _MOST_AT_ONCE] for n in range(0, len(rows), _MOST_AT_ONCE)] or [[]]
        for n, part in enumerate(parts, 1):
            is_last = n == len(parts)
            if is_last and done is not None:
                self._stored = self._state.cursor()
            if not (part or ignored or (done is not None and done.next)):
                return  # nothing to store that a later batch does not
            told = done or TypeState()
            yield Pulled(
                tuple(one.record for one in part), self._stored, (ignored or {}) if is_last else {}, kind,
                watermark=told.watermark, done=told.done, total=told.total,
            )  # fmt: skip


def _by_type(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.type, []).append(row)
    return found
