"""A writer that is killed: what was committed stays, what was not is as if it had never begun."""

from __future__ import annotations

import subprocess
import sys

import pytest

from service.registry import evidence
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.security.keys import KeyRing
from tests.support.records import HOSPITAL, lab, result

_WRITER = """
import os, signal, sys
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.security.keys import KeyRing
from tests.support.records import HOSPITAL, lab, result

store = SqlIngestStore(Database.open(sys.argv[1]), KeyRing.generate())
with store.batch(HOSPITAL) as batch:
    batch.index_reports([lab("N1", result("1"))])
with store.batch(HOSPITAL) as batch:
    batch.index_reports([lab("N1", result("2"), version=1), lab("N2", root="DiagnosticReport/2")])
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_killed_writer_leaves_whole_batches_only(database: Database, database_url: str, keys: KeyRing) -> None:
    command = [sys.executable, "-c", _WRITER, database_url]
    assert subprocess.run(command, check=False, timeout=60).returncode == -9
    with database.read() as conn:
        found = evidence.results_of(conn, range(9), ["718-7"], 0)
    assert [str(one.result.measured.value) for _, one in found] == ["1"]
    with SqlIngestStore(database, keys).batch(HOSPITAL) as batch:
        assert batch.index_reports([lab("N3", result("3"), root="DiagnosticReport/3")]).new == 1
