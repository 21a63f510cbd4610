"""Headers of instances, for what C-FIND does not answer: the archive sends the instance, its pixels are dropped."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from adapters.dimse.association import Link
from adapters.dimse.compose import Json, to_json
from adapters.dimse.contexts import COMMON, GET, for_get
from adapters.dimse.peer import Peer
from adapters.dimse.queries import retrieve
from adapters.dimse.statuses import MISMATCH, OUT_OF_RESOURCES, PENDING, SOME_FAILED, SUCCESS, refusal
from adapters.dimse.transfer import Received, received_of
from service.ingest.dicom.charsets import read_terms
from service.ingest.dicom.elements import Header, UnreadableDicom, read_header
from service.ingest.source import Fatal, Retriable

_BEGINNING = 256 * 1024
_AT_ONCE = 16  # UIDs in one C-GET: some archives take few


@dataclass(slots=True)
class Headers:
    """Headers as DICOM JSON by SOPInstanceUID, and why others cannot be read (codes of `UnreadableDicom`)."""

    found: dict[str, Json] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def __contains__(self, sop_uid: object) -> bool:
        return sop_uid in self.found or sop_uid in self.broken

    def take(self, one: Received, default_charset: str) -> None:
        """Reads the header of one instance."""
        try:
            header = header_of(one)
            self.found[one.sop_uid] = to_json(header.dataset, read_terms(default_charset.encode("ascii")))
        except UnreadableDicom as error:
            self.broken[one.sop_uid] = error.reason_code


class ReadsHeaders(Protocol):
    """What gets headers: by C-GET, or by C-MOVE."""

    def read(self, study_uid: str, series_uid: str, sop_uids: Collection[str], classes: Collection[str]) -> Headers:
        """The headers of these instances, of these SOP classes ("" where the archive does not say); those that it
        cannot send are missing. Raises SourceError."""

    def close(self) -> None:
        """Lets go of connections."""


def header_of(one: Received) -> Header:
    """The header of an instance; its pixels are not looked at. Raises UnreadableDicom."""
    beginning = Received(one.sop_class, one.sop_uid, one.transfer_syntax, one.data[:_BEGINNING])
    header = read_header(beginning.file())
    return header if header.at_pixels or len(one.data) <= _BEGINNING else read_header(one.file())


class GetHeaders:
    """Headers by C-GET, over one association that is kept for as long as it serves. Use by one thread."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._link: Link | None = None
        self._classes: frozenset[str] = frozenset()
        self._headers = Headers()
        self._wanted: frozenset[str] = frozenset()
        self._until = 0.0

    def read(self, study_uid: str, series_uid: str, sop_uids: Collection[str], classes: Collection[str]) -> Headers:
        """See `ReadsHeaders`."""
        self._headers, self._wanted = Headers(), frozenset(sop_uids)
        wanted = sorted(sop_uids)
        link = self._open(frozenset(filter(None, classes)))
        for start in range(0, len(wanted), _AT_ONCE):
            self._get(link, study_uid, series_uid, wanted[start : start + _AT_ONCE])
        return self._headers

    def _get(self, link: Link, study_uid: str, series_uid: str, sop_uids: list[str]) -> None:
        link.socket.count_anew()
        self._until = monotonic() + self._peer.config.limits.answer_seconds
        for status, _ in link.answers(link.assoc.send_c_get(retrieve(study_uid, series_uid, sop_uids), GET)):
            if self._is_late(link):
                raise Retriable("slow", "C-GET IMAGE: nothing came for too long of what was asked for")
            if "Status" not in status:
                raise link.gone("C-GET IMAGE")
            code = status.Status
            if code not in (*PENDING, SUCCESS, SOME_FAILED) and code >> 12 != 0xC:  # Cxxx is about these instances
                raise refusal(code, "C-GET IMAGE")

    def _open(self, classes: frozenset[str]) -> Link:
        wanted = classes or self._classes or frozenset(map(str, COMMON))
        if self._link is not None and self._link.is_open and wanted <= self._classes:
            return self._link
        self.close()
        both = wanted | self._classes
        self._classes = both if len(both) <= len(COMMON) else wanted
        contexts, roles = for_get(sorted(self._classes))
        link = Link(self._peer, contexts, roles, self._store)
        link.__enter__()
        self._link = link
        try:
            link.require(GET)
        except Fatal:
            self.close()
            raise
        return link

    def _store(self, event: Any) -> int:
        assert self._link is not None
        self._link.socket.count_anew()
        try:
            found = received_of(event)
        except ValueError:
            return MISMATCH
        if found.sop_uid not in self._wanted or found.sop_uid in self._headers:
            return OUT_OF_RESOURCES if self._is_late(self._link) else MISMATCH
        self._until = monotonic() + self._peer.config.limits.answer_seconds
        self._headers.take(found, self._peer.options.default_charset)
        return SUCCESS

    def _is_late(self, link: Link) -> bool:
        """Whether nothing that was asked for came for too long; an archive that goes on sending is left."""
        if monotonic() <= self._until:
            return False
        link.abort()
        return True

    def close(self) -> None:
        """Ends the association."""
        if self._link is not None:
            self._link.close()
            self._link = None


class TakingTurns:
    """Headers from an archive that has one association for us: that of the questions is given up for them."""

    def __init__(self, inner: ReadsHeaders, hang_up: Callable[[], None]) -> None:
        self._inner, self._hang_up = inner, hang_up

    def read(self, study_uid: str, series_uid: str, sop_uids: Collection[str], classes: Collection[str]) -> Headers:
        """See `ReadsHeaders`."""
        self._hang_up()
        try:
            return self._inner.read(study_uid, series_uid, sop_uids, classes)
        finally:
            self._inner.close()

    def close(self) -> None:
        """Lets go of connections."""
        self._inner.close()
