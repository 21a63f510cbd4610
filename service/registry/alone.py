"""Work that only one process does at a time. Who dies lets go."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from service.domain.errors import Unavailable
from service.registry.database import Database

try:
    import fcntl
except ImportError:  # Windows: every process may try; what it does must be safe to do twice anyway
    fcntl = None  # type: ignore[assignment]


@contextmanager
def alone(database: Database, name: str) -> Iterator[bool]:
    """Whether this is the only thread of all processes on the database inside such a block of this name; never waits.

    A connection or a file beside the database is held until the block ends.
    """
    with _file(database, name) if database.is_sqlite else _advisory(database, name) as is_alone:
        yield is_alone


@contextmanager
def _advisory(database: Database, name: str) -> Iterator[bool]:
    key = {"key": int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)}
    with database.read() as conn:
        is_alone = bool(conn.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one())
        try:
            yield is_alone
        finally:
            if is_alone:
                conn.execute(text("SELECT pg_advisory_unlock(:key)"), key)


@contextmanager
def _file(database: Database, name: str) -> Iterator[bool]:
    if fcntl is None:
        yield True
        return
    path = f"{database.url.database}-{name}"
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"{path} cannot be opened beside the database: {error.strerror}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_alone = True
        except BlockingIOError:
            is_alone = False
        yield is_alone
    finally:
        os.close(handle)  # closing lets go of the lock
