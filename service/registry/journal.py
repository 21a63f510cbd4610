"""Group commit: writers that come at the same time share one transaction, and with it one wait for the disk.

Throughput grows with the number of clients while an answer still waits for its own commit (design, decision 9).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Table

from service.domain.errors import TestOnceError, Unavailable
from service.registry import bulk
from service.registry.database import Database

_LARGEST_BATCH = 256
T = TypeVar("T")
Work = Callable[[Connection], None]
"""What is done in a transaction, and may be done again in another."""


_GATHERED = "testonce.journal"
_ONCE = "testonce.journal.once"


def once(conn: Connection, make: Callable[[Connection], T]) -> T:
    """What `make` gives; within a shared transaction it is asked once for all works."""
    made: dict[Callable[[Connection], Any], Any] | None = conn.info.get(_ONCE)
    if made is None:
        return make(conn)
    if make not in made:
        made[make] = make(conn)
    found: T = made[make]
    return found


def add_rows(conn: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows that all have the same columns; within a shared transaction together with those of its other works,
    one statement a table."""
    gathered: dict[Table, list[dict[str, Any]]] | None = conn.info.get(_GATHERED)
    if gathered is not None:
        gathered.setdefault(table, []).extend(rows)
    elif rows:
        bulk.add(conn, table, rows)


def flush(conn: Connection) -> None:
    """Within a shared transaction: writes what its works have gathered so far, and forgets what was asked once. For a
    work that must see what those before it did, and changes what those after it ask."""
    gathered: dict[Table, list[dict[str, Any]]] = conn.info.get(_GATHERED) or {}
    for table, rows in gathered.items():
        bulk.add(conn, table, rows)
    gathered.clear()
    conn.info.get(_ONCE, {}).clear()


@contextmanager
def _gathering(conn: Connection) -> Iterator[None]:
    gathered: dict[Table, list[dict[str, Any]]] = {}
    conn.info[_GATHERED] = gathered
    conn.info[_ONCE] = {}
    try:
        yield
        flush(conn)
    finally:
        del conn.info[_GATHERED], conn.info[_ONCE]


class _Waiting:
    """One submitted work, and whom to tell once its transaction has ended."""

    __slots__ = ("error", "future", "result", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.future: Future[Any] = Future()

    def tell(self) -> None:
        """The outcome to whoever waits; one who went away meanwhile is told nothing."""
        if not self.future.set_running_or_notify_cancel():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Journal:
    """One writer thread per process, started by the first submission (so a fork before it is safe).

    `around` wraps the works of each transaction: what it does at its end is part of that transaction.
    """

    def __init__(
        self, database: Database, around: Callable[[Connection], AbstractContextManager[object]] | None = None
    ) -> None:
        self._database = database
        self._around = around or (lambda _conn: nullcontext())
        self._queue: SimpleQueue[list[_Waiting] | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._closed = False

    def submit(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction and returns its result once that is durable.

        A work that fails is undone alone: its error is raised here, and its neighbours are run again without it, so
        a work must be safe to run twice. Raises Unavailable when the commit fails: nothing was changed.
        """
        return self.submit_all([work])[0].result()

    def submit_all(self, works: Sequence[Callable[[Connection], T]]) -> list[Future[T]]:
        """As `submit` for each, in one transaction, without waiting: each future ends as its `submit` would."""
        waiting = [_Waiting(work) for work in works]
        with self._gate:
            if self._closed:
                raise Unavailable("the service is shutting down")
            if self._thread is None or self._pid != os.getpid():
                self._start()
            self._queue.put(waiting)
        return [one.future for one in waiting]

    def close(self) -> None:
        """Commits what waits, then stops; later submissions raise Unavailable."""
        with self._gate:
            self._closed = True
            thread = self._thread if self._pid == os.getpid() else None
            self._queue.put(None)
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._queue = SimpleQueue()
        self._thread = threading.Thread(target=self._drain, name="journal", daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        queue = self._queue
        while (first := queue.get()) is not None:
            batch, last = first, False
            try:
                while len(batch) < _LARGEST_BATCH:
                    more = queue.get_nowait()
                    if more is None:
                        last = True
                        break
                    batch += more
            except Empty:
                pass
            try:
                self._commit(batch)
            finally:
                for one in batch:
                    one.tell()
            if last:
                return

    def _commit(self, batch: list[_Waiting]) -> None:
        """One transaction for all; when a work fails, one for each."""
        failing: _Waiting | None = None
        try:
            with self._database.write() as conn, self._around(conn), _gathering(conn):
                for failing in batch:
                    failing.result = failing.work(conn)
                failing = None
        except BaseException as error:
            if failing is None or isinstance(error, Unavailable):
                # the database itself refuses: to try each alone would only make all wait longer
                trouble = error if isinstance(error, TestOnceError) else Unavailable("the commit failed; try again")
                for one in batch:
                    one.error = trouble
            elif len(batch) == 1:
                failing.error = error
            else:
                for one in batch:
                    self._commit([one])
