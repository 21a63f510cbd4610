"""Decisions, what they rested on, and what came of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, String, Table, Text, UniqueConstraint, text

from service.registry.tables.base import Id, metadata

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
    Column("change_id", Id),  # the identity_change that took its ground away
    Column("settled_at", BigInteger),  # when a successor was stored and those concerned told; NULL: not (yet)
    Column("supersedes", String(36)),
    Column("superseded_by", String(36)),
    Index(None, "institution", "decided_at"),
    Index(
        "ix_decision_waiting",
        "change_id",
        sqlite_where=text("change_id IS NOT NULL"),
        postgresql_where=text("change_id IS NOT NULL"),
    ),
)

decision_record = Table(
    "decision_record",
    metadata,
    Column("record_id", Id, primary_key=True, autoincrement=False),
    Column("decision_id", String(36), primary_key=True),
    sqlite_with_rowid=False,
)
"""The patient records a decision rested on: those it found the person by, and those whose results it was given."""

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

notice = Table(
    "notice",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("institution", String(64), nullable=False),  # whom it is for
    Column("at", BigInteger, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("change_id", Id, nullable=False),
    Column("decision_id", String(36), nullable=False),
    Column("superseded_by", String(36)),
    Column("body", Text, nullable=False),  # JSON; no identifier of a patient
    Index(None, "institution", "id"),
    UniqueConstraint("decision_id", "change_id", "institution"),
)
"""What an institution has to be told: it fetches them by `GET /api/v1/notices`."""

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
    Column("body_digest", LargeBinary(32), nullable=False),  # a note can be guessed
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
