"""Many rows at once, in the few shapes the registry needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Executable, Row, Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite

_CHUNK = 900
KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
"""Stands for the values of `fetch_in` and `execute_in` in their statements: `column.in_(KEYS)`."""


def chunked(values: Collection[Any], size: int = _CHUNK) -> Iterator[list[Any]]:
    """The values in lists of at most `size`: a statement takes only so many."""
    listed = list(values)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def fetch_in(conn: Connection, statement: Executable, keys: Collection[Any], **given: object) -> Iterator[Row[Any]]:
    """The rows of a statement that has `KEYS`, asked in chunks."""
    for chunk in chunked(keys):
        yield from conn.execute(statement, {"keys": chunk, **given})


def execute_in(conn: Connection, statement: Executable, keys: Collection[Any], **given: object) -> None:
    """Executes a statement that has `KEYS`, in chunks."""
    for chunk in chunked(keys):
        conn.execute(statement, {"keys": chunk, **given})


def put(conn: Connection, table: Table, rows: Sequence[Mapping[str, object]], update: tuple[str, ...] = ()) -> None:
    """Inserts rows; where the primary key is there already, sets the columns `update` (none: leaves the row)."""
    if rows:
        conn.execute(_upsert(conn.dialect.name, table, update), rows)


@cache
def _upsert(dialect: str, table: Table, update: tuple[str, ...]) -> Executable:
    insert: Any = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    key = list(table.primary_key.columns)
    if not update:
        statement: Executable = insert.on_conflict_do_nothing(index_elements=key)
    else:
        new = {name: insert.excluded[name] for name in update}
        statement = insert.on_conflict_do_update(index_elements=key, set_=new)
    return statement
