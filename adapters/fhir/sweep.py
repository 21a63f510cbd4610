"""All changes of one resource type since the watermark, page by page."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from adapters.fhir.cursor import MOST_UNREAD, TypeState, instant
from adapters.fhir.pages import Page, Row
from adapters.fhir.questions import LOCAL, Server, shifts
from service.ingest.source import FHIR_JSON, Fatal, RawRecord, Retriable, Skippable

_MOST_RESTARTS = 3
_PATIENCE = 2  # runs that fail before it is taken for more than passing trouble
_MOST_SKIPPED = 3  # of one run
_NARROWEST = timedelta(seconds=1)
_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)  # no FHIR server is older
_MOST_ALIKE = 3  # pages in a row; one row that is moved on by others may be on two
_SET_BACK = timedelta(days=1)
"""How far a run goes back where the server's clock was set back since the last one: what changed in between bears times
before the watermark."""
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
        state, server = self._state, self._server
        yield from self._unread()
        if server.options.search_by == "date":
            yield from self._rest()
            yield from self._between(self._since(), server.until)
            return
        if state.failures >= _PATIENCE:
            state.next = ""
        yield from self._rest()
        skipped: list[datetime] = []
        for since, until in _around(state.unread, self._since(), server.until):
            if state.failures < _PATIENCE:
                yield from self._between(since, until)
            else:
                yield from self._narrowed(since or _OLDEST, until, skipped)

    def _between(self, since: datetime | None, until: datetime) -> Iterator[Page]:
        """What changed in [since, until); begun again from the watermark when the server forgets the search."""
        begin = since
        self._state.start(until)
        restarts = 0
        while True:
            before = self._state.watermark
            try:
                since = yield from self._search(since, until)
            except _Expired:
                restarts = restarts + 1 if self._state.watermark == before else 0
                if restarts > _MOST_RESTARTS:
                    raise Retriable(
                        "search-expired", f"the server forgot a search of {self._kind} {restarts} times before its "
                        "end; a smaller options.page, or longer life of its searches, would help",
                    ) from None  # fmt: skip
                seen = self._since()
                since = begin if seen is None or (begin is not None and begin > seen) else seen
                continue
            if since is None:
                return

    def _narrowed(self, since: datetime, until: datetime, skipped: list[datetime]) -> Iterator[Page]:
        """As `_between`, where run after run fails: some servers answer 500 to every page that holds one certain
        resource. Times are halved until what fails is a second; that second is left out, as a problem, and asked for
        again by every later run."""
        try:
            yield from self._between(since, until)
        except Retriable as error:
            if error.code not in LOCAL:
                raise
            if until - since > _NARROWEST:
                middle = since + (until - since) / 2
                yield from self._narrowed(since, middle, skipped)
                yield from self._narrowed(middle, until, skipped)
                return
            skipped.append(since)
            if len(skipped) > _MOST_SKIPPED or len(self._state.unread) >= MOST_UNREAD:
                raise  # this is more than some bad resources
            if len(skipped) == 1 and not self._answers_of_nothing():
                raise  # nor is it a resource
            self._state.leave_out(since, until)
            yield Page([self._left_out(since)])

    def _unread(self) -> Iterator[Page]:
        """What earlier runs had to leave out: some of it in each run, in turn."""
        state = self._state
        for times in state.unread[:_MOST_SKIPPED]:
            state.unread = [one for one in state.unread if one != times] + [times]
            try:
                pages = self._all(*times)
            except _Expired:
                continue
            except Retriable as error:
                if error.code not in LOCAL:
                    raise
                continue
            yield from pages[:-1]
            state.unread = [one for one in state.unread if one != times]
            yield pages[-1]

    def _all(self, since: datetime, until: datetime) -> list[Page]:
        """All pages of a short time, or none of them."""
        url, page = self._server.search(self._kind, self._server.changes(self._kind, since, until))
        found, paging = [page], self._server.client.paging()
        while page.next is not None:
            url = paging.follow(page.next, self._server.address(url))
            page = self._next(url)
            found.append(page)
        return found

    def _answers_of_nothing(self) -> bool:
        """Whether the server answers when asked for times in which nothing can have changed."""
        try:
            self._all(_OLDEST - _NARROWEST, _OLDEST)
        except (Retriable, _Expired):
            return False
        return True

    def _left_out(self, since: datetime) -> Row:
        reason = f"the server fails when asked for what changed in the second from {instant(since)} on; ask its vendor"
        key = f"{self._kind}/~unreadable-{instant(since)}"
        return Row(RawRecord(key, FHIR_JSON, b"", problem=("unreadable-at-source", reason)), self._kind)

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

    def _search(self, since: datetime | None, until: datetime) -> Generator[Page, None, datetime | None]:
        """One search; gives where to begin the next one, None when there is nothing more."""
        server, state = self._server, self._state
        try:
            url, page = server.search(self._kind, server.changes(self._kind, since, until))
        except (Fatal, Skippable) as error:
            if isinstance(error, Fatal) and error.code != "refused":
                raise
            raise Fatal(
                "refused", f"{error.message}. If it cannot search {self._kind} by _lastUpdated, set "
                'options.search_by = "date"; if it has no such resources, list the others in options.types',
            ) from None  # fmt: skip
        self._last = None
        state.done = state.total = 0
        state.ordered = server.options.search_by == "last-updated" and "_sort=" in unquote(page.self)
        return (yield from self._walk(url, page, since))

    def _walk(self, url: str, page: Page, since: datetime | None) -> Generator[Page, None, datetime | None]:
        state, paging = self._state, self._server.client.paging()
        before, alike = page, 0
        while True:
            alike = alike + 1 if page is not before and page.rows and page.rows == before.rows else 0
            if alike >= _MOST_ALIKE:
                raise Fatal(
                    "repeated-link", f"a search of {self._kind} gives the same page again and again, each time with "
                    "another next link; its paging is broken",
                )  # fmt: skip
            before = page
            self._note(page)
            again = self._instead_of(page.next, since)
            state.next = paging.follow(page.next, self._server.address(url)) if page.next and again is None else ""
            ends_early = page.next is None and again is None and state.is_short
            if page.next is None and again is None and not ends_early:
                state.finish()
            yield page
            if ends_early:
                raise Retriable(
                    "incomplete-answer", f"the server announced {state.total} resources for a search of {self._kind} "
                    f"and gave {state.done}, without a link to more; see whether it limits what it gives, and lower "
                    "options.page to that",
                )  # fmt: skip
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
        state.done += sum(row.is_match for row in page.rows) + sum(page.ignored.values())
        state.total = page.total or state.total
        for row in page.rows:
            at = row.updated_at if row.is_match else None
            if at is None:
                continue
            if self._last is not None and at < self._last:
                state.unordered()
            self._last = at
            at = min(at, state.until or at)  # of a stamp in the far future nothing can be concluded
            state.reached = max(state.reached or at, at)
        if state.ordered:
            state.moved(state.reached)

    def _instead_of(self, link: str | None, since: datetime | None) -> datetime | None:
        """Where a new search goes on, instead of a next link that would leave out rows, or that is not there although
        the server announced more."""
        state = self._state
        leaves_out = state.is_short if link is None else shifts(link)
        if not leaves_out or not state.ordered or state.reached is None:
            return None
        again = state.reached - _ROUNDED
        return again if since is None or again > since else None

    def _since(self) -> datetime | None:
        server, state = self._server, self._state
        if server.options.search_by == "date":
            return server.until - timedelta(days=server.options.days_back) if state.complete else server.begin
        if state.watermark and state.watermark - server.until > server.config.overlap:
            state.watermark = server.until - _SET_BACK
        return state.watermark - server.config.overlap if state.watermark else server.begin


def _around(
    left_out: list[tuple[datetime, datetime]], since: datetime | None, until: datetime
) -> Iterator[tuple[datetime | None, datetime]]:
    """[since, until) without the times that are left out."""
    for start, end in sorted(left_out):
        if end <= until and (since is None or end > since):
            if since is None or start > since:
                yield since, start
            since = end
    yield since, until
