"""Archives that push: what arrives is stored before it is acknowledged, many instances in one commit.

A reception is a run like any other, whose source is an inbox: it holds the source's lease, what it stored and did not
read is read by the next one, what comes again is known.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from service.domain.errors import Unavailable
from service.ingest.source import Cursor, Pulled, RawRecord
from service.pulling.configured import OpenReceiver
from service.pulling.pull import Puller
from service.pulling.run import OnProgress, Outcome
from service.source_settings import SourceSettings

_WAITING = 200
_MOST_AT_ONCE = 100
_PATIENCE = 20.0  # an archive waits some 30 s for an answer to C-STORE
_LOOK_SECONDS = 0.5


class NotKept(Exception):
    """A record could not be stored now; whoever sent it must send it again."""


@dataclass(slots=True, eq=False)
class _Letter:
    record: RawRecord
    settled: threading.Event = field(default_factory=threading.Event)
    stored: bool = False

    def settle(self, stored: bool) -> None:
        self.stored = stored
        self.settled.set()


class Inbox:
    """Records that have arrived and are not stored yet. `keep` is called by those who receive, `pull` by the run."""

    def __init__(self, stop: threading.Event, patience: float = _PATIENCE) -> None:
        self._stop = stop
        self._patience = patience
        self._letters: queue.Queue[_Letter] = queue.Queue(_WAITING)

    def keep(self, record: RawRecord) -> None:
        """Returns once the record is stored. Raises NotKept where that fails, or takes too long."""
        letter = _Letter(record)
        try:
            self._letters.put(letter, timeout=self._patience)
        except queue.Full:
            raise NotKept("too many instances wait to be stored") from None
        if not letter.settled.wait(self._patience) or not letter.stored:
            raise NotKept("the instance was not stored")

    def pull(self, cursor: Cursor | None) -> Generator[Pulled, None, None]:
        """Batches of what arrives, until it is stopped; each is acknowledged when the next is asked for, which is after
        its commit. An empty one says that nothing more is coming just now: what was stored is read."""
        is_quiet = True
        while not self._stop.is_set():
            letters = self._take()
            if not letters:
                if not is_quiet:
                    yield Pulled((), dict(cursor or {}), scope="pushed")
                is_quiet = True
                continue
            is_quiet = False
            stored = False
            try:
                yield Pulled(tuple(one.record for one in letters), dict(cursor or {}), scope="pushed")
                stored = True
            finally:
                for one in letters:
                    one.settle(stored)

    def _take(self) -> list[_Letter]:
        letters: list[_Letter] = []
        with suppress(queue.Empty):
            letters.append(self._letters.get(timeout=_LOOK_SECONDS))
            while len(letters) < _MOST_AT_ONCE:
                letters.append(self._letters.get_nowait())
        return letters


def receive(
    puller: Puller,
    settings: SourceSettings,
    open_receiver: OpenReceiver,
    stop: threading.Event,
    on_listening: Callable[[Any], None] = lambda _receiver: None,
    on_outcome: Callable[[Outcome | None, Unavailable | None], None] = lambda _outcome, _error: None,
    on_progress: OnProgress | None = None,
) -> None:
    """Listens until `stop` is set. While another process has the source, or the database is away, nothing is stored,
    and so nothing acknowledged: archives send again. `on_outcome` is told of both.

    Raises SourceError where it cannot listen, Unavailable where a credential is not there."""
    inbox = Inbox(stop)
    with open_receiver(puller.resolve(settings), inbox.keep) as receiver:
        on_listening(receiver)
        while not stop.is_set():
            try:
                on_outcome(puller.run(settings, inbox.pull, on_progress, stop.is_set), None)
            except Unavailable as error:
                on_outcome(None, error)
            stop.wait(_LOOK_SECONDS)
