"""Where a FHIR source is in its work, as JSON.

    {"types": {"Observation": {"watermark": "…", "until": "…", "next": "https://…", …}}, "missing": {"Patient/1": 2}}

`watermark`: all changes up to it have been given. `next`: the page to go on with in a search that is half read, which
began with `until` as its upper bound and has seen changes up to `reached`. `missing`: what was referred to and could
not be read, with how often it was tried. It may hold ids: cursors are stored sealed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from service.ingest.source import Cursor

MOST_UNREAD = 50
"""Times left out at once; a type that needs more is not read any further."""


class TypeState(Struct, omit_defaults=True):
    """One resource type."""

    watermark: datetime | None = None
    began: datetime | None = None  # the watermark when the last search began
    until: datetime | None = None
    reached: datetime | None = None
    next: str = ""
    ordered: bool = False  # the half-read search comes in order of lastUpdated, and its server says so
    done: int = 0  # resources the half-read search has given
    total: int = 0
    complete: bool = False  # everything there was has been given at least once
    history_until: datetime | None = None  # deletions are known up to here
    listed_at: datetime | None = None
    failures: int = 0  # runs in a row in which this type could not be read to its end
    unread: list[tuple[datetime, datetime]] = []  # times that had to be left out

    @property
    def is_short(self) -> bool:
        """Whether the server announced more for this search than it has given."""
        return self.total > self.done

    def start(self, until: datetime) -> None:
        """A new search, up to `until`."""
        self.began, self.until, self.reached = self.watermark, until, None
        self.next, self.ordered, self.done, self.total = "", False, 0, 0

    def moved(self, to: datetime | None) -> None:
        """Raises the watermark to what has been seen."""
        if to is not None and (self.watermark is None or to > self.watermark):
            self.watermark = to

    def unordered(self) -> None:
        """The order of the search was none: what was taken for seen may not have been."""
        if self.ordered:
            self.ordered, self.watermark = False, self.began

    def leave_out(self, since: datetime, until: datetime) -> None:
        """Goes past times that cannot be read, and remembers them."""
        self.moved(until)
        if (since, until) not in self.unread:
            self.unread = [*self.unread, (since, until)]

    def finish(self) -> None:
        """The search is at its end: everything up to `reached` has been seen."""
        self.moved(self.reached)
        self.until = self.reached = None
        self.next, self.ordered, self.complete = "", False, True


class State(Struct, omit_defaults=True):
    """The whole source."""

    types: dict[str, TypeState] = {}
    missing: dict[str, int] = {}

    def of(self, kind: str) -> TypeState:
        """The state of a type."""
        return self.types.setdefault(kind, TypeState())

    def cursor(self) -> dict[str, Any]:
        """The state as it is now."""
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return found


def read_cursor(cursor: Cursor | None) -> State:
    """The state in a cursor; a new one where there is none, or where it is not one of ours: repeating is free."""
    try:
        return msgspec.convert(dict(cursor or {}), State)
    except msgspec.ValidationError:
        return State()


def instant(at: datetime) -> str:
    """A moment as it stands in a query."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
