"""The associations that may be open with one archive at once, shared by whoever asks it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from adapters.dimse.conversation import Conversation
from adapters.dimse.peer import Peer
from service.ingest.source import Retriable


class Lines:
    """At most `limits.connections` associations. Several threads may use it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._free = threading.BoundedSemaphore(peer.config.limits.connections)
        self._idle: list[Conversation] = []
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        """A line, waited for. Raises Retriable `busy`."""
        seconds = self._peer.config.limits.read_seconds
        if not self._free.acquire(timeout=seconds):
            raise Retriable("busy", f"all associations with {self._peer.aet} were in use for {seconds:.0f} s")
        try:
            yield
        finally:
            self._free.release()

    def take_more(self, most: int) -> int:
        """As many further lines, up to `most`, as are free now."""
        taken = 0
        while taken < most and self._free.acquire(blocking=False):
            taken += 1
        return taken

    def give_back(self, count: int) -> None:
        """Gives lines back that `take_more` took."""
        for _ in range(count):
            self._free.release()

    @contextmanager
    def conversation(self) -> Iterator[Conversation]:
        """One for questions, with an association that may be open already."""
        with self.one():
            with self._lock:
                talk = self._idle.pop() if self._idle else Conversation(self._peer)
            try:
                yield talk
            finally:
                with self._lock:
                    self._idle.append(talk)

    def close(self) -> None:
        """Ends those that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            one.close()
