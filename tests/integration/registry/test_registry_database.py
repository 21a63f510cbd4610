"""The database's door: schema, ids, locks, refusals; on both databases."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import exc, insert, select, text

from service.domain.errors import InvalidInput, Unavailable
from service.registry.database import Database
from service.registry.tables import counter, metadata


def test_migrated_schema_is_the_one_the_program_speaks_of(database: Database) -> None:
    with database.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_upgrade_again_changes_nothing(database: Database) -> None:
    assert database.is_current()
    database.upgrade()
    assert database.is_current()


def test_database_without_schema_says_how_to_mend_it(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'new.db'}", create=True)
    assert not database.is_current()
    with pytest.raises(Unavailable, match="testonce init"), database.read() as conn:
        conn.execute(select(counter))
    database.close()


def test_new_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "new.db"
    database = Database.open(f"sqlite:///{path}", create=True)
    database.upgrade()
    assert {one.name: one.stat().st_mode & 0o077 for one in path.parent.iterdir() if one.stat().st_mode & 0o077} == {}
    database.close()


def test_absent_file_is_not_made_unasked(tmp_path: Path) -> None:
    path = tmp_path / "absent.db"
    with pytest.raises(Unavailable, match="testonce init"):
        Database.open(f"sqlite:///{path}")
    assert not path.exists()


def test_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.db").mkdir()  # a folder cannot be opened, by root neither; a file on a read-only disk says the same
    with pytest.raises(Unavailable, match="cannot be opened; check who owns its folder"):
        Database.open(f"sqlite:///{tmp_path}/t.db")


def test_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is no database, though it is long enough to look like one" * 20)
    with pytest.raises(Unavailable, match="damaged or is no database"):
        Database.open(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://a/b", "sqlite://", "sqlite:///:memory:"])
def test_url_of_no_usable_database_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        Database.open(url)


def test_unreachable_server_is_unavailable_and_its_password_unsaid() -> None:
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        Database.open("postgresql://user:hush@127.0.0.1:1/none")
    assert "hush" not in str(caught.value)


@pytest.mark.slow
def test_missing_database_or_user_of_a_server_is_told(postgres_url: str) -> None:
    with pytest.raises(Unavailable, match="no database of that name"):
        Database.open(re.sub(r"/test_\d+", "/nowhere", postgres_url))
    with pytest.raises(Unavailable, match="refuses this user"):
        Database.open(postgres_url.replace("postgres:", "nobody:"))


def test_database_of_a_newer_program_is_left_alone(database: Database) -> None:
    with database.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not database.is_current()
    with pytest.raises(Unavailable, match="newer version"):
        database.upgrade()


def test_ids_come_in_blocks_that_never_overlap(database: Database) -> None:
    taken: list[int] = []
    guard = threading.Lock()

    def take() -> None:
        for n in (1, 5, 3):
            with database.write() as conn:
                first = database.take_ids(conn, "row", n)
            with guard:
                taken.extend(range(first, first + n))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(set(taken))
    assert len(taken) == 36


def test_error_inside_a_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as conn:  # noqa: PT012 (it is the block that fails)
        conn.execute(insert(counter), {"name": "x", "next": 1})
        raise RuntimeError("on the way")
    with database.read() as conn:
        assert conn.execute(select(counter).where(counter.c.name == "x")).first() is None


def test_readers_cannot_write(database: Database) -> None:
    for door in (database.read, database.snapshot):
        with pytest.raises((exc.DBAPIError, Unavailable)), door() as conn:
            conn.execute(insert(counter), {"name": "x", "next": 1})


def test_snapshot_does_not_see_what_is_written_meanwhile(database: Database) -> None:
    count = text("SELECT count(*) FROM counter WHERE name = 'later'")
    with database.snapshot() as conn:
        assert conn.execute(count).scalar() == 0
        with database.write() as other:
            other.execute(insert(counter), {"name": "later", "next": 1})
        assert conn.execute(count).scalar() == 0
    with database.read() as conn:
        assert conn.execute(count).scalar() == 1


def test_second_holder_of_a_lock_waits_for_the_first(database: Database) -> None:
    order: list[str] = []
    started = threading.Event()

    def second() -> None:
        started.set()
        with database.write() as conn:
            database.lock(conn, "institution a")
            order.append("second")

    thread = threading.Thread(target=second)
    with database.write() as conn:
        database.lock(conn, "institution a")
        thread.start()
        started.wait()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_commits_reach_the_disk_before_they_are_acknowledged(database: Database) -> None:
    with database.write() as conn:
        if database.is_sqlite:
            assert conn.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
            assert conn.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert conn.execute(text("PRAGMA foreign_keys")).scalar() == 1
        else:
            assert conn.execute(text("SHOW synchronous_commit")).scalar() == "on"
            assert conn.execute(text("SHOW fsync")).scalar() == "on"
