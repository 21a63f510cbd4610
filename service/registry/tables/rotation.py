"""How far a rotation of the keys is."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, Text

from service.registry.tables.base import metadata

key_rotation = Table(
    "key_rotation",
    metadata,
    Column("part", String(40), primary_key=True),
    Column("key_id", Integer, primary_key=True, autoincrement=False),  # the key that rows are brought under
    Column("after", Text, nullable=False),  # JSON: the key of the last row that was looked at
    Column("seen", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),  # about
    Column("done", Boolean, nullable=False),
)
"""One row for each part of the tables while a rotation goes on; written with the rows themselves, so that it goes on
where it was killed."""
