"""What a decision rests on, and that it still holds when the decision is stored.

Between reading whose records they are and storing the decision, those records may be found to be two people's. Then
the decision must not leave: it is made again (issue: an unlink takes effect at once).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection

from service.domain.errors import TestOnceError, Unavailable
from service.registry.journal import add_rows, once
from service.registry.reach import newest_change, records_changed_since, share_persons
from service.registry.tables import decision_record

TRIES = 3
"""How often a question is answered anew before its caller is asked to come again."""


class Stale(TestOnceError):
    """The persons changed while the question was being answered; nothing was stored. Not Unavailable: it concerns
    this one question, not those that share its commit."""


def come_again() -> Unavailable:
    """What a caller is told whose question became stale every time."""
    return Unavailable("whose records these are changed while the answer was made; ask again")


def put_ground(conn: Connection, decision_id: str, rests_on: Collection[int], seen: int) -> None:
    """Stores the records a decision rests on; `seen` is the newest change of persons known when they were read.

    Raises Stale where any of them was touched by a later change.
    """
    if not rests_on:
        return
    check_ground(conn, rests_on, seen)
    add_rows(conn, decision_record, ground_rows(decision_id, rests_on))


def ground_rows(decision_id: str, rests_on: Collection[int]) -> list[dict[str, Any]]:
    """A decision's rows of `decision_record`."""
    return [{"record_id": record, "decision_id": decision_id} for record in rests_on]


def check_ground(conn: Connection, rests_on: Collection[int], seen: int) -> None:
    """Raises Stale where a change later than `seen` touched any of the records; else they stay as they are until the
    transaction ends."""
    if once(conn, _newest_held) != seen and not records_changed_since(conn, seen).isdisjoint(rests_on):
        raise Stale


def _newest_held(conn: Connection) -> int:
    share_persons(conn)
    return newest_change(conn)
