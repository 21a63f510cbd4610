"""One pass over all rows under keys: what stands under an older one is brought under the current.

In batches, each a transaction of its own that also says how far the pass is: a pass that was killed goes on where it
was. Each row is read and written under the locks of those who write it too; rows that another transaction has locked
are left to the next pass. So a pass that changed nothing, begun after everybody wrote under the current key, proves
that no row stands under another.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    tuple_,
    update,
)

from service.registry.database import Database
from service.registry.rotation.holdings import HOLDINGS, Holding
from service.registry.tables import key_rotation, patient_record
from service.security.keys import KeyRing

_FIRST, _MOST = 64, 4096
_SHORT, _LONG = 0.02, 0.06
"""A batch shorter than this many seconds is followed by a larger one, a longer one by a smaller: others wait."""
_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass is, in rows; `total` is about."""

    done: int
    total: int
    part: str


OnProgress = Callable[[Progress], None]
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Passed:
    """A whole pass: how many rows it brought under the current key, and when it began (microseconds since 1970)."""

    changed: int
    began_at: int


class Pass:
    """A pass under the newest of `keys`, which must not change meanwhile."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys
        self._key_id = keys.material.current

    def run(self, on_progress: OnProgress) -> Passed:
        """Goes through all rows, from where an earlier pass was broken off."""
        states = self._states()
        total = sum(one["total"] for one in states.values())
        done = sum(one["seen"] for one in states.values())
        for holding in HOLDINGS:
            name = holding.table.name
            for seen in self._part(holding, states[name]):
                done += seen
                on_progress(Progress(min(done, total), total, name))
        return Passed(sum(one["changed"] for one in states.values()), min(one["began_at"] for one in states.values()))

    def forget(self) -> None:
        """Lets the next pass begin anew."""
        with self._database.write() as conn:
            conn.execute(delete(key_rotation))

    def _states(self) -> dict[str, Values]:
        """How far each part is; written down before the first row is touched."""
        with self._database.read() as conn:
            found = {row.part: dict(row._mapping) for row in conn.execute(select(key_rotation))}
            if found and all(one["key_id"] == self._key_id for one in found.values()):
                return found
            now = self._database.now_us()
            made = [
                {
                    "part": one.table.name, "key_id": self._key_id, "after": "", "seen": 0, "changed": 0,
                    "total": _count(conn, one), "began_at": now, "done": False,
                }
                for one in HOLDINGS
            ]  # fmt: skip
        with self._database.write() as conn:
            conn.execute(delete(key_rotation))
            conn.execute(insert(key_rotation), made)
        return {str(one["part"]): one for one in made}

    def _part(self, holding: Holding, state: Values) -> Iterator[int]:
        """The rows of one table; gives how many each batch went through."""
        size = _FIRST
        while not state["done"]:
            began = time.monotonic()
            seen = self._batch(holding, state, size)
            yield seen
            took = time.monotonic() - began
            size = min(size * 2, _MOST) if took < _SHORT else max(size // 2, 1) if took > _LONG else size

    def _batch(self, holding: Holding, state: Values, size: int) -> int:
        after = _decoded(holding, state["after"])
        with self._database.read() as conn:
            found = conn.execute(_page(holding, after).limit(size)).all()
        page = _light(holding, found)
        last = tuple(page[-1][: len(holding.order)]) if page else None
        with self._database.write() as conn:
            if last is not None:
                state["changed"] += self._rewrite(conn, holding, page, after, last)
                state["after"] = _encoded(last)
            state["seen"] += len(page)
            state["done"] = len(page) == len(found) < size
            conn.execute(_MOVE, {f"to_{name}": state[name] for name in _MOVED} | {"its_part": state["part"]})
        return len(page)

    def _rewrite(
        self, conn: Connection, holding: Holding, page: Sequence[Row[*tuple[Any, ...]]], after: Any, last: Any
    ) -> int:
        """Brings the rows after `after` up to `last` under the current key; how many were not."""
        owners = {str(row[-1]) for row in page} if holding.owner else set()
        for owner in sorted(owners):  # in one order, so that two never wait for each other
            self._database.lock(conn, f"institution {owner}")
        if holding.index:
            self._database.lock(conn, "identity")
        changes: defaultdict[tuple[str, ...], list[Values]] = defaultdict(list)
        for row in conn.execute(_rows(holding, self._keys, after, last)).mappings():
            if not holding.owner or row["its_owner"] in owners:  # else it came just now: the next pass is for it
                changed = self._changed(holding, dict(row))
                if changed:
                    key = {f"old_{name}": row[name] for name in holding.order}
                    changes[tuple(changed)].append({f"new_{name}": value for name, value in changed.items()} | key)
        for columns, rows in changes.items():
            conn.execute(_update(holding, columns), rows)
        return sum(map(len, changes.values()))

    def _changed(self, holding: Holding, row: Values) -> Values:
        """The columns that stand under an older key, as they are under the current one."""
        now = dict(row)
        for one in holding.tokens:
            if row[one.column] is not None:
                now[one.column] = self._keys.retoken(one.field(row), row[one.column])
        for seal in holding.seals:
            sealed = row[seal.column]
            if sealed is None or not seal.is_sealed(row):
                continue
            was, is_now = seal.bound_to(row), seal.bound_to(now)
            if was != is_now or not bytes(sealed).startswith(self._keys.seal_head):
                now[seal.column] = self._keys.reseal(sealed, was, is_now)
        return {name: value for name, value in now.items() if value != row[name]}


def _order(holding: Holding) -> list[ColumnElement[Any]]:
    return [holding.table.c[name] for name in holding.order]


def _beyond(holding: Holding, at: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a row comes after the one whose key is `at`."""
    order = _order(holding)
    values = [literal(value, type_=column.type) for value, column in zip(at, order, strict=True)]
    return order[0] > values[0] if len(order) == 1 else tuple_(*order) > tuple_(*values)


