"""Of which series an instance is, as the registry knows from its header. An archive may need ten times as long to list
a series (measured), and the first picture waits for it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC

from sqlalchemy import Connection

from service.domain.errors import NotFound
from service.ingest.archive import Place
from service.ingest.dicom.header import DicomInstance, UnreadableDicom
from service.ingest.dicom.ledger import instance_ref, read_stored, series_ref
from service.ingest.port import StoredResource
from service.ingest.strict_json import BadJson
from service.registry.database import Database
from service.registry.documents import read_document
from service.registry.resources import find_resources
from service.registry.session import Session
from service.security.keys import KeyRing


class Indexed:
    """Looks instances up in what was indexed."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    def holds(self, institution: str, place: Place) -> bool:
        """Whether the header of the instance, as the institution's sources gave it, says that it is of this study and
        series. False where that is not known: then its archive has to say so."""
        assert place.sop_uid is not None
        ref = instance_ref(place.sop_uid)
        with self._database.read() as conn:
            found = find_resources(Session(self._database, conn, self._keys, institution, 0), [ref]).get(ref)
            header = self._header(conn, found) if found else None
        return header is not None and (header.study_uid, header.series_uid, header.sop_uid) == (
            place.study_uid, place.series_uid, place.sop_uid,
        )  # fmt: skip

    def count(self, institution: str, study_uid: str, sop_uids: Collection[str]) -> int:
        """How many of these instances the registry counts to the study."""
        with self._database.read() as conn:
            session = Session(self._database, conn, self._keys, institution, 0)
            stored = find_resources(session, [instance_ref(one) for one in sop_uids]).values()
            series = [
                (series_ref(f"{study_uid}/{header.series_uid}"), one.rank)
                for one in stored
                if (header := self._header(conn, one)) is not None and header.study_uid == study_uid
            ]
            known = find_resources(session, {ref for ref, _ in series})
        return sum(rank == (known[ref].rank if ref in known else 0) for ref, rank in series)

    def _header(self, conn: Connection, stored: StoredResource) -> DicomInstance | None:
        """The header of an instance; None where it is withdrawn, or no header any more."""
        if not stored.length:
            return None
        try:
            body = read_document(conn, self._keys, stored.document_id)
            return read_stored(body[stored.start : stored.start + stored.length], UTC)
        except (NotFound, UnreadableDicom, BadJson):
            return None
