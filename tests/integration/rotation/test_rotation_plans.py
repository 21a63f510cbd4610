"""Each batch of a rotation costs the same however large the table is: its rows are found by an index, in order."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, LargeBinary, Select, String, text

from service.registry.database import Database
from service.registry.rotation import rewrite
from service.registry.rotation.holdings import HOLDINGS, Holding
from service.security.keys import KeyRing


def key(holding: Holding, number: int) -> list[Any]:
    """A key in the middle of a table."""
    columns = [holding.table.c[name] for name in holding.order]
    return [
        bytes([128, number]) * 16
        if isinstance(one.type, LargeBinary)
        else f"m{number}"
        if isinstance(one.type, String)
        else 5000 + number
        for one in columns
    ]


def plan(conn: Connection, statement: Select[*tuple[Any, ...]]) -> str:
    compiled: Any = statement.compile(dialect=conn.dialect, compile_kwargs={"render_postcompile": True})
    given = compiled.params
    values = given if compiled.positiontup is None else tuple(given[name] for name in compiled.positiontup)
    explain = "EXPLAIN QUERY PLAN" if conn.dialect.name == "sqlite" else "EXPLAIN"
    return "\n".join(str(row[-1]) for row in conn.exec_driver_sql(f"{explain} {compiled}", values))


@pytest.mark.parametrize("holding", HOLDINGS, ids=lambda one: one.table.name)
def test_a_batch_is_found_by_an_index(database: Database, keys: KeyRing, holding: Holding) -> None:
    first, last = key(holding, 1), key(holding, 2)
    with database.write() as conn:
        if not database.is_sqlite:
            conn.execute(text("SET LOCAL enable_seqscan = off"))
            conn.execute(text("SET LOCAL enable_bitmapscan = off"))
        page = plan(conn, rewrite._page(holding, first).limit(64))
        rows = plan(conn, rewrite._rows(holding, keys, first, last))
    for found in (page, rows):
        assert "SCAN" not in found
        assert "Seq Scan" not in found
        assert "TEMP B-TREE" not in found
    assert "Sort" not in page.replace("Incremental Sort", "").replace("Sort Key", "").replace("Presorted", "")