def _near(holding: Holding, after: Sequence[Any] | None, last: Sequence[Any] | None) -> list[ColumnElement[bool]]:
    """The same for the record that a row is joined with: PostgreSQL does not conclude it, and would begin at the first
    record for every page."""
    if holding.owner != "record":
        return []
    its_id = patient_record.c.id
    return ([its_id >= after[0]] if after else []) + ([its_id <= last[0]] if last else [])


def _owned(holding: Holding, statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """The statement, with whose row it is as `its_owner`."""
    if holding.owner == "institution":
        statement = statement.add_columns(holding.table.c.institution.label("its_owner"))
    elif holding.owner == "record":
        statement = statement.add_columns(patient_record.c.institution.label("its_owner")).join_from(
            holding.table, patient_record, patient_record.c.id == holding.table.c.record_id
        )
    return statement if holding.only is None else statement.where(holding.only)


def _page(holding: Holding, after: Sequence[Any] | None) -> Select[*tuple[Any, ...]]:
    """The keys of the next rows, without what they hold."""
    weight = [holding.table.c[holding.weight].label("weight")] if holding.weight else []
    statement: Select[*tuple[Any, ...]] = _owned(holding, select(*_order(holding), *weight))
    statement = statement.order_by(*_order(holding))
    return statement if after is None else statement.where(_beyond(holding, after), *_near(holding, after, None))


def _light(holding: Holding, page: Sequence[Row[*tuple[Any, ...]]]) -> Sequence[Row[*tuple[Any, ...]]]:
    """As much of a page as fits into memory; at least one row."""
    heavy = 0
    for n, row in enumerate(page if holding.weight else ()):
        heavy += row.weight
        if heavy > _BYTES and n:
            return page[:n]
    return page


def _rows(
    holding: Holding, keys: KeyRing, after: Sequence[Any] | None, last: Sequence[Any]
) -> Select[*tuple[Any, ...]]:
    """The rows of a page with what is needed of them. A sealed value is read only where it is not under the current
    key, or bound to a token of its row: others may be large."""
    wanted: list[ColumnElement[Any]] = [holding.table.c[name] for name in _read(holding)]
    follows = any(one.column in holding.order for one in holding.tokens)
    for one in holding.seals:
        column = holding.table.c[one.column]
        under_current = func.substr(column, 1, len(keys.seal_head), type_=LargeBinary) == keys.seal_head
        wanted.append(column if follows else case((under_current, null()), else_=column).label(column.name))
    statement: Select[*tuple[Any, ...]] = _owned(holding, select(*wanted)).where(
        ~_beyond(holding, last), *_near(holding, after, last)
    )
    if after is not None:
        statement = statement.where(_beyond(holding, after))
    return statement.with_for_update(of=holding.table, skip_locked=True)


def _read(holding: Holding) -> list[str]:
    return list(dict.fromkeys([*holding.order, *holding.also, *(one.column for one in holding.tokens)]))


def _update(holding: Holding, columns: Sequence[str]) -> Any:
    its_key = and_(*(holding.table.c[name] == bindparam(f"old_{name}") for name in holding.order))
    return update(holding.table).where(its_key).values({name: bindparam(f"new_{name}") for name in columns})


def _count(conn: Connection, holding: Holding) -> int:
    statement = select(func.count()).select_from(holding.table)
    return conn.execute(statement if holding.only is None else statement.where(holding.only)).scalar_one()


_MOVED = ("after", "seen", "changed", "done")
_MOVE = (
    update(key_rotation)
    .where(key_rotation.c.part == bindparam("its_part"))
    .values({name: bindparam(f"to_{name}") for name in _MOVED})
)


def _encoded(at: Sequence[Any]) -> str:
    return json.dumps([bytes(one).hex() if isinstance(one, bytes | memoryview) else one for one in at])


def _decoded(holding: Holding, text: str) -> list[Any] | None:
    if not text:
        return None
    pairs = zip(json.loads(text), _order(holding), strict=True)
    return [bytes.fromhex(one) if isinstance(column.type, LargeBinary) else one for one, column in pairs]
