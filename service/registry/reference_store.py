"""The network and the catalogue, every version that was ever loaded: decisions are replayed under the one they had."""

from __future__ import annotations

import time
from collections.abc import Sequence

import zstandard
from sqlalchemy import Connection, Row, bindparam, insert, select

from service.domain.errors import InvalidInput
from service.registry.tables import reference_file

_ROWS = select(reference_file.c.version, reference_file.c.body).where(reference_file.c.kind == bindparam("kind"))
_CURRENT = _ROWS.order_by(reference_file.c.seq.desc()).limit(1)
_GET = _ROWS.where(reference_file.c.version == bindparam("version")).order_by(reference_file.c.seq.desc()).limit(1)
_VERSION = (
    select(reference_file.c.version)
    .where(reference_file.c.kind == bindparam("kind"))
    .order_by(reference_file.c.seq.desc())
    .limit(1)
)


def save(conn: Connection, kind: str, version: str, text: str) -> bool:
    """Makes `text` the current one of its kind (`network`, `catalogue`); False when it is that already."""
    if current_version(conn, kind) == version:
        return False
    row = {
        "kind": kind,
        "version": version,
        "loaded_at": time.time_ns() // 1000,
        "body": zstandard.compress(text.encode(), 9),
    }
    conn.execute(insert(reference_file), row)
    return True


KEYS = "keys"
"""The kind under which the fingerprint of the installation's keys is kept."""
OLD_KEYS = "keys-old"
"""The same of those that rows may still stand under, from the switch of a rotation to its end; then `NO_KEYS`."""
NO_KEYS = "none"


def bind_keys(conn: Connection, fingerprints: Sequence[str]) -> None:
    """Notes whose keys seal this database, where that is not known yet; raises as `require_keys`."""
    if current_version(conn, KEYS) is None:
        save(conn, KEYS, fingerprints[0], "")
    require_keys(conn, fingerprints)


def require_keys(conn: Connection, fingerprints: Sequence[str]) -> None:
    """InvalidInput where this database is filled under keys that are none of these: what they sealed would not open,
    and nobody would be found by their tokens."""
    if not opens(conn, fingerprints):
        raise InvalidInput(WRONG_KEYS)


def opens(conn: Connection, fingerprints: Sequence[str]) -> bool:
    """Whether keys of these fingerprints open all of this database; one that knows none yet is open to any. One that
    was saved in the middle of a rotation needs both pairs: its rows stand under either."""
    needed = (current_version(conn, KEYS), current_version(conn, OLD_KEYS))
    return all(one in (None, NO_KEYS) or one in fingerprints for one in needed)


WRONG_KEYS = "the key file is not the one this database was filled with; put back its copy"


def current_version(conn: Connection, kind: str) -> str | None:
    """The version that is current, if any was loaded."""
    return conn.execute(_VERSION, {"kind": kind}).scalar()


def current_since(conn: Connection, kind: str) -> int | None:
    """When what is current was loaded, in microseconds since 1970 UTC."""
    return conn.execute(_VERSION.with_only_columns(reference_file.c.loaded_at), {"kind": kind}).scalar()


def current(conn: Connection, kind: str) -> tuple[str, str] | None:
    """Version and text of what is current, if any was loaded."""
    return _opened(conn.execute(_CURRENT, {"kind": kind}).first())


def get(conn: Connection, kind: str, version: str) -> str | None:
    """The text of a version that was loaded once."""
    found = _opened(conn.execute(_GET, {"kind": kind, "version": version}).first())
    return None if found is None else found[1]


def _opened(row: Row[str, bytes] | None) -> tuple[str, str] | None:
    return None if row is None else (row.version, zstandard.decompress(row.body).decode())
