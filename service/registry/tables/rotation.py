"""How far a rotation of the keys is."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, Text

from service.registry.tables.base import metadata

key_rotation = Table(
    "key_rotation",
    metadata,
    Column("part", String(40), primary_key=True),
    Column("key_id", Integer, nullable=False),  # the key that rows are brought under
    Column("after", Text, nullable=False),  # JSON: the key of the last row that was looked at; of tokens their hex
    Column("seen", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),  # about
    Column("began_at", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
)
"""One row for each table while a rotation goes on; written with the rows themselves, so that it goes on where it was
killed."""
