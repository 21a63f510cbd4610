"""C-FIND over an association that is kept: archives end idle ones, so a lost one is made anew once."""

from __future__ import annotations

import time

from pydicom.dataset import Dataset

from adapters.dimse.association import Link
from adapters.dimse.contexts import for_questions
from adapters.dimse.peer import Peer
from adapters.transport.patience import Pace
from service.ingest.source import Retriable

_LOST = frozenset(("aborted", "cut-off"))


class Conversation:
    """Questions to one archive, one after another. Use by one thread at a time. Raises SourceError."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._link: Link | None = None
        self._pace = Pace(peer.config.limits.requests_per_second, time.monotonic, time.sleep)

    def find(self, keys: Dataset, asked: str) -> list[Dataset]:
        """All matches of one C-FIND."""
        self._pace.wait()
        was_idle = self._link is not None and self._link.is_open
        try:
            return self._open().find(keys, asked)
        except Retriable as error:
            if not was_idle or error.code not in _LOST:
                raise
            return self._open().find(keys, asked)

    def echo(self) -> None:
        """C-ECHO over an association of its own."""
        with Link(self._peer, for_questions()) as link:
            link.echo()

    def software(self) -> str:
        """What the archive calls itself (Implementation Version Name, PS3.7 D.3.3.2); "" where it does not say."""
        return str(self._open().assoc.acceptor.implementation_version_name or "")

    def _open(self) -> Link:
        if self._link is None or not self._link.is_open:
            self.close()
            link = Link(self._peer, for_questions())
            link.__enter__()
            self._link = link
        return self._link

    def close(self) -> None:
        """Ends the association."""
        if self._link is not None:
            self._link.close()
            self._link = None
