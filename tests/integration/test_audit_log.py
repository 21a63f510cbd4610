"""The audit log on both databases: every kind of tampering is found and named."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from service.audit.events import Action
from service.audit.log import GENESIS, AuditEntry, AuditLog
from service.audit.verify import Verdict, advance_checkpoint, save_checkpoint, verify_log
from service.registry.database import Database
from service.registry.journal import Journal
from service.security.keys import KeyRing


def entry(number: int) -> AuditEntry:
    detail = {"n": number, "含": "字"}
    return AuditEntry(
        1_000 + number, "dr", "clinician", "jl-central", Action.DECISION_READ, f"Decision/{number}", "ok", detail
    )


@pytest.fixture
def log(database: Database, keys: KeyRing) -> AuditLog:
    """A log with ten entries, in three transactions."""
    log = AuditLog(database, keys)
    with database.write() as conn:
        log.append(conn, entry(1))
        log.append(conn, entry(2))
    with database.write() as conn, log.gathering(conn):
        for number in range(3, 10):
            log.append(conn, entry(number))
    with database.write() as conn:
        log.append(conn, entry(10))
    return log


def verdict(database: Database, keys: KeyRing, checkpoint: Path | None = None) -> Verdict:
    with database.snapshot() as conn:
        return verify_log(conn, keys, checkpoint)


def change(database: Database, *statements: str) -> None:
    with database.write() as conn:
        for one in statements:
            conn.execute(text(one))


def test_untouched_log_is_intact(log: AuditLog, database: Database, keys: KeyRing) -> None:
    found = verdict(database, keys)
    assert (found.is_intact, found.entries) == (True, 10)


def test_empty_log_is_intact(database: Database, keys: KeyRing) -> None:
    assert verdict(database, keys).is_intact


@pytest.mark.parametrize(
    ("statements", "broken_at"),
    [
        (["UPDATE audit SET subject = 'Decision/7' WHERE seq = 4"], 4),
        (["UPDATE audit SET detail = '{}' WHERE seq = 4"], 4),
        (["UPDATE audit SET actor = 'x' WHERE seq = 1"], 1),
        (["UPDATE audit SET at = at + 1 WHERE seq = 10"], 10),
        (["UPDATE audit SET hash = previous WHERE seq = 5"], 5),
        (["DELETE FROM audit WHERE seq = 6"], 6),
        (["DELETE FROM audit WHERE seq = 1"], 1),
        (["DELETE FROM audit WHERE seq > 8"], 9),
        (["DELETE FROM audit"], 1),
        (["UPDATE audit SET seq = seq + 100 WHERE seq >= 3", "UPDATE audit SET seq = seq - 101 WHERE seq > 103",
          "UPDATE audit SET seq = 10 WHERE seq = 103"], 3),
        (["INSERT INTO audit SELECT 11, at, actor, role, institution, action, subject, outcome, detail, hash, previous "
          "FROM audit WHERE seq = 10"], 11),
        (["INSERT INTO audit SELECT 0, at, actor, role, institution, action, subject, outcome, detail, previous, hash "
          "FROM audit WHERE seq = 1"], 1),
        (["DELETE FROM audit WHERE seq = 10", "UPDATE audit_head SET seq = 9"], 10),
        (["DELETE FROM audit_head"], 1),
        (["UPDATE audit SET hash = 'x' WHERE seq = 5"], 5),
        (["UPDATE audit SET previous = 'x' WHERE seq = 5"], 5),
        (["UPDATE audit_head SET mac = 'x'"], 11),
    ],
    ids=["subject", "detail", "first", "time", "hash", "deleted", "first deleted", "end cut off", "emptied",
         "reordered", "appended", "put before", "end and head", "head", "hash of text", "text before",
         "mac of text"],
)  # fmt: skip
def test_tampering_is_found_at_the_first_entry_it_touches(
    log: AuditLog, database: Database, keys: KeyRing, statements: list[str], broken_at: int
) -> None:
    change(database, *statements)
    assert verdict(database, keys).broken_at == broken_at


def test_chain_rewritten_without_the_keys_is_found(log: AuditLog, database: Database, keys: KeyRing) -> None:
    with database.write() as conn:
        conn.execute(text("DELETE FROM audit"))
        conn.execute(text("DELETE FROM audit_head"))
        stranger = AuditLog(database, KeyRing.generate())
        for number in range(1, 11):
            stranger.append(conn, entry(number))
    assert not verdict(database, keys).is_intact


def test_restored_older_database_is_found_by_the_checkpoint(
    log: AuditLog, database: Database, keys: KeyRing, tmp_path: Path
) -> None:
    with database.read() as conn:
        head = conn.execute(text("SELECT hash, mac FROM audit_head")).one()
    with database.write() as conn:
        log.append(conn, entry(11))
    file = tmp_path / "head.json"
    found = verdict(database, keys)
    save_checkpoint(file, keys, found.entries, found.head, "2026-11-22T00:00:00Z")
    assert verdict(database, keys, file).is_intact
    with database.write() as conn:  # everything as it was before the eleventh entry
        conn.execute(text("DELETE FROM audit WHERE seq = 11"))
        conn.execute(text("UPDATE audit_head SET seq = 10, hash = :hash, mac = :mac"), head._asdict())
    assert verdict(database, keys).is_intact
    assert verdict(database, keys, file).broken_at == 11
    with database.write() as conn:  # and gone on differently
        log.append(conn, entry(12))
        log.append(conn, entry(13))
    assert verdict(database, keys, file).broken_at == 11
    with database.read() as conn:
        assert not advance_checkpoint(conn, keys, file, "later")
    assert verdict(database, keys, file).broken_at == 11


def test_checkpoint_moves_on_and_one_that_was_not_signed_here_is_refused(
    log: AuditLog, database: Database, keys: KeyRing, tmp_path: Path
) -> None:
    file = tmp_path / "head.json"
    with database.read() as conn:
        assert advance_checkpoint(conn, keys, file, "now")
        assert advance_checkpoint(conn, keys, file, "later")
    assert verdict(database, keys, file).is_intact
    file.write_text(file.read_text().replace('"entries": 10', '"entries": 3'))
    assert not verdict(database, keys, file).is_intact


def test_checkpoint_of_an_empty_log_does_not_stand_in_the_way(
    database: Database, keys: KeyRing, tmp_path: Path
) -> None:
    file = tmp_path / "head.json"
    save_checkpoint(file, keys, 0, GENESIS, "now")
    with database.read() as conn:
        assert advance_checkpoint(conn, keys, file, "later")
    save_checkpoint(file, keys, 1, GENESIS, "now")
    with database.read() as conn:
        assert not advance_checkpoint(conn, keys, file, "later")


def test_transaction_undone_leaves_no_entry(log: AuditLog, database: Database, keys: KeyRing) -> None:
    def undone() -> None:
        with database.write() as conn:
            log.append(conn, entry(11))
            raise KeyError

    with pytest.raises(KeyError):
        undone()
    found = verdict(database, keys)
    assert (found.is_intact, found.entries) == (True, 10)


def test_several_writers_make_one_chain(log: AuditLog, database: Database, keys: KeyRing) -> None:
    journals = [Journal(database, log.gathering) for _ in range(3)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: journals[n % 3].submit(lambda conn: log.append(conn, entry(n))), range(60)))
    for journal in journals:
        journal.close()
    found = verdict(database, keys)
    assert (found.is_intact, found.entries) == (True, 70)
