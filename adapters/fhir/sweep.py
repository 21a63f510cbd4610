"""All changes of one resource type since the watermark, page by page."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import datetime, timedelta
from urllib.parse import unquote

from adapters.fhir.cursor import TypeState
from adapters.fhir.pages import Page
from adapters.fhir.questions import Server, shifts
from service.ingest.source import Fatal, Retriable, Skippable

_MOST_RESTARTS = 3
_ROUNDED = timedelta(seconds=1)
"""How much later than it is a server may show lastUpdated: some keep more digits than they show."""


class _Expired(Exception):
    """The server has forgotten a search that was half read."""


class Sweep:
    """The searches of one type in one run. Before each page is given, `state` is moved past it: it may be stored once
    the page is."""

    def __init__(self, server: Server, kind: str, state: TypeState) -> None:
        self._server = server
        self._kind = kind
        self._state = state
        self._last: datetime | None = None  # lastUpdated of the row before, in one search

    def pages(self) -> Iterator[Page]:
        """First the rest of a search that an earlier run left half read, then what changed up to this run's end.
        Raises SourceError."""
        yield from self._rest()
        since: datetime | None = self._since()
        self._state.start(self._server.until)
        restarts = 0
        while True:
            before = self._state.watermark
            try:
                since = yield from self._search(since)
            except _Expired:
                restarts = restarts + 1 if self._state.watermark == before else 0
                if restarts > _MOST_RESTARTS:
                    raise Retriable(
                        "search-expired", f"the server forgot a search of {self._kind} {restarts} times before its "
                        "end; a smaller options.page, or longer life of its searches, would help",
                    ) from None  # fmt: skip
                since = self._since()
                continue
            if since is None:
                return

    def _rest(self) -> Iterator[Page]:
        """The rest of a half-read search. Where it cannot be had any more the watermark serves."""
        state = self._state
        if not state.next:
            return
        try:
            url = self._server.client.resolve_link(state.next)
            yield from self._walk(url, self._next(url), None)
        except _Expired:
            pass
        except Fatal as error:
            if error.code not in ("foreign-address", "bad-address"):  # the settings name another address by now
                raise

    def _search(self, since: datetime | None) -> Generator[Page, None, datetime | None]:
        """One search; gives where to begin the next one, None when there is nothing more."""
        server, state = self._server, self._state
        try:
            url, page = server.search(self._kind, server.changes(self._kind, since, server.until))
        except (Fatal, Skippable) as error:
            if isinstance(error, Fatal) and error.code != "refused":
                raise
            raise Fatal(
                "refused", f"{error.message}. If it cannot search {self._kind} by _lastUpdated, set "
                'options.search_by = "date"; if it has no such resources, list the others in options.types',
            ) from None  # fmt: skip
        self._last = None
        state.ordered = server.options.search_by == "last-updated" and "_sort=" in unquote(page.self)
        return (yield from self._walk(url, page, since))

    def _walk(self, url: str, page: Page, since: datetime | None) -> Generator[Page, None, datetime | None]:
        state, paging = self._state, self._server.client.paging()
        while True:
            self._note(page)
            again = self._instead_of(page.next, since)
            state.next = paging.follow(page.next, self._server.address(url)) if page.next and again is None else ""
            if page.next is None:
                state.finish()
            yield page
            if not state.next:
                return again
            url = state.next
            page = self._next(url)

    def _next(self, url: str) -> Page:
        try:
            return self._server.page(self._kind, url)[1]
        except Skippable:
            raise _Expired from None
        except Fatal as error:
            if error.code == "refused":  # some answer 400 where FHIR knows 410
                raise _Expired from None
            raise

    def _note(self, page: Page) -> None:
        """Moves the state past a page: in order, all that is older has been seen; else only at the end is that sure."""
        state = self._state
        state.done += len(page.rows)
        state.total = page.total or state.total
        for row in page.rows:
            at = row.updated_at if row.is_match else None
            if at is None:
                continue
            if self._last is not None and at < self._last:
                state.unordered()
            self._last = at
            state.reached = max(state.reached or at, min(at, state.until or at))
        if state.ordered:
            state.moved(state.reached)

    def _instead_of(self, link: str | None, since: datetime | None) -> datetime | None:
        """Where a new search goes on, instead of a next link that would leave out rows."""
        state = self._state
        if link is None or not state.ordered or state.reached is None or not shifts(link):
            return None
        again = state.reached - _ROUNDED
        return again if since is None or again > since else None

    def _since(self) -> datetime | None:
        server, state = self._server, self._state
        options, zone = server.options, server.config.zone
        first = options.since
        oldest = datetime(first.year, first.month, first.day, tzinfo=zone) if first else None
        if options.search_by == "date":
            return server.until - timedelta(days=options.days_back) if state.complete else oldest
        return state.watermark - server.config.overlap if state.watermark else oldest
