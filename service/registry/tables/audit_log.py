"""The audit log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, SmallInteger, String, Table, Text

from service.registry.tables.base import Id, metadata

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
