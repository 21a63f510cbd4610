"""The one door to the database: SQLite (embedded) or PostgreSQL.

`read()` for single statements, `snapshot()` where several must agree, `write()` for a transaction that is durable
when the block has ended. What the database cannot do now becomes `Unavailable`, in words without any value of a row.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, text
from sqlalchemy import exc as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL

from service.domain.errors import Unavailable
from service.registry import engines
from service.registry.tables import counter
from service.registry.turns import turn

_OURS = (sql.IntegrityError, sql.DataError, sql.ProgrammingError, sql.NotSupportedError)
"""Errors that tell of a mistake in this program, not of the database's state."""


class Database:
    """A database that is there. Safe to use from several threads."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._reader: Engine = engines.reader(url)
        self._writer: Engine = engines.writer(url)
        self._is_current = False

    @classmethod
    def open(cls, url: str, *, create: bool = False) -> Database:
        """Opens the database at an SQLAlchemy URL; `create` makes an absent SQLite file.

        Raises InvalidInput for a URL that names no database we can use, Unavailable when it cannot be reached.
        """
        parsed = engines.read_url(url)
        engines.prepare_file(parsed, create=create)
        database = cls(parsed)
        try:
            with database.read() as conn:
                conn.execute(text("SELECT 1"))
        except BaseException:
            database.close()
            raise
        return database

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that cannot write; each statement sees all that is committed when it starts."""
        with _translated(), self._reader.connect() as conn:
            yield conn

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that cannot write; all statements see the same state."""
        with _translated(), self._reader.connect() as conn:
            shared = {"mode": "snapshot"} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
            with conn.execution_options(**shared).begin():
                yield conn

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: durable when the block has ended, undone when it raises. SQLite has one writer at a time."""
        order = turn(self.url.database or "") if self.is_sqlite else nullcontext()
        with order, _translated(), self._writer.begin() as conn:
            yield conn

    def take_ids(self, conn: Connection, name: str, n: int) -> int:
        """The first of `n` ids in a row, never given before and growing with time; gaps are possible.

        On PostgreSQL they are taken in a transaction of its own, lest all writers wait for one counter row. It need
        not reach the disk by itself: whatever uses the ids commits later in the same log.
        """
        if self.is_sqlite:
            return _advance(conn, name, n)
        with self._counters.begin() as own:
            own.execute(text("SET LOCAL synchronous_commit = off"))
            return _advance(own, name, n)

    @cached_property
    def _counters(self) -> Engine:
        """A pool of its own: who waits for a counter must never wait for those who hold connections meanwhile."""
        return engines.writer(self.url, size=2)

    def lock(self, conn: Connection, key: str) -> None:
        """Waits until no other transaction holds `key`, then holds it until this one ends."""
        if not self.is_sqlite:  # there writers come one after another anyway
            number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True)
            conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": number})

    @staticmethod
    def now_us() -> int:
        """Now, in microseconds since 1970 UTC."""
        return time.time_ns() // 1000

    def upgrade(self) -> None:
        """Brings the schema to the newest version; safe to repeat, and for several at once."""
        from service.registry import schema

        with self.write() as conn:
            self.lock(conn, "schema")
            schema.upgrade(conn)

    def is_current(self) -> bool:
        """Whether the schema is the one this program was written for."""
        from service.registry import schema

        if not self._is_current:
            with self.read() as conn:
                self._is_current = schema.is_current(conn)
        return self._is_current

    def empty_log(self) -> None:
        """Brings SQLite's write-ahead log into the database and empties it, where no reader needs it any more: replaced
        values would else go on standing there. Does nothing on PostgreSQL, whose log is not ours to cut."""
        if self.is_sqlite:
            with turn(self.url.database or ""), _translated():
                raw = self._writer.raw_connection()
                try:
                    raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
                finally:
                    raw.close()

    def close(self) -> None:
        """Closes all connections that are not in use."""
        for engine in (self._reader, self._writer, self.__dict__.get("_counters")):
            if engine is not None:
                engine.dispose()


def _advance(conn: Connection, name: str, n: int) -> int:
    insert: Any = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = (
        insert(counter)
        .values(name=bindparam("counter_name"), next=bindparam("first") + bindparam("n"))
        .on_conflict_do_update(index_elements=["name"], set_={"next": counter.c.next + bindparam("n")})
        .returning(counter.c.next)
    )
    after: int = conn.execute(statement, {"counter_name": name, "first": 1, "n": n}).scalar_one()
    return after - n


@contextmanager
def _translated() -> Iterator[None]:
    """Foreign errors at the seam: their texts may quote rows, so only the kind of trouble gets through."""
    try:
        yield
    except sql.TimeoutError:
        raise Unavailable("all database connections are in use; try again") from None
    except sql.DBAPIError as error:
        words = str(error.orig).lower()
        if _lacks_schema(error, words):
            raise Unavailable("the database has no schema, or an old one; run: testonce init") from None
        if isinstance(error, _OURS) and not error.connection_invalidated:
            raise
        raise Unavailable(_trouble(words)) from None


def _lacks_schema(error: sql.DBAPIError, words: str) -> bool:
    if isinstance(error, sql.ProgrammingError):
        return "does not exist" in words
    return "no such table" in words or "no such column" in words


def _trouble(words: str) -> str:
    """What is wrong, from the words of SQLite, libpq and PostgreSQL."""
    if 'database "' in words and "does not exist" in words:
        return "the server has no database of that name; create it, then run: testonce init"
    if "locked" in words or "busy" in words:
        return "the database is busy with other writers; try again"
    if "full" in words or "no space" in words:
        return "the database's disk is full; make room"
    if "readonly" in words or "read-only" in words:
        return "the database cannot be written; check who owns its files and how the server runs"
    if "unable to open" in words:
        return "the database file cannot be opened; check who owns its folder, its rights, and that it is not read-only"
    if "deadlock" in words or "serialize" in words:
        return "the database undid this because of another writer; try again"
    if "not a database" in words or "malformed" in words:
        return "the database file is damaged or is no database; restore it from a backup"
    if "password" in words or "authentication" in words or "role" in words:
        return "the database refuses this user; check TESTONCE_DATABASE_URL"
    return "the database cannot be reached or broke off; check that it runs and TESTONCE_DATABASE_URL names it"
