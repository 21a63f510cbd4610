"""Of which series an instance is, as the registry knows from its header. An archive may need ten times as long to list
a series (measured), and the first picture waits for it."""

from __future__ import annotations

from datetime import UTC

from service.domain.errors import NotFound
from service.ingest.archive import Place
from service.ingest.dicom.header import UnreadableDicom
from service.ingest.dicom.ledger import instance_ref, read_stored
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
            if found is None or not found.length:
                return False
            try:
                body = read_document(conn, self._keys, found.document_id)
                header = read_stored(body[found.start : found.start + found.length], UTC)
            except (NotFound, UnreadableDicom, BadJson):  # withdrawn, or no header any more
                return False
        return (header.study_uid, header.series_uid, header.sop_uid) == (
            place.study_uid, place.series_uid, place.sop_uid,
        )  # fmt: skip
