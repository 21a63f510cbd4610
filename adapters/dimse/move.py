"""C-MOVE, the last resort: for archives without C-GET. They send to our receiver, which they must know by name.

It is slow (research: imaging, 2) and one retrieval runs at a time, for what arrives does not say to which it belongs.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

from adapters.dimse.headers import Headers
from adapters.dimse.peer import Peer
from adapters.dimse.queries import retrieve
from adapters.dimse.receiver import Receiver, Take
from adapters.dimse.statuses import MISMATCH
from adapters.dimse.transfer import Retrieval
from service.ingest.source import Retriable


class Mover:
    """Our receiver for the C-MOVEs of one archive; listens from the first one on. Several threads may use it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._receiver = Receiver(peer, self._arrived, {peer.aet, *peer.options.allowed_aets})
        self._busy, self._opening = threading.Lock(), threading.Lock()
        self._take: Take | None = None
        self._is_open = False

    @property
    def aet(self) -> str:
        """The AE title the archive is told to send to."""
        return self._receiver.aet

    def begin(self, take: Take) -> None:
        """Waits for its turn; what arrives until `end` goes to `take`. Raises SourceError."""
        with self._opening:
            if not self._is_open:
                self._receiver.__enter__()
                self._is_open = True
        seconds = self._peer.config.limits.answer_seconds
        if not self._busy.acquire(timeout=seconds):
            raise Retriable("busy", f"another C-MOVE from {self._peer.aet} took longer than {seconds:.0f} s")
        self._take = take

    def end(self, take: Take) -> None:
        """The turn of the next one, where it was this one's."""
        with self._opening:
            if self._take == take:
                self._take = None
                self._busy.release()

    def _arrived(self, event: Any) -> int:
        take = self._take
        return MISMATCH if take is None else take(event)  # nobody asked: it may be anybody's

    def close(self) -> None:
        """Stops listening."""
        with self._opening:
            if self._is_open:
                self._is_open = False
                self._receiver.__exit__(None, None, None)


class MoveHeaders:
    """Headers by C-MOVE; see `adapters.dimse.headers.ReadsHeaders`."""

    def __init__(self, peer: Peer) -> None:
        self._peer, self._mover = peer, Mover(peer)

    def read(self, study_uid: str, series_uid: str, sop_uids: Collection[str], classes: Collection[str]) -> Headers:
        """See `ReadsHeaders`."""
        headers = Headers()
        asked = retrieve(study_uid, series_uid, sorted(sop_uids))
        with Retrieval(self._peer, asked, sorted(filter(None, classes)), frozenset(sop_uids), self._mover) as found:
            for one in found:
                headers.take(one, self._peer.options.default_charset)
        return headers

    def close(self) -> None:
        """Stops listening."""
        self._mover.close()
