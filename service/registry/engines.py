"""How each database is connected to, and what makes a commit durable there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy import exc as sql
from sqlalchemy.engine import URL, make_url

from service.domain.errors import InvalidInput, Unavailable

_BUSY_SECONDS = 20
_POOL = {"pool_size": 8, "max_overflow": 8, "pool_timeout": 10}

# FULL: in WAL mode NORMAL may lose the last commits at power loss, and what was acknowledged must stay.
_PRAGMAS = (
    "PRAGMA busy_timeout = 20000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -65536",
    "PRAGMA mmap_size = 268435456",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = ON",  # what is replaced is overwritten: else it would outlive its key in free pages
)


def read_url(url: str) -> URL:
    """The URL with the driver we use; InvalidInput when it names no database we know."""
    try:
        parsed = make_url(url)
    except sql.ArgumentError:
        raise InvalidInput(
            "the database URL cannot be read; write sqlite:////folder/file.db or postgresql://…"
        ) from None
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise InvalidInput(f"the database URL names {backend!r}; this program knows sqlite and postgresql")
    if parsed.database in (None, "", ":memory:"):
        raise InvalidInput("an SQLite database must be a file: a database in memory would lose what it acknowledged")
    return parsed.set(drivername="sqlite+pysqlite")


def prepare_file(url: URL, *, create: bool) -> None:
    """Makes an absent SQLite file, readable by its owner only; Unavailable where it is absent and may not be made."""
    if url.get_backend_name() != "sqlite":
        return
    path = Path(url.database or "")
    if path.exists():
        return
    if not create:
        raise Unavailable(f"there is no database at {path}; run: testonce init")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise Unavailable(f"the database {path} cannot be made: {error.strerror}") from None


def reader(url: URL) -> Engine:
    """Connections that cannot write."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, "read", (*_PRAGMAS, "PRAGMA query_only = ON"))
    return _postgres(url, "-c default_transaction_read_only=on", isolation_level="AUTOCOMMIT", **_POOL)


def writer(url: URL, size: int | None = None) -> Engine:
    """Connections whose transactions write; `size` bounds how many."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, "write", _PRAGMAS)
    pool = _POOL if size is None else {"pool_size": size, "max_overflow": 0, "pool_timeout": 10}
    return _postgres(url, "", **pool)


def _postgres(url: URL, options: str, **arguments: Any) -> Engine:
    connect = {"connect_timeout": 5, "application_name": "testonce", "options": options}
    return create_engine(url, hide_parameters=True, connect_args=connect, **arguments)


def _sqlite(url: URL, mode: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": _BUSY_SECONDS, "cached_statements": 512}, **_POOL
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where `begin` below says, not where the driver thinks
        for pragma in pragmas:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        if mode == "write":
            # IMMEDIATE: a deferred transaction that reads, then writes, fails when another wrote in between
            conn.exec_driver_sql("BEGIN IMMEDIATE")
        elif conn.get_execution_options().get("mode") == "snapshot":
            conn.exec_driver_sql("BEGIN")

    return engine
