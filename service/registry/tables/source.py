"""What came in: files, the resources in them, what could not be used; and reference files."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from service.registry.tables.base import Id, metadata

counter = Table(
    "counter",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("next", BigInteger, nullable=False),
)
"""Ids are taken in blocks, so that rows that refer to each other can be written in bulk."""

reference_file = Table(
    "reference_file",
    metadata,
    Column("seq", Id, primary_key=True),
    Column("kind", String(20), nullable=False),  # network | catalogue
    Column("version", String(64), nullable=False),
    Column("loaded_at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # zstd of the canonical text
    Index(None, "kind", "seq"),
    Index(None, "version"),
)

document = Table(
    "document",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("institution", String(64), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("media", String(40), nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("name", LargeBinary, nullable=False),  # sealed: file names carry patient numbers
    Column("body", LargeBinary, nullable=False),  # sealed
    UniqueConstraint("digest", "institution"),
)

resource = Table(
    "resource",
    metadata,
    Column("institution", String(64), primary_key=True),
    Column("ref", String(200), primary_key=True),
    Column("sha256", LargeBinary, nullable=False),  # sealed where the resource is a Patient
    Column("version_at", BigInteger),
    Column("rank", SmallInteger, nullable=False),
    Column("document_id", Id, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The newest version of each source resource, and where its bytes are."""

hidden_ref = Table(
    "hidden_ref",
    metadata,
    Column("token", LargeBinary(32), primary_key=True),
    Column("institution", String(64), nullable=False),
    Column("ref", String(60), nullable=False),  # by chance, so that it outlives the keys
    sqlite_with_rowid=False,
)
"""What a ref that tells of a patient is called in other columns."""

part = Table(
    "part",
    metadata,
    Column("target", String(200), primary_key=True),
    Column("institution", String(64), primary_key=True),
    Column("root", String(200), primary_key=True),
    Index(None, "root"),
    sqlite_with_rowid=False,
)
"""Which report (or resource on the way to it) is made from which resource, known or still to come."""

dicom_series = Table(
    "dicom_series",
    metadata,
    Column("institution", String(64), primary_key=True),
    Column("study_uid", String(64), primary_key=True),
    Column("series_uid", String(64), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("instances", Integer, nullable=False),
    Column("facts", LargeBinary, nullable=False),  # sealed JSON: header facts equal for these instances
    sqlite_with_rowid=False,
)

rejected = Table(
    "rejected",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("institution", String(64), nullable=False),
    Column("document_id", Id, ForeignKey("document.id"), nullable=False),
    Column("place", String(300), nullable=False),
    Column("code", String(40), nullable=False),
    Column("reason", Text, nullable=False),
    Column("rejected_at", BigInteger, nullable=False),
    Column("resolved_at", BigInteger),
    Column("ref", String(200)),  # of the resource or series that it is; NULL: not known
    Column("version_at", BigInteger),  # of the version that it is
    Column("is_superseded", Boolean, nullable=False),  # a later version came good
    UniqueConstraint("document_id", "place"),
    Index(
        "ix_rejected_waiting",
        "institution",
        "ref",
        sqlite_where=text("resolved_at IS NULL"),
        postgresql_where=text("resolved_at IS NULL"),
    ),
)
