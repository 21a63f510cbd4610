"""Sources that are pulled from: where each is, what it gave, what became of it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, SmallInteger, String, Table, Text, text

from service.registry.tables.base import Id, metadata

source_state = Table(
    "source_state",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("institution", String(64), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("cursor", LargeBinary),  # sealed JSON; moves in the transaction that stores the records
    Column("watermark", BigInteger),  # the newest change seen, as the source states it; never shifted
    Column("lease_owner", String(200)),
    Column("lease_until", BigInteger),
    Column("started_at", BigInteger),  # of the newest run
    Column("finished_at", BigInteger),  # of the newest run that was complete
    Column("received_at", BigInteger),  # when it last gave a record that was not known
    Column("due_at", BigInteger),
    Column("failures", Integer, nullable=False),  # in a row
    Column("failed_at", BigInteger),
    Column("error_class", String(10)),  # retriable | fatal
    Column("error_code", String(40)),
    Column("error", Text),  # for an engineer; nothing of a patient
    Column("warning", Text),  # missing|total|scope of a listing that is not believed
    Column("reached_at", BigInteger),  # the last probe or transfer that worked
    Column("unreached_at", BigInteger),  # the last that did not
    Column("probe_due_at", BigInteger),
)
"""One row per source."""

pulled_document = Table(
    "pulled_document",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("source", String(64), nullable=False),
    Column("document_id", Id, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    Column("problem", Text),  # code|reason of a record that its adapter could not use
    Column("read_at", BigInteger),  # NULL: it waits to be read and indexed
    Index(None, "received_at", "source"),
    Index(None, "document_id"),
    Index(
        "ix_pulled_document_waiting",
        "source",
        "id",
        sqlite_where=text("read_at IS NULL"),
        postgresql_where=text("read_at IS NULL"),
    ),
)
"""What a source gave, in the order in which it came."""

pulled_record = Table(
    "pulled_record",
    metadata,
    Column("ref", String(200), primary_key=True),
    Column("source", String(64), primary_key=True),
    Column("institution", String(64), nullable=False),
    Column("scope", String(200), nullable=False),
    Column("key", LargeBinary),  # sealed, where `ref` only stands for it
    Column("digest", LargeBinary(32), nullable=False),  # of the newest body
    Column("seen_at", BigInteger, nullable=False),
    Column("misses", SmallInteger, nullable=False),  # complete listings in a row that do not name it
    Column("is_gone", Boolean, nullable=False),
    Index(None, "scope", "source"),
    sqlite_with_rowid=False,
)
"""Which records a source holds, as far as it was pulled: what comes again is known by its digest, what is missing from
two complete listings is deleted there."""

missed_record = Table(
    "missed_record",
    metadata,
    Column("ref", String(200), primary_key=True),
    Column("source", String(64), primary_key=True),
    Column("institution", String(64), nullable=False),
    Column("scope", String(200), nullable=False),
    Column("key", LargeBinary),  # sealed, where `ref` only stands for it
    Column("named_at", BigInteger, nullable=False),  # when a listing first named it
    Column("tries", SmallInteger, nullable=False),  # how often it was asked for by its key and not given
    Index(None, "source", "tries"),
    sqlite_with_rowid=False,
)
"""Records that a complete listing names and that are not here, until they come or no listing names them any more."""

source_day = Table(
    "source_day",
    metadata,
    Column("source", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),  # of the network's zone
    Column("outcome", String(10), primary_key=True),  # received | known | new | updated | unchanged | ignored | …
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Records by the day they came and by what became of them."""
