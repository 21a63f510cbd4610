"""Statements with lists of keys, compiled once for each length of list.

Compiling costs more than running such a statement, so the match path must not do it per request. Lists are filled
up to the next power of two by repeating their last key: `IN` does not mind, and few lengths occur.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy import BindParameter, Connection, Select, bindparam

MOST_KEYS = 512
"""The longest list a statement takes."""

Keys = list[BindParameter[Any]]
AnyRow = tuple[Any, ...]
AnySelect = Select[*tuple[Any, ...]]


class Prepared:
    """A statement made by `build(*lists of keys, *single values)`."""

    def __init__(self, build: Callable[..., AnySelect], singles: int = 0) -> None:
        self._build = build
        self._singles = singles
        self._compiled: dict[tuple[object, ...], tuple[str, list[str] | None]] = {}

    def rows(self, conn: Connection, lists: Sequence[Sequence[object]], *singles: object) -> Sequence[AnyRow]:
        """All rows for these keys; none when a list is empty. A list holds at most `MOST_KEYS` keys."""
        if not all(lists):
            return ()
        filled = [_filled(keys) for keys in lists]
        shape = (conn.dialect.name, *map(len, filled))
        sql, order = self._compiled.get(shape) or self._compile(conn, shape)
        given = {f"k{i}_{j}": key for i, keys in enumerate(filled) for j, key in enumerate(keys)}
        given |= {f"s{i}": value for i, value in enumerate(singles)}
        parameters: Any = given if order is None else tuple([given[name] for name in order])
        # Straight through the driver: SQLAlchemy's wrapping costs several times what such a statement does. A second
        # try, should it fail, fails in SQLAlchemy's own way: with its error, and a broken connection dropped.
        cursor = conn.connection.cursor()
        try:
            cursor.execute(sql, parameters)
            rows: Sequence[AnyRow] = cursor.fetchall()
        except cast(Any, conn.dialect).loaded_dbapi.Error:
            rows = conn.exec_driver_sql(sql, parameters).fetchall()
        finally:
            cursor.close()
        return rows

    def _compile(self, conn: Connection, shape: tuple[Any, ...]) -> tuple[str, list[str] | None]:
        keys: list[Keys] = [[bindparam(f"k{i}_{j}") for j in range(length)] for i, length in enumerate(shape[1:])]
        statement = self._build(*keys, *(bindparam(f"s{i}") for i in range(self._singles)))
        compiled: Any = statement.compile(dialect=conn.dialect)
        made = self._compiled[shape] = (str(compiled), compiled.positiontup)
        return made


def _filled(keys: Sequence[object]) -> list[object]:
    if len(keys) > MOST_KEYS:
        raise ValueError(f"{len(keys)} keys in one statement; at most {MOST_KEYS} are possible")
    return [*keys, *[keys[-1]] * ((1 << (len(keys) - 1).bit_length()) - len(keys))]
