"""Patient records, and which of them are one person."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from service.registry.tables.base import Id, metadata

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

trait = Table(
    "trait",
    metadata,
    Column("token", LargeBinary(32), primary_key=True),
    Column("who", LargeBinary(32), primary_key=True),  # of name and birth date: a desk's phone is shared by many
    Column("record_id", Id, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),  # identity.profile.Trait
    Index(None, "record_id"),
    sqlite_with_rowid=False,
)
"""What may bring two records of one person together (name and birth date, number, phone…), as blind index."""

person_member = Table(
    "person_member",
    metadata,
    Column("record_id", Id, primary_key=True, autoincrement=False),
    Column("person_id", Id, nullable=False),  # the lowest record id of the person
    Index(None, "person_id"),
)
"""Whose record it is now, where the person has more than one. Apart from `patient_record`: written under the lock of
the whole index, while that is written under the institution's."""

identity_link = Table(
    "identity_link",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("a", Id, nullable=False),  # a < b
    Column("b", Id, nullable=False),
    Column("tier", String(10), nullable=False),  # confirmed | held | probable
    Column("rule", String(40), nullable=False),
    Column("rule_version", SmallInteger, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("why", Text, nullable=False),  # JSON: field -> outcome; no value of a patient
    Column("ruling_id", Id),  # the person's decision it stands on
    Column("from_at", BigInteger, nullable=False),
    Column("from_cause", String(20), nullable=False),  # identity.links.Cause
    Column("from_actor", String(200), nullable=False),
    Column("to_at", BigInteger),  # NULL: stands
    Column("to_cause", String(20)),
    Column("to_actor", String(200)),
    Index(None, "a"),
    Index(None, "b"),
)
"""Every pair of records ever held together or near each other, dated; only `to_*` is ever set later."""

identity_ruling = Table(
    "identity_ruling",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("a", Id, nullable=False),  # a < b
    Column("b", Id, nullable=False),
    Column("ruling", String(10), nullable=False),  # same | not-same
    Column("state", String(10), nullable=False),  # proposed | in-force | refused | ended
    Column("why", LargeBinary, nullable=False),  # sealed: people write names
    Column("proposed_at", BigInteger, nullable=False),
    Column("proposed_by", String(200), nullable=False),
    Column("settled_at", BigInteger),
    Column("settled_by", String(200)),
    Column("settled_why", LargeBinary),  # sealed
    Column("ended_at", BigInteger),
    Column("ended_by", String(200)),
    Column("ended_why", LargeBinary),  # sealed
    Index(None, "a"),
    Index(None, "b"),
)
"""What people decided about two records; no later run of the rules changes it."""

identity_change = Table(
    "identity_change",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("cause", String(20), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("records", Text, nullable=False),  # JSON: record ids of all persons that it changed
    Column("done_at", BigInteger),  # NULL: decisions that rested on it are still being evaluated again
    Index(
        "ix_identity_change_waiting",
        "id",
        sqlite_where=text("done_at IS NULL"),
        postgresql_where=text("done_at IS NULL"),
    ),
)
"""Persons that came apart or together: what decisions must be looked at again. Worked off by `decisions.reach`."""
