"""The bytes as they were received: kept once per institution, compressed and encrypted."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, bindparam, func, insert, select

from service.domain.errors import NotFound
from service.ingest.port import StoredDocument
from service.registry.session import Session
from service.registry.tables import document, report
from service.security.keys import KeyRing

_FIND = select(document.c.id).where(
    document.c.institution == bindparam("institution"), document.c.digest.in_(bindparam("digests", expanding=True))
)
_READ = select(document.c.body).where(document.c.id == bindparam("id"))
_SOURCE = select(report.c.document_id, report.c.start, report.c.length).where(report.c.id == bindparam("id"))
_DICOM = ("application/dicom", "application/dicom+json")
_NOT_DICOM = (document.c.institution == bindparam("institution"), document.c.media.not_in(_DICOM))
_NEXT = (
    select(document.c.id, document.c.media, document.c.size)
    .where(*_NOT_DICOM, document.c.id > bindparam("after"))
    .order_by(document.c.id)
    .limit(bindparam("most"))
)
_COUNT = select(func.count()).select_from(document).where(*_NOT_DICOM)


def add_document(session: Session, media: str, name: str, body: bytes, apart: str = "") -> int:
    """Keeps the bytes unless this institution sent the same before; the document's id. `apart` keeps equal bytes of
    another name a document of their own."""
    digests = session.tokens("document", hashlib.sha256(body).hexdigest() + (f"|{apart}" if apart else ""))
    known = session.conn.execute(_FIND, {"institution": session.institution, "digests": digests}).scalar()
    if known is not None:
        return int(known)
    (new,) = session.take_ids("document", 1)
    row = {
        "id": new,
        "institution": session.institution,
        "digest": digests[0],
        "media": media[:40],
        "received_at": session.now,
        "size": len(body),
        "name": session.keys.seal(name.encode("utf-8", "surrogateescape"), f"document|name|{new}"),
        "body": session.keys.seal(body, f"document|body|{new}"),
    }
    session.conn.execute(insert(document), row)
    return new


def next_documents(session: Session, after: int, limit: int) -> list[StoredDocument]:
    """The institution's next documents that are not DICOM, by id."""
    rows = session.conn.execute(_NEXT, {"institution": session.institution, "after": after, "most": limit})
    return [StoredDocument(row.id, row.media, row.size) for row in rows]


def count(session: Session) -> int:
    """How many documents that are not DICOM the institution has."""
    return session.conn.execute(_COUNT, {"institution": session.institution}).scalar_one()


def read_document(conn: Connection, keys: KeyRing, document_id: int) -> bytes:
    """The bytes as received; NotFound when there is no such document."""
    sealed = conn.execute(_READ, {"id": document_id}).scalar()
    if sealed is None:
        raise NotFound(f"there is no document {document_id}")
    return keys.open(sealed, f"document|body|{document_id}")


def open_name(keys: KeyRing, document_id: int, sealed: bytes) -> str:
    """The name a document came with. It may carry a patient's number: for eyes that may see it, never for a log."""
    return keys.open(sealed, f"document|name|{document_id}").decode("utf-8", "surrogateescape")


def read_source(conn: Connection, keys: KeyRing, report_id: int) -> bytes:
    """The exact bytes a version of a report was sent as; NotFound when there is no such version, or it was made from
    several sources and none is the report."""
    place = conn.execute(_SOURCE, {"id": report_id}).first()
    if place is None or place.document_id is None:
        raise NotFound(f"there is no source of report {report_id}")
    return read_document(conn, keys, place.document_id)[place.start : place.start + place.length]
