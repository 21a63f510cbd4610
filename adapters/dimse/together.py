"""A study's series at once, each over an association of its own: one waits for the line while another sends."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack
from queue import Queue
from typing import Protocol

from adapters.dimse.transfer import Item, Received, Retrieval, next_of
from service.ingest.source import SourceError


class Start(Protocol):
    """Makes a retrieval that gives what it receives to this queue."""

    def __call__(self, *, room: Queue[Item]) -> Retrieval: ...


def together(starts: Sequence[Start], lines: int, seconds: float) -> Generator[Received, None, None]:
    """What these retrievals receive, as it comes, at most `lines` of them at a time. Closing it ends them all.

    Raises SourceError: of one of them, or Retriable `slow` where none gives anything for `seconds`.
    """
    room: Queue[Item] = Queue(lines)
    waiting = list(starts)
    running = 0
    with ExitStack() as open_ones:
        while waiting or running:
            while waiting and running < lines:
                open_ones.enter_context(waiting.pop(0)(room=room))
                running += 1
            found = next_of(room, seconds)
            if found is None:
                running -= 1
            elif isinstance(found, SourceError):
                raise found
            else:
                yield found
