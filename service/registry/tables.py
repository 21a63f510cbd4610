"""The schema, one for SQLite and PostgreSQL.

Times are microseconds since 1970 UTC (BIGINT). Identifiers of patients stand here only as blind index (`*token`)
and inside sealed columns; a resource id of a Patient is one of them. `result` and `exam` hold what is current and
nothing else: they are the index of the match path, whose every query names `record_id`. All versions stay in
`report`, and every byte received in `document`. A `digest` is a keyed hash: a plain one of a patient's facts could be
guessed. Text that a source controls is `Text`, or cut to its column by `columns.fit`. Keys start with their most
telling column and no other index names the institution: a planner that knows nothing yet of a fresh table could else
choose an index for its institution alone, and read all of it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")

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

patient_record = Table(
    "patient_record",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("institution", String(64), nullable=False),
    Column("key_token", LargeBinary(32), nullable=False),  # the source's own key of the record
    Column("local_token", LargeBinary(32)),  # the hospital's patient number
    Column("digest", LargeBinary(32)),
    Column("version_at", BigInteger),
    Column("rank", SmallInteger, nullable=False),
    Column("facts", LargeBinary),  # sealed JSON: names, birth date, sex, identifiers; NULL until the patient arrives
    UniqueConstraint("key_token", "institution"),
    Index(None, "local_token"),
)

identifier = Table(
    "identifier",
    metadata,
    Column("token", LargeBinary(32), primary_key=True),
    Column("record_id", Id, primary_key=True),
    Column("kind", String(20), nullable=False),
    Index(None, "record_id"),
    sqlite_with_rowid=False,
)

consent = Table(
    "consent",
    metadata,
    Column("institution", String(64), primary_key=True),
    Column("ref", String(200), primary_key=True),
    Column("record_id", Id, nullable=False),
    Column("denies", Boolean, nullable=False),
    Column("from_at", BigInteger),
    Column("to_at", BigInteger),
    Index(None, "record_id"),
)

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
    UniqueConstraint("document_id", "place"),
)

decision = Table(
    "decision",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("institution", String(64), nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("match", String(10), nullable=False),
    Column("policy_version", String(80), nullable=False),
    Column("state", String(24), nullable=False),  # standing | identity-invalidated | superseded
    Column("given", LargeBinary, nullable=False),  # sealed: the whole input of matching
    Column("answer", LargeBinary, nullable=False),  # sealed: the answer as it left
    Index(None, "institution", "decided_at"),
)

prompt = Table(
    "prompt",
    metadata,
    Column("decision_id", String(36), primary_key=True),
    Column("order_id", String(64), primary_key=True),
    Column("institution", String(64), nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("item", String(64)),
    Column("kind", String(10), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("offered", Text, nullable=False),  # JSON: [{item, decision, issuer, mark, amount, doseMSv, report…}]
    Column("panel_amount", String(24)),  # what the whole panel costs here; replaces the items' when all is reused
    Index(None, "decided_at"),
)
"""One row per order answered: what the counts are made of."""

recognition = Table(
    "recognition",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("decision_id", String(36), nullable=False),
    Column("order_id", String(64), nullable=False),
    Column("institution", String(64), nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(12), nullable=False),  # recognised | repeated
    Column("items", Text, nullable=False),  # JSON list
    Column("reasons", Text, nullable=False),  # JSON list
    Column("reports", Text, nullable=False),  # JSON list of {ref, institution, version}
    Column("note", LargeBinary),  # sealed
    Column("patient_informed", Boolean),
    Column("body_sha256", LargeBinary(32), nullable=False),
    UniqueConstraint("decision_id", "order_id"),
    Index(None, "recorded_at"),
)

order_event = Table(
    "order_event",
    metadata,
    Column("decision_id", String(36), primary_key=True),
    Column("order_id", String(64), primary_key=True),
    Column("event", String(12), primary_key=True),  # shown | retrieved | cited | revoked
    Column("at", BigInteger, primary_key=True),
    Column("actor", String(200), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("institution", String(64), nullable=False),
    Column("action", String(60), nullable=False),  # source:subject:action
    Column("subject", String(200), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("detail", Text, nullable=False),  # JSON; no identifier of a patient
    Column("previous", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),  # always 1
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("mac", LargeBinary(32), nullable=False),  # keyed: the end of the log cannot be moved without the keys
)
"""Where the audit log ends; rewritten in every transaction that appends."""
