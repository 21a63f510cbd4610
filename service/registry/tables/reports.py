"""Reports, and the results and exams that the match path reads."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
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

report = Table(
    "report",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("institution", String(64), nullable=False),
    Column("number", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", String(10), nullable=False),  # current | superseded | retired: its root makes it no more
    Column("kind", String(10), nullable=False),  # lab | imaging
    Column("ref", String(200), nullable=False),
    Column("root", String(200), nullable=False),
    Column("record_id", Id, nullable=False),
    Column("status", String(20), nullable=False),
    Column("issued_at", BigInteger),
    Column("version_at", BigInteger),
    Column("rank", SmallInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),  # of the canonical content and of the source's bytes
    Column("document_id", Id),
    Column("start", BigInteger),
    Column("length", BigInteger),
    Column("head", LargeBinary, nullable=False),  # msgpack of the ReportHead, for the match path
    Column("body", LargeBinary, nullable=False),  # sealed canonical record
    UniqueConstraint("number", "institution", "version"),
    Index(None, "root"),
    Index(None, "record_id"),
    Index(
        "uq_report_current",
        "number",
        "institution",
        unique=True,
        sqlite_where=text("state = 'current'"),
        postgresql_where=text("state = 'current'"),
    ),
)

result = Table(
    "result",
    metadata,
    Column("record_id", Id, primary_key=True, autoincrement=False),
    Column("item", String(64), primary_key=True),
    Column("start_at", BigInteger, primary_key=True),  # performed; columns.UNKNOWN_AT when it is not known
    Column("report_id", Id, primary_key=True, autoincrement=False),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("end_at", BigInteger, nullable=False),
    Column("precision", String(6), nullable=False),  # moment | day | month | year | none
    Column("performed", Text, nullable=False),  # as written
    Column("status", String(20), nullable=False),
    Column("reported", Text),
    Column("unit", Text),
    Column("value", Text),
    Column("value_is_number", Boolean, nullable=False),
    Column("comparator", String(2)),
    Column("interpretation", Text, nullable=False),  # tab-separated codes
    Column("reference_range", Text),
    Column("issues", Text, nullable=False),  # tab-separated
    Column("methods", Text, nullable=False),  # tab-separated
    Column("name", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Index(None, "report_id"),
    sqlite_with_rowid=False,
)

exam = Table(
    "exam",
    metadata,
    Column("record_id", Id, primary_key=True, autoincrement=False),
    Column("modality", String(16), primary_key=True),
    Column("start_at", BigInteger, primary_key=True),
    Column("report_id", Id, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),  # msgpack of the ImagingExam: holds no identifier of a patient
    Index(None, "report_id"),
    sqlite_with_rowid=False,
)
