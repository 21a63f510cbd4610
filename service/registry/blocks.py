"""Who shares a trait: many keys at once, each read only so far."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import Connection, LargeBinary, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from service.registry.bulk import chunked
from service.registry.tables import trait

_SQLITE = "SELECT who, record_id FROM trait WHERE token = ? ORDER BY who, record_id LIMIT ?"


def read_blocks(conn: Connection, tokens: Collection[bytes], most: int) -> Iterator[tuple[bytes, bytes, int]]:
    """(token, who, record) of each token, the first `most` of each: a placeholder that half the region shares costs
    no more than another."""
    if conn.dialect.name != "sqlite":
        yield from _postgres(conn, tokens, most)
        return
    # One statement for each key, straight to the driver: SQLite has no LATERAL, and its statements cost microseconds.
    cursor = conn.connection.cursor()
    try:
        for token in tokens:
            for who, record in cursor.execute(_SQLITE, (token, most)).fetchall():
                yield token, who, record
    finally:
        cursor.close()


def _postgres(conn: Connection, tokens: Collection[bytes], most: int) -> Iterator[tuple[bytes, bytes, int]]:
    for chunk in chunked(tokens, 5000):
        for token, who, record in conn.execute(_EACH, {"tokens": chunk, "most": most}):
            yield bytes(token), bytes(who), record


_given = func.unnest(bindparam("tokens", type_=ARRAY(LargeBinary))).table_valued("token").render_derived(name="given")
_members = (
    select(trait.c.who, trait.c.record_id)
    .where(trait.c.token == _given.c.token)
    .order_by(trait.c.who, trait.c.record_id)
    .limit(bindparam("most"))
    .lateral("members")
)
_EACH = select(_given.c.token, _members.c.who, _members.c.record_id).select_from(_given.join(_members, true()))
