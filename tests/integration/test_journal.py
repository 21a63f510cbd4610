"""Group commit on both databases: durable when answered, and no neighbour harmed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, insert, select, text

from service.domain.errors import Contradiction, Unavailable
from service.registry.database import Database
from service.registry.journal import Journal, add_rows, flush, once
from service.registry.tables import counter


def put(name: str) -> Callable[[Connection], str]:
    def work(conn: Connection) -> str:
        conn.execute(insert(counter), {"name": name, "next": 1})
        return name

    return work


def names(database: Database) -> set[str]:
    with database.read() as conn:
        return set(conn.execute(select(counter.c.name)).scalars())


def test_result_is_given_once_it_is_committed(database: Database) -> None:
    journal = Journal(database)
    assert journal.submit(put("a")) == "a"
    assert names(database) == {"a"}
    journal.close()


def test_works_that_wait_share_one_transaction(database: Database) -> None:
    opened: list[int] = []
    gate = threading.Event()

    @contextmanager
    def around(_conn: Connection) -> Iterator[None]:
        opened.append(1)
        gate.wait(10)
        yield

    journal = Journal(database, around)
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(journal.submit, put("n0"))]
        while not opened:  # the first transaction has begun: the others wait for the next
            threading.Event().wait(0.01)
        answers += [pool.submit(journal.submit, put(f"n{n}")) for n in range(1, 20)]
        while journal._queue.qsize() < 19:
            threading.Event().wait(0.01)
        gate.set()
        assert {one.result() for one in answers} == {f"n{n}" for n in range(20)}
    assert len(opened) == 2
    journal.close()


def test_failing_work_is_undone_alone_and_its_error_goes_to_its_submitter(database: Database) -> None:
    journal = Journal(database)

    def refuse(conn: Connection) -> None:
        put("half")(conn)
        raise Contradiction("no")

    with ThreadPoolExecutor(12) as pool:
        good = [pool.submit(journal.submit, put(f"n{n}")) for n in range(10)]
        bad = [pool.submit(journal.submit, refuse) for _ in range(2)]
        for one in bad:
            with pytest.raises(Contradiction):
                one.result()
        assert len({one.result() for one in good}) == 10
    assert names(database) == {f"n{n}" for n in range(10)}
    journal.close()


def test_failing_commit_is_unavailable_to_all_and_changes_nothing(database: Database) -> None:
    @contextmanager
    def around(conn: Connection) -> Iterator[None]:
        yield
        conn.execute(text("SELECT no_such_function()"))

    journal = Journal(database, around)
    with pytest.raises(Unavailable):
        journal.submit(put("a"))
    assert names(database) == set()
    journal.close()


def test_closed_journal_takes_nothing(database: Database) -> None:
    journal = Journal(database)
    journal.submit(put("a"))
    journal.close()
    with pytest.raises(Unavailable):
        journal.submit(put("b"))
    assert names(database) == {"a"}


def test_what_was_submitted_before_closing_is_committed(database: Database) -> None:
    journal = Journal(database)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(journal.submit, put(f"n{n}")) for n in range(50)]
        answers[0].result()
        journal.close()
    kept = {one.result() for one in answers if one.exception() is None}
    assert names(database) == kept


def test_what_is_asked_once_is_asked_once_in_each_transaction(database: Database) -> None:
    asked: list[int] = []

    def ask(conn: Connection) -> int:
        asked.append(1)
        return len(asked)

    journal = Journal(database)
    found = [one.result() for one in journal.submit_all([lambda conn: once(conn, ask)] * 3)]
    assert (found, journal.submit(lambda conn: once(conn, ask))) == ([1, 1, 1], 2)
    with database.write() as conn:
        assert [once(conn, ask), once(conn, ask)] == [3, 4]
    journal.close()


def test_flush_shows_what_works_before_gathered_and_asks_anew(database: Database) -> None:
    def count(conn: Connection) -> int:
        return len(conn.execute(select(counter.c.name)).all())

    def gather(conn: Connection) -> int:
        add_rows(conn, counter, [{"name": "a", "next": 1}])
        return once(conn, count)

    def look(conn: Connection) -> int:
        flush(conn)
        return once(conn, count)

    journal = Journal(database)
    first, second = (one.result() for one in journal.submit_all([gather, look]))
    assert second == first + 1
    assert "a" in names(database)
    journal.close()
