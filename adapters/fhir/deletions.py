"""What was deleted at the source: no search tells (FHIR R4 http.html#delete). Either the history of a type does, or a
list of all that exists is compared with what was pulled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from adapters.fhir.cursor import TypeState, instant
from adapters.fhir.pages import Row
from adapters.fhir.questions import Params, Server
from service.ingest.source import FHIR_JSON, Fatal, Listing, RawRecord, Skippable

_LISTED_AT_ONCE = 500
_NOTHING = RawRecord("", FHIR_JSON, b"")  # a version that the search gives: its body need not be remembered


def way_of(server: Server, kind: str) -> str:
    """How deletions of a type are learned: `history`, `listing` or `none`."""
    asked = server.options.deletions
    if asked != "auto":
        return asked
    has_history = "history-type" in server.offers(kind).interactions and (kind, "_history") not in server.refused
    return "history" if has_history else "listing"


def deleted_since(server: Server, kind: str, state: TypeState) -> tuple[list[Row], int] | None:
    """The deletions since they were last asked for, and how many other versions the history told, which the search
    gives; None where the server has no such history after all. Raises SourceError.

    What was put again after its deletion is no deletion: of each resource only the newest version counts."""
    since = (state.history_until or server.until) - server.config.overlap
    asked: Params = [("_since", instant(since)), ("_count", str(server.options.page))]
    newest: dict[str, Row] = {}
    number = 0
    try:
        for row in _rows(server, f"{kind}/_history", asked):
            number += 1
            key = row.record.key
            if key not in newest or _is_later(row, newest[key]):
                newest[key] = row if _is_told(row) else replace(row, record=_NOTHING)
    except (Skippable, Fatal) as error:
        if isinstance(error, Fatal) and error.code != "refused":
            raise
        if server.options.deletions == "history":
            raise Fatal(
                "no-history", f"the server has no history of {kind}; set options.deletions to listing, or to none"
            ) from None
        server.refused.add((kind, "_history"))
        return None
    deleted = [row for row in newest.values() if row.record is not _NOTHING]
    state.history_until = max(server.until, since)
    return deleted, number - len(deleted)


def is_listing_due(server: Server, kind: str, state: TypeState) -> bool:
    """Whether it is time to list all that exists of a type. Beside a history that is done too: histories were seen that
    skip entries which share their time (hapifhir/hapi-fhir#5720), and a withdrawal that is committed too late for a
    question by time must not count a week late."""
    way = way_of(server, kind)
    if way == "none" or (way == "history" and server.options.deletions == "history"):
        return False
    if state.listed_at is None:
        state.listed_at = server.until  # all of it has just been pulled
        return False
    return server.until - state.listed_at >= timedelta(hours=server.options.listing_hours)


def listing_of(server: Server, kind: str) -> Listing | None:
    """All that exists of a type; None where the list cannot be complete. Where the first run was to begin with a day,
    only what changed since is expected to have been given. Raises SourceError."""
    found = _ids(server, kind, [])
    if found is None:
        return None
    keys = frozenset(found)
    changed = {key: at for key, at in found.items() if at is not None}
    if server.begin is None:
        return Listing(kind, keys, keys, changed)
    return Listing(kind, keys, frozenset(_ids(server, kind, server.since(kind, server.begin)) or ()), changed)


def _ids(server: Server, kind: str, asked: Params) -> dict[str, datetime | None] | None:
    """The keys of all that is found, each with its lastUpdated where that is told; None where there may be more."""
    found: dict[str, datetime | None] = {}
    total: list[int] = []
    for row in _rows(server, kind, [*asked, ("_elements", "id,meta"), ("_count", str(_LISTED_AT_ONCE))], total):
        if row.type == kind:
            found[row.record.key] = row.updated_at
            if row.record.problem:
                return None  # one that cannot be named would look deleted
    return None if total and len(found) < max(total) else found


def _rows(server: Server, kind: str, asked: Params, total: list[int] | None = None) -> Iterator[Row]:
    paging = server.client.paging()
    url, page = server.search(kind, asked)
    while True:
        if total is not None and page.total is not None:
            total.append(page.total)
        yield from page.rows
        if page.next is None:
            return
        url = paging.follow(page.next, server.address(url))
        page = server.page(kind, url)[1]


def _is_told(row: Row) -> bool:
    """Whether only the history tells it: other versions, also those that cannot be read, a search gives."""
    return row.record.is_deletion or (row.record.problem is not None and row.method == "DELETE")


def _is_later(new: Row, old: Row) -> bool:
    """Whether `new` is the later version of one resource. Where neither numbers nor times tell (HAPI gives a deletion
    no time), the first one is: a history begins with the newest (FHIR R4 http.html#history)."""
    if new.version is not None and old.version is not None:
        return new.version > old.version
    return new.updated_at is not None and old.updated_at is not None and new.updated_at > old.updated_at
