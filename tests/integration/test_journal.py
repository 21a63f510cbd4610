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
from service.registry.journal import Journal
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
