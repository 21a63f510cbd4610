"""What questions by time did not give although a listing names it is fetched by its key, at the end of a run.

A listing and the questions by time are not of one moment: what was written in between comes by itself with the next
run. So a run fetches what an earlier one missed, and is still missed after this run's own questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from service.ingest.source import Cursor, FetchesByKey, Pulled
from service.pulling.store import PullStore

_MOST_AT_ONCE = 2000  # of one run: the rest waits for the next ones


class Pulls(Protocol):
    """The part of a source that a run needs."""

    def pull(self, cursor: Cursor | None) -> Iterator[Pulled]:
        """See `service.ingest.source.Source`."""


def and_missing(source: Pulls, store: PullStore, cursor: Cursor | None) -> Iterator[Pulled]:
    """What the source gives since `cursor`, then what it can give of the records that are missed."""
    began = store.database.now_us()
    yield from source.pull(cursor)
    if isinstance(source, FetchesByKey) and (keys := store.missed(began, _MOST_AT_ONCE)):
        reached = store.cursor() or {}
        for pulled in source.fetch(keys):
            yield replace(pulled, cursor=reached)
