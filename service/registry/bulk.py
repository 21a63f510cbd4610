"""Many rows at once, in the few shapes the registry needs.

For thousands of rows SQLAlchemy's way from a row to parameters costs more than the database's work. So statements are
compiled once, and rows go to SQLite as tuples, to PostgreSQL as one array for each column.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Row,
    String,
    Table,
    Text,
    any_,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY, psycopg
from sqlalchemy.dialects.sqlite import pysqlite

_CHUNK = 900
_SQLITE: Any = pysqlite.dialect(paramstyle="qmark")
_POSTGRES: Any = psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]

Among = Callable[[ColumnElement[Any]], ColumnElement[bool]]
Rows = Sequence[Mapping[str, object]]


def chunked(values: Collection[Any], size: int = _CHUNK) -> Iterator[list[Any]]:
    """The values in lists of at most `size`: a statement takes only so many."""
    listed = list(values)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


class ByKeys:
    """A statement about many keys: `build(among)` says with `among(column)` which column is one of them."""

    def __init__(self, build: Callable[[Among], Executable]) -> None:
        self._sqlite = build(lambda one: one.in_(bindparam("keys", expanding=True)))
        # One parameter whatever their number: so it is planned once, and a thousand keys cost no thousand parameters.
        self._postgres = build(lambda one: one == any_(bindparam("keys", type_=_array(one))))

    def rows(self, conn: Connection, keys: Collection[Any], **given: object) -> Iterator[Row[*tuple[Any, ...]]]:
        """The rows for these keys, asked in chunks."""
        statement = self._sqlite if conn.dialect.name == "sqlite" else self._postgres
        for chunk in chunked(keys):
            yield from conn.execute(statement, {"keys": chunk, **given})

    def execute(self, conn: Connection, keys: Collection[Any], **given: object) -> None:
        """Executes a statement that gives no rows, in chunks."""
        statement = self._sqlite if conn.dialect.name == "sqlite" else self._postgres
        for chunk in chunked(keys):
            conn.execute(statement, {"keys": chunk, **given})


def put(conn: Connection, table: Table, rows: Rows, update: tuple[str, ...] = ()) -> None:
    """Inserts rows that all have the same columns; where the primary key is there already, sets the columns `update`
    (none: leaves the row as it is). Of rows with one key the last counts."""
    if rows:
        key = tuple(one.name for one in table.primary_key)
        of_row = itemgetter(*key)
        last = {of_row(row): row for row in rows}
        _execute(conn, table, list(last.values()), key, update)


def add(conn: Connection, table: Table, rows: Rows) -> None:
    """Inserts rows that are new and all have the same columns."""
    if rows:
        _execute(conn, table, rows, (), ())


def _execute(conn: Connection, table: Table, rows: Rows, key: tuple[str, ...], update: tuple[str, ...]) -> None:
    sql, order = _insert(conn.dialect.name, table, tuple(rows[0]), key, update)
    tuples = map(itemgetter(*order), rows)
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(sql, list(tuples))
    else:
        conn.exec_driver_sql(sql, tuple(map(list, zip(*tuples, strict=True))))


@cache
def _insert(
    dialect: str, table: Table, columns: tuple[str, ...], key: tuple[str, ...], update: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """The SQL, and the columns in the order of its parameters."""
    insert: Any = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    if dialect == "sqlite":
        statement = insert.values({one: bindparam(one) for one in columns})
    else:
        arrays = [bindparam(one, type_=_array(table.c[one])) for one in columns]
        rows = func.unnest(*arrays).table_valued(*(column(one) for one in columns)).render_derived(name="given")
        statement = insert.from_select(columns, select(rows))
    if update:
        new = {one: statement.excluded[one] for one in update}
        statement = statement.on_conflict_do_update(index_elements=key, set_=new)
    elif key:
        statement = statement.on_conflict_do_nothing(index_elements=key)
    compiled = statement.compile(dialect=_SQLITE if dialect == "sqlite" else _POSTGRES)
    return str(compiled), tuple(compiled.positiontup)


def _array(one: ColumnElement[Any]) -> ARRAY[Any]:
    """The array of a column's values. Text without its length: a cast to VARCHAR(n) would cut what is too long."""
    return ARRAY(Text() if isinstance(one.type, String) else one.type)
