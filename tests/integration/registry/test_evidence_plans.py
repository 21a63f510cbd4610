"""The match path reads by index alone, whatever its tables hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from service.domain.errors import Unavailable
from service.registry import evidence, persons
from service.registry.database import Database
from service.registry.prepared import MOST_KEYS
from service.security.keys import KeyRing

READS: dict[str, Callable[[Connection, KeyRing], object]] = {
    "records": lambda conn, keys: evidence.find_records(conn, keys, [b"1", b"2", b"3"]),
    "results": lambda conn, _: evidence.results_of(conn, [1, 2], ["718-7", "777-3", "789-8"], 5),
    "exams": lambda conn, _: evidence.exams_of(conn, [1], ["CT"], 5),
    "consents": lambda conn, _: evidence.consents_of(conn, [1, 2]),
    "fellows": lambda conn, keys: persons.fellow_records(conn, keys, [1, 2]),
    "rulings": lambda conn, _: persons.rulings_on(conn, [1, 2]),
}
KEYS = {
    "records": ["identifier USING PRIMARY KEY (token=?)", "ix_patient_record_local_token (local_token=?)"],
    "results": ["result USING PRIMARY KEY (record_id=? AND item=? AND start_at>?)"],
    "exams": ["exam USING PRIMARY KEY (record_id=? AND modality=? AND start_at>?)"],
    "consents": ["ix_consent_record_id (record_id=?)"],
    "fellows": ["ix_person_member_person_id (person_id=?)", "one USING INTEGER PRIMARY KEY (rowid=?)"],
    "rulings": ["ix_identity_ruling_a (a=?)", "ix_identity_ruling_b (b=?)"],
}


@pytest.mark.parametrize("name", READS)
def test_read_of_the_match_path_searches_and_never_scans(sqlite_url: str, keys: KeyRing, name: str) -> None:
    database = Database.open(sqlite_url)
    executed: list[str] = []
    with database.read() as conn:
        driver: Any = conn.connection.dbapi_connection
        driver.set_trace_callback(executed.append)
        READS[name](conn, keys)
        driver.set_trace_callback(None)
        (sql,) = executed
        plan = [row[3] for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + sql)]
    database.close()
    scanned = [step for step in plan if step.startswith("SCAN") and not step.startswith("SCAN anon_")]
    assert scanned == []  # anon: the few keys found first
    for index in KEYS[name]:
        assert any(index in step for step in plan), plan


def test_any_number_of_keys_can_be_asked(database: Database, keys: KeyRing) -> None:
    many = range(3 * MOST_KEYS)
    with database.read() as conn:
        assert evidence.find_records(conn, keys, [one.to_bytes(4, "big") for one in many]) == []
        assert evidence.results_of(conn, many, ["718-7"], 0) == []
        assert evidence.results_of(conn, [1], [], 0) == []
        assert evidence.exams_of(conn, many, ["CT"], 0) == []
        assert evidence.consents_of(conn, many) == []


def test_read_of_a_database_without_schema_says_how_to_mend_it(tmp_path: Path, keys: KeyRing) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'new.db'}", create=True)
    with pytest.raises(Unavailable, match="testonce init"), database.read() as conn:
        evidence.consents_of(conn, [1])
    database.close()


@pytest.mark.slow
def test_broken_connection_is_told_and_the_next_one_works(postgres_url: str) -> None:
    database = Database.open(postgres_url)
    with pytest.raises(Unavailable, match="broke off"), database.read() as conn:  # noqa: PT012
        with database.write() as other:
            other.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))
        evidence.consents_of(conn, [1])
    with database.read() as conn:
        assert evidence.consents_of(conn, [1]) == []
    database.close()
