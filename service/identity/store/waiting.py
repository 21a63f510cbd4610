"""The links that wait for somebody's decision, as the index has them now, by the two persons they stand between."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, case, func, literal_column, or_, select

from service.identity.links import Link
from service.identity.store.sql_index import link_of
from service.registry.tables import identity_link, person_member

_left, _right = person_member.alias("left_member"), person_member.alias("right_member")
_OF_A = func.coalesce(_left.c.person_id, identity_link.c.a)
_OF_B = func.coalesce(_right.c.person_id, identity_link.c.b)
LOWER = case((_OF_A < _OF_B, _OF_A), else_=_OF_B)
"""Of the two persons of a link the one with the lower id."""
HIGHER = case((_OF_A < _OF_B, _OF_B), else_=_OF_A)


def among_waiting(statement: Select[Any]) -> Select[Any]:
    """A statement over the links that wait; LOWER and HIGHER may be read in it."""
    tier = identity_link.c.tier
    return (
        statement.select_from(identity_link)
        .outerjoin(_left, _left.c.record_id == identity_link.c.a)
        .outerjoin(_right, _right.c.record_id == identity_link.c.b)
        .where(identity_link.c.to_at.is_(None))
        .where(or_(tier == literal_column("'probable'"), tier == literal_column("'held'")))
    )


def waiting_links(conn: Connection) -> Iterator[tuple[int, int, list[Link]]]:
    """The links that wait, those between two persons together, with the two (the lower first). Read as asked for,
    within a snapshot: what waits between two persons depends on no other link."""
    rows = conn.execute(_ALL, execution_options={"yield_per": 2000})
    for (lower, higher), links in groupby(rows, lambda row: (row.lower_person, row.higher_person)):
        yield lower, higher, [link_of(row) for row in links]


_ALL = among_waiting(select(identity_link, LOWER.label("lower_person"), HIGHER.label("higher_person"))).order_by(
    literal_column("lower_person"), literal_column("higher_person"), identity_link.c.id
)
