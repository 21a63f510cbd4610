"""Records that listings name and that never came."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes their table."""
    op.create_table(
        "missed_record",
        sa.Column("ref", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("institution", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=200), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("named_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ref", "source", name=op.f("pk_missed_record")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_missed_record_source_tries"), "missed_record", ["source", "tries"], unique=False)


def downgrade() -> None:
    """Removes it: what it names is named by the next listing again."""
    op.drop_table("missed_record")
