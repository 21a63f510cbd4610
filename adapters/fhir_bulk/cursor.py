"""Where a Bulk Data source is in its work, as JSON.

    {"since": "2026-11-20T04:00:00Z", "status": "https://…/status/17", "mark": "ab12…", "file": 3, "line": 400,
     "failed": 0, "tries": 0}

`since`: the transactionTime of the last export that was taken whole. `status`: where the export under way is asked
for; a run that was killed goes on with it. `file` and `line`: what of it has been given; `mark` tells whether the
manifest still lists the files in the order in which they were counted. `failed`: how much the server said it could
not export; `tries`: how often an export since then was incomplete for that. `ahead`: how many seconds the server's
clock was ahead of ours then. `is_whole`: the export under way is of everything; `whole`: when the last such was taken.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from service.ingest.source import Cursor


class State(Struct, omit_defaults=True):
    """The source's place."""

    since: str = ""
    status: str = ""
    mark: str = ""
    file: int = 0
    line: int = 0
    failed: int = 0
    tries: int = 0
    ahead: int | None = None
    is_whole: bool = False
    whole: str = ""

    def begin(self, status: str, is_whole: bool = False) -> None:
        """An export is under way."""
        self.status, self.is_whole = status, is_whole
        self._start("")

    def forget(self) -> None:
        """There is no export under way."""
        self.begin("")

    def follow(self, mark: str) -> None:
        """Goes on where it was in the files of a manifest; at their start when they are others."""
        if self.mark != mark:
            self._start(mark)

    def _start(self, mark: str) -> None:
        self.mark, self.file, self.line, self.failed = mark, 0, 0, 0

    def cursor(self) -> dict[str, Any]:
        """The place as it is now."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def read_cursor(cursor: Cursor | None) -> State:
    """The place in a cursor; the beginning where there is none, or where it is not one of ours: repeating is free."""
    try:
        return msgspec.convert(dict(cursor or {}), State)
    except msgspec.ValidationError:
        return State()
